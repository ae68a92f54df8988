"""Training and exporting the starter encoder's head and towers.

The starter's package is imported first: it turns the telemetry of onnxruntime off, which modules here import too.
"""

import unite_search.encoders.starter  # noqa: F401
