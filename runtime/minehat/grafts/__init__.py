"""Surgery on ONNX graphs at build time: suppression inside, pixels for an input, and what other layouts want."""

from .pixels import with_uint8_input
from .raw_maps import with_decode_outside
from .suppression import MOST_CANDIDATES, USUAL_CANDIDATES, with_suppression

__all__ = ["MOST_CANDIDATES", "USUAL_CANDIDATES", "with_decode_outside", "with_suppression", "with_uint8_input"]
