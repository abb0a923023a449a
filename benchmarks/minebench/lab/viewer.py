"""The packets of one camera on their way to one viewer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from . import rtp
from .mount import Mount

LATE = 1.0  # seconds behind, after which pictures are left out up to the latest key frame
REPORTS = 5.0  # seconds between two sender reports
Send = Callable[[list[bytes], bool], None]  # packets; whether they are reports


class Viewer:
    """Plays one camera to one viewer, from its latest key frame on, in real time."""

    def __init__(self, mount: Mount, send: Send) -> None:
        self._mount, self._send = mount, send
        self._source, self._sequence = random.getrandbits(32), random.getrandbits(16)
        self._packets = self._bytes = 0
        self._reported = -REPORTS
        self._join(asyncio.get_running_loop().time())

    def info(self, url: str) -> str:
        """RTP-Info: the first packet's number and time stamp."""
        stamp = self._mount.stamp(self._timeline.due(self._number)) & 0xFFFFFFFF
        return f"url={url};seq={self._sequence & 0xFFFF};rtptime={stamp}"

    async def play(self) -> None:
        """For ever, until cancelled."""
        clock = asyncio.get_running_loop().time
        stalled = False
        while True:
            now = clock()
            due = self._timeline.due(self._number) + self._lag
            if stalled or now - due > LATE or self._mount.timeline_at(now) is not self._timeline:
                self._join(now)
            elif due > now:
                await asyncio.sleep(due - now)
            stalled = self._mount.faults.stall
            if stalled:
                await asyncio.sleep(0.02)
            elif clock() >= self._timeline.due(self._number) + self._lag:
                self._show(clock())

    def _join(self, now: float) -> None:
        self._timeline = self._mount.timeline_at(now)
        self._number = self._timeline.at(now)
        self._lag = now - self._timeline.due(self._number)

    def _show(self, now: float) -> None:
        """One picture, and after it a report where one is due."""
        mount = self._mount
        payloads = mount.shown(self._timeline.unit(self._number))
        stamp = mount.stamp(self._timeline.due(self._number))
        self._send([rtp.packet(payload, self._sequence + place, stamp, self._source, place == len(payloads) - 1)
                    for place, payload in enumerate(payloads)], False)
        self._number += 1
        self._sequence += len(payloads)
        self._packets += len(payloads)
        self._bytes += sum(map(len, payloads))
        if now - self._reported >= REPORTS:
            wall = time.time() + mount.faults.clock
            self._send([rtp.sender_report(wall, mount.stamp(now - self._lag), self._source, self._packets,
                                          self._bytes)], True)
            self._reported = now
