"""Training data: pairs from files, mined and rewritten triplets, edited photos."""
