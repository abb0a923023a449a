"""What can be wrong with a camera."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """One camera's, all off at first."""

    stall: bool = False  # no packets come; requests are answered
    still: bool = False  # the same key frame again and again
    garbage: bool = False  # slices are random bytes
    jump: float = 0.0  # seconds that time stamps are off
    zero: bool = False  # all time stamps are the same
    clock: float = 0.0  # seconds that the camera's own clock is off
    clip: int = -1  # which clip plays instead of its own
    silent: bool = False  # no request is ever answered
    missing: bool = False  # 404
    locked: bool = False  # 401, whatever the password
    redirect: str = ""  # 302 to this address
    streams: int = 1  # that the description promises
    giant: int = 0  # side of the picture that the description and the stream claim, pixels
    ticks: int = 12_345  # that time stamps begin with; near 2**32 they soon wrap

