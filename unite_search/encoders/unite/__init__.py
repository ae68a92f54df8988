"""The UNITE models; the entry point is `UniteEncoder`. Needs the extra `unite` (torch, transformers).

huggingface_hub can report which libraries use it. It reads the switch when it is imported, so every import of it, and
of transformers, comes after this one.
"""

import os

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
