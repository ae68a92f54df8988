"""Benchmarks of the encoders: speed, batching, variation over seeds, and parity with the official UNITE code."""
