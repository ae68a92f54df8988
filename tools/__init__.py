"""Scripts for those who work on the project; run from a checkout, not part of the wheel."""
