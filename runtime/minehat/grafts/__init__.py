"""Surgery on ONNX graphs at build time: suppression inside, and what brings other layouts to our contract."""

from .suppression import MOST_CANDIDATES, USUAL_CANDIDATES, with_suppression

__all__ = ["MOST_CANDIDATES", "USUAL_CANDIDATES", "with_suppression"]
