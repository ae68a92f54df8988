"""Readers of public data sets in their published layouts; all give queries, a gallery and the right answers."""
