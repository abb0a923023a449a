"""The page about a lowered model: what it was made from, what that costs, where, and in which pictures one sees it."""

from .facts import Elsewhere, Outcome
from .page import ready_report, write_report

__all__ = ["Elsewhere", "Outcome", "ready_report", "write_report"]
