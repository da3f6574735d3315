"""Models from ONNX files: sessions, and one module per type of model."""
