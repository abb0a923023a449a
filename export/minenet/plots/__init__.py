"""Figures to look at: a run's history, what scoring found, the worst pictures."""

from .history import plot_history

__all__ = ["plot_history"]
