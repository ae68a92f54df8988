"""The built-in encoder: small frozen towers on onnxruntime, no download, no GPU."""
