"""The encoders: their speed, batching, seeds, and parity with the official UNITE code."""
