"""The watch: looks at one source through a detector, judges what it sees, and sounds bare heads."""

from .events import Event, Journal
from .judge import History, Rules, judge, settled

__all__ = ["Event", "History", "Journal", "Rules", "judge", "settled"]
