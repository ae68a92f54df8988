"""Continuous integration: every stage of `.ci/run`, and a summary of what was tested and what was not."""
