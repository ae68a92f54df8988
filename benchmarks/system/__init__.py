"""Benchmarks of the whole program: indexing speed, memory, start-up, server, kills, damaged files, other programs."""
