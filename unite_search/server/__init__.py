"""The server: a web page and an HTTP API over open collections. Needs the extra `serve`."""
