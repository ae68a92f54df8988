"""Training and export of encoders; runs from a checkout as `python -m train...` and is not part of the wheel."""
