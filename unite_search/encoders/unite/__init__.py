"""The UNITE models; the entry point is `UniteEncoder`. Needs the extra `unite` (torch, transformers)."""
