"""Search: encode a query, find its nearest items, score them by all evidence, and group them into a page of hits."""
