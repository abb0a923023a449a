"""Is all well? One line for people, from how every part stands. Pure; silence is never taken for safety."""

from __future__ import annotations

from collections.abc import Sequence

from .status import BoardStatus, CameraStatus, DetectorStatus, EngineStatus, SinkStatus, StorageStatus

OLD = 5.0  # seconds; who was not looked at for so long is not watched


def unwatched(cameras: Sequence[CameraStatus], detector: DetectorStatus) -> list[str]:
    """Why nobody looks, one phrase for each reason; nothing where every camera that is on is looked through."""
    on = [camera for camera in cameras if camera.standing != "off"]
    reasons = [reason for camera in on if (reason := _blind(camera))]
    unseen = [camera.name for camera in on if camera.last_looked is None or camera.last_looked > OLD]
    if unseen and not reasons:
        reasons.append(f"{', '.join(unseen)}: not looked at")
    if unseen and detector.standing != "ready":
        reasons.insert(0, f"the detector is {detector.standing}{': ' * bool(detector.text)}{detector.text}")
    return reasons or ([] if on else ["no camera is on"])


def _blind(camera: CameraStatus) -> str:
    if camera.standing != "live":
        return f"{camera.name} is {camera.standing}: {camera.text or camera.cause or 'no picture yet'}"
    return f"{camera.name} cannot be judged: {', '.join(camera.faults)}" if camera.faults else ""


def troubles(detector: DetectorStatus, engine: EngineStatus, storage: StorageStatus, sinks: Sequence[SinkStatus],
             config_fault: str, clock_suspect: bool, page_fault: str) -> list[str]:
    """What else is not as it should be, while all cameras are looked through."""
    found = []
    if detector.standing == "degraded":
        found.append(f"{'the second-choice model runs' if detector.fallback else 'the detector fails often'}: "
                     f"{detector.text}")
    if engine.standing == "refused":
        found.append(f"no engine runs: {engine.text}")
    if storage.standing != "well":
        found.append(f"events or pictures cannot be kept: {storage.text or storage.standing}")
    found += [f"{sink.name} is not reached, {sink.behind} events behind" for sink in sinks
              if sink.standing == "retrying" and sink.behind]
    if config_fault:
        found.append(f"the new configuration was refused: {config_fault}")
    if page_fault:
        found.append(f"the page is not served: {page_fault}")
    if clock_suspect:
        found.append("the clock is not synchronised")
    return found


def strained(board: BoardStatus) -> list[str]:
    """What heat or power takes from the looks."""
    if board.short:
        why = board.text or ", ".join(board.throttled)
        return [f"{', '.join(board.short)}: fewer looks than an alarm needs: {why}"]
    if board.share < 1:
        return [f"fewer looks are made, {board.share:.0%} of those to spare: {board.text}"]
    return [f"the board slows itself down: {', '.join(board.throttled)}"] if board.throttled else []


def said(reasons: Sequence[str], others: Sequence[str], cameras: int) -> str:
    """One line."""
    if reasons:
        return "NOT WATCHING: " + "; ".join(reasons)
    if others:
        return "Watching, but " + "; ".join(others)
    return f"All {cameras} cameras are watched." if cameras != 1 else "The camera is watched."
