"""Measure speed and recall of the vector indexes, compared with plain Faiss and with other libraries."""
