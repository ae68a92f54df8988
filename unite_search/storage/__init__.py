"""A collection on disk: the catalog, the partitions that cache it, and everything that reads or writes them."""
