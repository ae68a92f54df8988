"""Training and export of encoders; runs from a checkout as `python -m train...` and is not part of the wheel."""

import unite_search.encoders.starter  # noqa: F401 - turns off the telemetry of onnxruntime, which exports import
