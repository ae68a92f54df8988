"""Measurements that go into `docs/results/`; run from a checkout as `python -m benchmarks`."""
