"""The server: a page to look at and an HTTP API over open collections. Needs the extra `serve`."""
