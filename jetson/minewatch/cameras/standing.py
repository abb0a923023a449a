"""How a camera stands: live, blind or waiting, when it is opened again, and what is told of it. Pure.

It is told the time (monotonic seconds) and what happened; it asks no clock and rolls no dice. A fault is told
the moment it shows. That a camera is well again is told at once too, unless it fell ill twice within a
minute: then it must stay well for a minute first, so that a flapping camera cannot fill the day with notices.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from ..status import CameraStanding
from .messages import Cause

OPEN = 5.0  # seconds that a camera gets to answer
FIRST = 15.0  # and to give a first whole frame, which may have to wait for a key frame
DAMAGED = 30.0  # seconds of nothing but damaged frames, after which a new connection is tried
SILENT = 10.0  # seconds without a beat from the reader of a file or folder
HEALTH = 60.0  # seconds of frames, after which all is forgotten; and without, after which hope is
STEADY = 5.0  # seconds of frames, after which a lost connection is tried again soon
SOON, LATE = 4.0, 30.0  # longest waits before the next try
AUTH, AUTH_MOST = 30.0, 300.0  # waits after a refused password, so that no account is locked
CALM = 60.0  # seconds between two faults, below which a camera flaps
OPENS = 12  # connections begun in one second, all cameras together


@dataclass(frozen=True)
class Change:
    """What is told of a camera: a fault, that it is live again, or that its file has ended."""

    standing: CameraStanding
    cause: Cause | None
    text: str  # one line


@dataclass(frozen=True)
class Standing:
    """One camera over all its connections. Times are monotonic."""

    stall: float  # seconds
    live: bool = True  # its silence is a fault; else it is a file or folder
    standing: CameraStanding = "connecting"
    cause: Cause | None = None
    text: str = ""
    since: float = 0.0  # of being live, or not
    due: float | None = 0.0  # when it is opened next; None: it is open, or done
    opening: float | None = None  # when the present connection was begun
    heard: float | None = None  # its last sign of life
    frames_since: float | None = None  # its first frame
    frame: float | None = None  # the newest frame, of any connection
    failures: int = 0  # in a row
    troubled: float | None = None  # the first loss since it was last healthy
    told: CameraStanding | None = None
    fault_told: float | None = None
    flaps: bool = False


def fresh(now: float, stall: float, live: bool = True) -> Standing:
    """Before the first connection."""
    return Standing(stall, live, since=now, due=now)


def begun(camera: Standing, now: float) -> Standing:
    """A reader was started."""
    return replace(camera, standing="connecting", due=None, opening=now, heard=None, frames_since=None)


def born(camera: Standing, now: float) -> Standing:
    """The reader runs: the camera's time to answer begins now, however busy the machine was until then."""
    return replace(camera, opening=now) if camera.heard is None else camera


def arrived(camera: Standing, now: float) -> Standing:
    """A whole frame came."""
    since = camera.since if camera.standing == "live" else now
    return replace(camera, standing="live", cause=None, text="", since=since, heard=now, frame=now,
                   frames_since=now if camera.frames_since is None else camera.frames_since)


def beaten(camera: Standing, now: float, fit: bool) -> Standing:
    """The reader lives. fit: whole frames came, or none is due."""
    return arrived(camera, now) if fit else replace(camera, heard=now)


def turned(camera: Standing, now: float) -> Standing:
    """What time alone does: frames that only come damaged leave a camera blind."""
    if camera.standing != "live" or not camera.live or _age(camera.frame, now) <= camera.stall:
        return camera
    return replace(camera, standing="blind", cause="broken", since=now,
                   text=f"no whole frame for {camera.stall:g} s: all that arrive are damaged")


def overdue(camera: Standing, now: float) -> tuple[Cause, str] | None:
    """Why the present connection must be ended; None where it may go on."""
    if camera.opening is None:
        return None
    if camera.heard is None and now - camera.opening > OPEN:
        return "timeout", f"no answer within {OPEN:g} s"
    patience = camera.stall if camera.live else max(camera.stall, SILENT)
    if camera.frames_since is not None and _age(camera.heard, now) > patience:
        return "stalled", f"no frame for {patience:g} s"
    if camera.frames_since is None and now - camera.opening > FIRST:
        return "timeout", f"it answers, but gave no whole frame within {FIRST:g} s"
    if camera.standing == "blind" and now - camera.since > DAMAGED:
        return "broken", f"only damaged frames for {DAMAGED:g} s"
    return None


def lost(camera: Standing, now: float, cause: Cause, text: str, chance: float) -> Standing:
    """The connection is over. chance: 0 to 1, for the jitter of the wait."""
    since = now if camera.standing == "live" else camera.since
    over = replace(camera, cause=cause, text=text, since=since, opening=None, heard=None, frames_since=None)
    if cause == "ended" and not camera.live:
        return replace(over, standing="ended", due=None)
    lived = 0.0 if camera.frames_since is None else now - camera.frames_since
    if camera.troubled is None or lived >= HEALTH:
        over = replace(over, troubled=now, failures=0)
    return replace(over, standing="waiting", due=now + _wait(over, now, lived, chance), failures=over.failures + 1)


def notice(camera: Standing, now: float) -> tuple[Standing, Change | None]:
    """What there is to tell, if anything."""
    if camera.standing in ("waiting", "blind"):
        return _fault(camera, now) if camera.told != "waiting" else (camera, None)
    if camera.standing == "ended" and camera.told != "ended":
        return replace(camera, told="ended"), _change(camera)
    steady = camera.frames_since is not None and now - camera.frames_since >= HEALTH
    if camera.standing == "live" and camera.told != "live" and (steady or not camera.flaps):
        return replace(camera, told="live"), _change(camera)
    return camera, None


class Opener:
    """Lets at most twelve connections begin within a second, all cameras together."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=OPENS)

    def may(self, now: float) -> bool:
        """Whether one more may begin; it counts as begun then."""
        if len(self._begun) == OPENS and now - self._begun[0] < 1.0:
            return False
        self._begun.append(now)
        return True


def _fault(camera: Standing, now: float) -> tuple[Standing, Change]:
    flaps = _age(camera.fault_told, now) < CALM
    return replace(camera, told="waiting", fault_told=now, flaps=flaps), _change(camera)


def _change(camera: Standing) -> Change:
    return Change(camera.standing, camera.cause, camera.text)


def _wait(camera: Standing, now: float, lived: float, chance: float) -> float:
    """Seconds until the next try; `failures` were before this one."""
    if camera.cause == "auth":
        return min(AUTH * 2.0 ** min(camera.failures, 8), AUTH_MOST) * (1 + chance / 4)
    early = lived >= STEADY or now - (now if camera.troubled is None else camera.troubled) < HEALTH
    return min(2.0 ** min(camera.failures, 8), SOON if early else LATE) * (1 + chance) / 2


def _age(moment: float | None, now: float) -> float:
    return float("inf") if moment is None else now - moment
