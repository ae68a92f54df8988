"""Benchmarks of retrieval quality: public data sets, captions, and composed queries."""
