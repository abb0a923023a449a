"""What the judge remembers of one camera between frames."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minehat.errors import MineHatError

from ..config.schema import RulesPart, ZonePart
from ..events.event import Box
from .evidence import Moment
from .notices import Notices
from .person import Incident, Person
from .tracker import Settings, Tracks, no_tracks
from .zones import Zone, zones_of


@dataclass(frozen=True)
class Still:
    """A helmet that nobody wears."""

    number: int  # of the track that it was
    box: Box
    seen: float  # seconds watched


@dataclass(frozen=True)
class History:
    """Never changed: each frame makes a new one. Its size is bounded by the tracker's."""

    rules: RulesPart
    zones: tuple[Zone, ...]
    helmet: int  # row of the classes; -1 where the model has no such class
    head: int
    run: str  # random; ids of incidents are made of it
    settings: Settings
    now: float = -math.inf  # of the latest frame
    watched: float = 0.0  # seconds of pictures so far
    frames: int = 0
    tracks: Tracks = field(default_factory=no_tracks)
    people: Mapping[int, Person] = field(default_factory=dict)  # by number of the track that shows them
    stills: tuple[Still, ...] = ()
    lost: tuple[Incident, ...] = ()  # open from before a restart, and not found again so far
    lost_since: float = 0.0  # seconds watched
    counts: Mapping[str, int] = field(default_factory=dict)  # people who entered each zone
    notices: Notices = field(default_factory=Notices)
    incidents: int = 0  # opened so far

    @classmethod
    def fresh(cls, rules: RulesPart, zones: Sequence[ZonePart], classes: Sequence[str], run: str = "") -> History:
        """Nothing seen yet. rules: the camera's own, changes made. run: random where none is given.

        Raises MineHatError where the model knows no class `head`.
        """
        made = zones_of(zones, rules)
        helmet, head = labels_of(classes)
        return cls(rules, made, helmet, head, run or secrets.token_hex(16), Settings(gap=rules.gap),
                   counts={zone.name: 0 for zone in made if zone.count})

    @property
    def moment(self) -> Moment:
        """Of the latest frame."""
        return Moment(self.now, self.watched)

    def rules_in(self, zone: str) -> RulesPart:
        """The rules of a zone; the camera's where there is none of that name."""
        return next((one.rules for one in self.zones if one.name == zone), self.rules)

    def next_id(self) -> str:
        """Of the next incident: 128 bits, hex, the same for the same history."""
        return hashlib.blake2b(f"{self.run} {self.incidents}".encode(), digest_size=16).hexdigest()


def labels_of(classes: Sequence[str]) -> tuple[int, int]:
    """The rows of helmet and head. Raises MineHatError for a model that could never raise an alarm."""
    if "head" not in classes:
        raise MineHatError(f"the model knows {', '.join(classes)}, and no class `head`: it would never see a bare "
                           "head. Give a model with the classes helmet and head.")
    return (list(classes).index("helmet") if "helmet" in classes else -1), list(classes).index("head")
