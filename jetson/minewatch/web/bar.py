"""The bar above every page: green only while all is watched; amber where something else is not well; red otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..outlook import OLD
from ..status import CameraStatus, Status
from . import times
from .board import Board
from .words import Words


@dataclass(frozen=True)
class Line:
    """One reason: of a camera where one is named."""

    camera: str
    text: str


@dataclass(frozen=True)
class Bar:
    """What it says."""

    level: Literal["well", "trouble", "alarm"]
    title: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Work:
    """Something that the watch does beside its work, for who waits for it."""

    text: str
    share: float | None  # that is done, 0 to 1


def bar_of(board: Board, words: Words) -> Bar:
    """From how the watch stands now. Silence is never taken for safety."""
    news = board.fresh
    if news is None:
        age = board.age
        text = words["no_news_yet"] if age is None else words["no_news"].format(times.span(age, words))
        return Bar("alarm", words["not_watching"], (Line("", text),))
    status = news.status
    if not status.watching:
        return Bar("alarm", words["not_watching"], _reasons(status, words) or (Line("", status.text),))
    troubles = _troubles(status, words)
    if troubles or status.troubles:
        return Bar("trouble", words["watching_but"], troubles or tuple(Line("", text) for text in status.troubles))
    on = sum(camera.standing != "off" for camera in status.cameras)
    return Bar("well", words["all_watched_one"] if on == 1 else words["all_watched"].format(on))


def work_of(board: Board, words: Words) -> Work | None:
    """The engine on its way: built, waiting, tried; None where there is none, or it is there."""
    engine = board.fresh.status.engine if board.fresh else None
    if engine is None or engine.standing not in ("building", "waiting", "trial"):
        return None
    text = words[f"work_{engine.standing}"]
    if engine.left is not None:
        text += " " + words["work_left"].format(times.span(engine.left, words))
    return Work(text, engine.share)


def _reasons(status: Status, words: Words) -> tuple[Line, ...]:
    found = []
    detector = status.detector
    if detector.standing != "ready" and not (detector.standing == "degraded" and detector.fallback):
        found.append(Line("", f"{words['detector']}: {words.of('detector', detector.standing)}"))
    on = [camera for camera in status.cameras if camera.standing != "off"]
    if not on:
        found.append(Line("", words["no_camera_on"]))
    return (*found, *(Line(camera.name, text) for camera in on if (text := why_not(camera, words))))


def why_not(camera: CameraStatus, words: Words) -> str:
    """Why a camera is not watched; "" where it is."""
    if camera.standing != "live":
        word = words.of("standing", camera.standing)
        return f"{word}: {words.of('cause', camera.cause)}" if camera.cause else word
    if camera.faults:
        return ", ".join(words.of("cause", fault) for fault in camera.faults)
    if camera.last_looked is None or camera.last_looked > OLD:
        return words["not_looked_at"]
    return ""


def _troubles(status: Status, words: Words) -> tuple[Line, ...]:
    found = []
    if status.detector.fallback:
        found.append(words["fallback_runs"])
    elif status.detector.standing == "degraded":
        found.append(f"{words['detector']}: {words.of('detector', 'degraded')}")
    if status.engine.standing == "refused":
        found.append(words["no_engine"].format(status.engine.text))
    if status.storage.standing != "well":
        found.append(f"{words['storage']}: {words.of('storage', status.storage.standing)}")
    found += [words["sink_behind"].format(sink.name, sink.behind) for sink in status.sinks
              if sink.standing == "retrying" and sink.behind]
    if status.config_fault:
        found.append(words["config_refused"])
    if status.clock_suspect:
        found.append(words["clock_suspect"])
    return tuple(Line("", text) for text in found)
