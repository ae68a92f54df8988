"""Shared by several benchmarks: run commands, read photos and clips, draw vectors, time, plot, write results."""
