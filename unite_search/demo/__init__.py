"""Draw a small media library to try the search on; its clips need the extra `demo`."""
