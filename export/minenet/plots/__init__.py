"""Figures to look at: a run's history, what scoring found, the worst pictures."""

from .history import plot_history
from .scored import plot_detail
from .sheet import load_matplotlib
from .worst import draw_worst

__all__ = ["draw_worst", "load_matplotlib", "plot_detail", "plot_history"]
