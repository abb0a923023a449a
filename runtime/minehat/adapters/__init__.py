"""Other people's detectors: their ONNX files, recognised by their outputs, get our graph's contract and a card.

A file a family says what speaks for it and grafts the piece that turns its outputs into boxes and scores.
"""

from .adapt import Adapted, contract_from_foreign
from .layouts import LAYOUTS
from .pixels import PIXELS
from .wish import Wish

__all__ = ["LAYOUTS", "PIXELS", "Adapted", "Wish", "contract_from_foreign"]
