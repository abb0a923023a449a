"""What activations were seen to be, and what part of that INT8 keeps."""

from .clipping import METHODS, Clipping, symmetric, two_sided
from .histograms import Histogram, Seen, gather

__all__ = ["METHODS", "Clipping", "Histogram", "Seen", "gather", "symmetric", "two_sided"]
