"""The watch: looks at one source through a detector, judges what it sees, and sounds bare heads."""

from .events import Event, Voice
from .judge import History, Rules, judge, settled

__all__ = ["Event", "History", "Rules", "Voice", "judge", "settled"]
