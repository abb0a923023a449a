"""How the detector stands: when its process is started, given up, replaced or left alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

FIRST = 5  # times hang_seconds, that the first batch of a process may take
PATIENCE = 3  # times the usual, that a batch may take where that is longer than hang_seconds
FAILURES = 3  # within WINDOW, after which it is degraded
WINDOW = 600.0  # seconds
RETRY = 60.0  # seconds between tries while it is degraded


@dataclass(frozen=True)
class Limits:
    """Seconds that a process may take, as the configuration says."""

    load: float
    hang: float


@dataclass(frozen=True)
class Standing:
    """All times are seconds of the monotonic clock."""

    limits: Limits
    has_fallback: bool
    phase: Literal["none", "loading", "idle", "busy"] = "none"  # of the process
    since: float = 0.0  # of the phase
    next_try: float = 0.0  # when a process is started, while there is none
    loaded: float = 0.0  # when this process became ready
    usual: float | None = None  # seconds that this process's batches take
    failures: tuple[float, ...] = ()  # of the model that is tried now, within WINDOW
    replaced: int = 0  # processes, ever
    degraded: bool = False
    fallback: bool = False  # the second choice is, or will be, running
    cause: str = ""  # of the last failure
    text: str = ""

    @property
    def name(self) -> Literal["starting", "ready", "replacing", "degraded"]:
        """In one word, as DetectorStatus has it."""
        if self.degraded:
            return "degraded"
        if self.phase in ("idle", "busy"):
            return "ready"
        return "replacing" if self.replaced else "starting"

    @property
    def patience(self) -> float:
        """Seconds that the process may take for what it is at: never ends for one that waits."""
        if self.phase == "loading":
            return self.limits.load
        if self.phase != "busy":
            return float("inf")
        longest = FIRST * self.limits.hang
        if self.usual is None:
            return longest
        return min(max(self.limits.hang, PATIENCE * self.usual), longest)


def must_start(standing: Standing, now: float) -> bool:
    """Whether there is no process, and there should be one."""
    return standing.phase == "none" and now >= standing.next_try


def hangs(standing: Standing, now: float) -> bool:
    """Whether the process has had all the time that it may take."""
    return now - standing.since > standing.patience


def started(standing: Standing, now: float) -> Standing:
    """A process loads the model."""
    return replace(standing, phase="loading", since=now, usual=None)


def ready(standing: Standing, now: float) -> Standing:
    """It waits for its first batch."""
    return replace(standing, phase="idle", since=now, loaded=now)


def asked(standing: Standing, now: float) -> Standing:
    """It looks at a batch."""
    return replace(standing, phase="busy", since=now)


def answered(standing: Standing, now: float) -> Standing:
    """It waits for the next one."""
    took = now - standing.since
    usual = took if standing.usual is None else 0.8 * standing.usual + 0.2 * took
    return replace(standing, phase="idle", since=now, usual=usual)


def rested(standing: Standing, now: float) -> Standing:
    """Degraded no longer, after WINDOW of health; on the fallback it stays so."""
    well = standing.phase in ("idle", "busy") and now - standing.loaded >= WINDOW
    if not (standing.degraded and well) or standing.fallback:
        return standing
    return replace(standing, degraded=False, failures=(), cause="", text="")


def failed(standing: Standing, cause: str, text: str, final: bool, now: float) -> Standing:
    """The process is gone, or was given up. final: trying this model again cannot help."""
    failures = (*(moment for moment in standing.failures if now - moment < WINDOW), now)
    after = replace(standing, phase="none", since=now, replaced=standing.replaced + 1, cause=cause, text=text,
                    failures=failures, next_try=now)
    if not final and len(failures) < FAILURES:
        return after
    if not standing.has_fallback:
        return replace(after, degraded=True, fallback=False, next_try=now + RETRY)
    first_time = not standing.fallback
    return replace(after, degraded=True, fallback=first_time, failures=(), next_try=now if first_time else now + RETRY)


def renewed(standing: Standing, now: float) -> Standing:
    """Another model has taken over, in a process that is ready; what befell the one before counts no more."""
    return Standing(standing.limits, standing.has_fallback, "idle", now, now, now, replaced=standing.replaced)
