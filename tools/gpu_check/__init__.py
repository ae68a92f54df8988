"""Checks that need an NVIDIA GPU: the tests that are marked so, exact search, and the UNITE encoder."""
