"""The UNITE models: `encoder` is the way in; needs the extra `unite` (torch, transformers)."""
