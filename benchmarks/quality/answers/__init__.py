"""Measure the answers of a whole collection: files on disk, indexed and searched as a user does."""
