"""The engine that the watch builds beside its work, from the ONNX file that was shipped."""
