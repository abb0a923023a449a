"""Hand-off, for those who outgrow one box: a model repository for Triton, a folder for DeepStream.

What is known of both servers is from their public documentation and sources, read in November 2026
(DeepStream 9.1, Triton 25); neither has been run here. Their files are parsed and compiled in tests.
"""

from .deepstream import write_deepstream
from .triton import write_triton

__all__ = ["write_deepstream", "write_triton"]
