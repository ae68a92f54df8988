"""The built-in encoder: small frozen towers on onnxruntime, no download, no GPU.

onnxruntime (1.32) sends telemetry and writes a device id below the user's cache folder. It reads the switch when it is
imported, so every import of it comes after this one.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
