"""A small media library that draws itself, to try the search on; its clips need the extra `demo`."""
