"""One camera of the server: its clips, its faults, and what is due now."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import rtp, sdp
from .clips import Clip, Unit
from .faults import Faults
from .nals import giant_sps
from .timeline import Timeline


@dataclass
class Mount:
    """A camera that all its viewers see at the same moment of its clip. It begins when first looked at."""

    name: str
    clips: Sequence[Clip]
    own: int  # which of the clips is this camera's
    faults: Faults = field(default_factory=Faults)
    timeline: Timeline | None = None
    began: float = 0.0  # when it was first looked at; time stamps count from here
    viewers: int = 0
    noise: random.Random = field(default_factory=lambda: random.Random(0))

    @property
    def clip(self) -> Clip:
        """The one that plays."""
        return self.clips[self.own if self.faults.clip < 0 else self.faults.clip]

    def timeline_at(self, now: float) -> Timeline:
        """The clip's, begun now where it is another clip than before."""
        if self.timeline is None:
            self.began = now
        if self.timeline is None or self.timeline.clip is not self.clip:
            self.timeline = Timeline(self.clip, now)
        return self.timeline

    def stamp(self, moment: float) -> int:
        """RTP's time stamp of a moment."""
        seconds = 0.0 if self.faults.zero else moment - self.began + self.faults.jump
        return self.faults.ticks + round(seconds * rtp.CLOCK)

    def description(self) -> str:
        """SDP."""
        clip, sets = self.clip, self.clip.parameter_sets()
        if self.faults.giant:
            sets[0] = giant_sps(self.faults.giant)
        return sdp.description(self.name, clip.codec, sets, clip.fps, self.faults.streams)

    def shown(self, unit: Unit) -> list[bytes]:
        """The payloads of a picture, spoilt as the faults want it."""
        family = self.clip.family
        if self.faults.still:
            unit = self.clip.units[0]
        nals = unit.nals
        if self.faults.giant:
            nals = tuple(giant_sps(self.faults.giant) if family.kind(nal) == 7 else nal for nal in nals)
        if self.faults.garbage:
            nals = tuple(self._garbled(nal, family.header) if family.kind(nal) in family.slices else nal
                         for nal in nals)
        return [part for nal in nals for part in rtp.fragments(nal, family)]

    def _garbled(self, nal: bytes, header: int) -> bytes:
        return nal[:header] + self.noise.randbytes(len(nal) - header)
