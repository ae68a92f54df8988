"""Encoders: content in, unit vectors out. `registry.load_encoder` finds one by name."""
