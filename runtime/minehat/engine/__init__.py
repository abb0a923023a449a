"""Engines: built from ONNX files, described by a card, checked before they are loaded."""

from .build import Built, engine_from_onnx
from .card import EngineCard, read_engine_card
from .check import check_engine
from .options import BuildOptions

__all__ = ["BuildOptions", "Built", "EngineCard", "check_engine", "engine_from_onnx", "read_engine_card"]
