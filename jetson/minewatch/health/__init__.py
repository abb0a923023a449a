"""Can a camera's picture be judged at all? A blind camera must never look safe."""

from .look import History, closed, look, with_part

__all__ = ["History", "closed", "look", "with_part"]
