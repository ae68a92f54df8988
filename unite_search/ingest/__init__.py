"""Indexing: files that a scan found become rows of the catalog, in one stream that can be killed at any moment."""
