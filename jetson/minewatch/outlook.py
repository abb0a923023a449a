"""Is all well? One line for people, from how every part stands. Pure; silence is never taken for safety."""

from __future__ import annotations

from collections.abc import Sequence

from .status import CameraStatus, DetectorStatus, SinkStatus, StorageStatus

OLD = 5000.0  # milliseconds; a result older than this is no watching


def unwatched(cameras: Sequence[CameraStatus], detector: DetectorStatus) -> list[str]:
    """Why nobody looks, one phrase for each reason; nothing where every camera that is on is looked through."""
    reasons = []
    if detector.standing != "ready" and not (detector.standing == "degraded" and detector.fallback):
        reasons.append(f"the detector is {detector.standing}: {detector.text or 'no answer yet'}")
    on = [camera for camera in cameras if camera.standing != "off"]
    if not on:
        reasons.append("no camera is on")
    for camera in on:
        if camera.standing != "live":
            reasons.append(f"{camera.name} is {camera.standing}: {camera.text or camera.cause or 'no picture yet'}")
        elif camera.faults:
            reasons.append(f"{camera.name} cannot be judged: {', '.join(camera.faults)}")
        elif camera.age_ms is None or camera.age_ms > OLD:
            reasons.append(f"{camera.name} has not been looked at")
    return reasons


def troubles(detector: DetectorStatus, storage: StorageStatus, sinks: Sequence[SinkStatus], config_fault: str,
             clock_suspect: bool) -> list[str]:
    """What else is not as it should be, while all cameras are looked through."""
    found = []
    if detector.fallback:
        found.append(f"the second-choice model runs: {detector.text}")
    if storage.standing != "well":
        found.append(f"events or pictures cannot be kept: {storage.text or storage.standing}")
    found += [f"{sink.name} is not reached, {sink.behind} events behind" for sink in sinks
              if sink.standing == "retrying" and sink.behind]
    if config_fault:
        found.append(f"the new configuration was refused: {config_fault}")
    if clock_suspect:
        found.append("the clock is not synchronised")
    return found


def said(reasons: Sequence[str], others: Sequence[str], cameras: int) -> str:
    """One line."""
    if reasons:
        return "NOT WATCHING: " + "; ".join(reasons)
    if others:
        return "Watching, but " + "; ".join(others)
    return f"All {cameras} cameras are watched." if cameras != 1 else "The camera is watched."
