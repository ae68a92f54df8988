"""Encoders: content in, unit vectors out. `base.load_encoder` finds one by name."""
