"""What is inside an ONNX file, an engine or a card: facts for `minehat inspect`."""

from .engine_facts import EngineFacts, engine_facts
from .onnx_facts import OnnxFacts, onnx_facts

__all__ = ["EngineFacts", "OnnxFacts", "engine_facts", "onnx_facts"]
