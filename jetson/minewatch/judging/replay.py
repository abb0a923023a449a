"""minewatch replay clip.mp4 --config minewatch.yaml --camera gate --draw drawn/

Tell which events clips would raise: what the judge makes of videos, in their own time, by a camera's rules and zones.

CLIP is a video, a picture or a folder of pictures. Each video is judged from its beginning, as if nobody had been there
before; at its end open incidents end. Pictures have no time: of them each bare head counts at once. The health of
pictures is not looked at, and nothing is kept or sent.

JSON: a .jsonl file gets a line for each event as it comes; .json and - get {"model": ..., "clips": [...], "events":
[...]} at the end. An event has "clip", "kind", "seconds" and "began" (of the clip), "incident", "zone", "track",
"score", "box" (shares of the frame's width and height), "count", "loud", "cause" and "remark".

exit codes: 0 done; 2 nothing was begun: an argument, the configuration or the model cannot be used, or no clip is
there; 3 clips were not there or could not be read to their end, and the rest is done; 130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import minehat
from minehat.detections import Detections
from minehat.detector import Detector
from minehat.doors import DONE, MENDABLE, SOME_FAILED
from minehat.errors import MineHatError
from minehat.files import ready_folder
from minehat.progress import bar, say
from minehat.report_file import check_report, write_report
from minehat.results import check_no_input, check_place, results_to
from minehat.sources import Shot, count_frames, frames_of, is_url, listed, without_secrets
from minehat.tables import print_table

from ..config.schema import CameraPart, RulesPart, ZonePart
from .history import History
from .judge import closed, judge
from .sketch import sketch
from .verdict import Verdict
from .zones import changed

SHIPPED = Path("models/helmet-nano/helmet-nano.int8-cpu.onnx")
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Case:
    """What clips are judged by."""

    model: Path
    card: Path | None = None
    conf: float | None = None
    iou: float | None = None
    rules: RulesPart = field(default_factory=RulesPart)
    zones: tuple[ZonePart, ...] = ()
    most_fps: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minewatch replay` takes."""
    parser.add_argument("clips", metavar="CLIP", nargs="+", help="video, picture or folder of pictures")
    parser.add_argument("--model", metavar="MODEL", type=Path,
                        help="an .onnx file or an engine (default: the configuration's, else the shipped helmet-nano)")
    parser.add_argument("--config", metavar="CONFIG", type=Path,
                        help="take model, rules and zones of this configuration")
    parser.add_argument("--camera", metavar="NAME", help="whose rules and zones (default: its only camera's)")
    parser.add_argument("--json", metavar="FILE", help="write the events: .json, .jsonl, or - for stdout")
    parser.add_argument("--draw", metavar="DIR", help="draw a picture of each event into this folder")


def replay(args: argparse.Namespace) -> int:
    """Judge the clips, and tell people on stderr, machines in --json. Returns the exit code."""
    _check_places(args)
    case = case_of(args)
    failures: list[MineHatError] = []

    def failed(exc: MineHatError) -> None:
        failures.append(exc)
        say(f"minewatch: {' '.join(str(exc).split())}")

    inputs = listed(args.clips, failed)
    if not inputs:
        return MENDABLE
    told: list[dict[str, Any]] = []
    with ExitStack() as opened:
        detector = opened.enter_context(minehat.open(case.model, case.card, conf=case.conf, iou=case.iou))
        History.fresh(case.rules, case.zones, detector.card.classes)  # tells of a model that knows no heads
        by_line = str(args.json).lower().endswith(".jsonl")
        write = opened.enter_context(results_to(args.json if by_line else None, str(case.model)))
        shots = bar(frames_of(inputs, failed), count_frames(inputs), "judging")
        for event in events_of(shots, detector, case, ready_folder(args.draw) if args.draw else None):
            write(event)
            told.append(event)
    if not by_line:
        write_report(args.json, {"model": str(case.model), "clips": [one.name for one in inputs], "events": told})
    _show(told, len(inputs))
    return SOME_FAILED if failures else DONE


def case_of(args: argparse.Namespace) -> Case:
    """Model, rules and zones. Raises MineHatError where they are not to be had."""
    if args.config is None:
        if args.camera is not None:
            raise MineHatError(f"--camera {args.camera} is of a configuration: name that too, with --config.")
        return Case(args.model or _shipped())
    from ..config.load import read_config  # its reader is not wanted where no configuration is

    config = read_config(args.config)
    camera = _camera(config.cameras, args.camera, args.config)
    rules = changed(config.rules, camera.rules)
    if args.model:
        return Case(args.model, rules=rules, zones=camera.zones, most_fps=camera.most_fps)
    model = config.model
    return Case(model.file, model.card, model.conf, model.iou, rules, camera.zones, camera.most_fps)


def events_of(shots: Iterator[Shot], detector: Detector, case: Case, drawn: Path | None) -> Iterator[dict[str, Any]]:
    """The events of all clips, in their order, and a picture of each in the folder `drawn`."""
    history, last = _fresh(case, detector), None
    count = 0
    for shot in shots:
        if shot.index in (None, 0):
            yield from _at_end(history, last)
            history = _fresh(case, detector) if shot.index == 0 else _for_still(case, detector)
            last = None
        if last and case.most_fps and _seconds(shot) - history.now < 1 / case.most_fps - 1e-3:
            continue
        found = detector(shot.frame)
        history, verdicts = judge(history, found, (shot.frame.shape[1], shot.frame.shape[0]), _seconds(shot))
        last = shot
        for verdict in verdicts:
            count += 1
            if drawn:
                _draw(drawn, count, shot, found, verdict, case, detector.card.classes)
            yield _told(shot, verdict)
    yield from _at_end(history, last)


def _fresh(case: Case, detector: Detector) -> History:
    return History.fresh(case.rules, case.zones, detector.card.classes)


def _for_still(case: Case, detector: Detector) -> History:
    """For a single picture: there is nothing to wait for."""
    at_once = {"seconds": 0.0, "frames": 1, "cooldown": 0.0}
    zones = [zone.model_copy(update={"rules": zone.rules.model_copy(update=at_once)}) for zone in case.zones]
    return History.fresh(case.rules.model_copy(update=at_once), zones, detector.card.classes)


def _seconds(shot: Shot) -> float:
    return shot.seconds or 0.0


def _at_end(history: History, last: Shot | None) -> Iterator[dict[str, Any]]:
    """The ends of incidents that were open when a clip ended; of a picture nothing ends."""
    if last is not None and last.index is not None:
        for verdict in closed(history, history.now, "the clip ended")[1]:
            yield _told(last, verdict)


def _told(shot: Shot, verdict: Verdict) -> dict[str, Any]:
    box = [round(side, 4) for side in verdict.box] if verdict.box else None
    rounded = {"seconds": round(verdict.seconds, 3), "began": round(verdict.began, 3), "box": box,
               "score": round(verdict.score, 4)}
    return {"clip": shot.source, **asdict(verdict), **rounded}


def _draw(folder: Path, count: int, shot: Shot, found: Detections, verdict: Verdict, case: Case,
          classes: tuple[str, ...]) -> None:
    name = f"{Path(shot.source).stem}-{count:04d}-{verdict.kind}.jpg"
    sketch(folder / name, shot.frame, found, classes, case.zones, verdict)


def _show(told: list[dict[str, Any]], clips: int) -> None:
    """A table for people."""
    header = ["event", "clip", "second", "person", "score", "zone", "notice", "remark"]
    rows = [[one["kind"], Path(one["clip"]).name, f"{one['seconds']:.2f}", str(one["track"] or "-"),
             f"{one['score']:.2f}" if one["score"] else "-", one["zone"] or "-", "yes" if one["loud"] else "no",
             one["remark"] or "-"] for one in told]
    if rows:
        print_table(header, rows)
    people = sum(one["kind"] == "bare_head" for one in told)
    say(f"{clips} {'clip' if clips == 1 else 'clips'}: {people} without a helmet, {len(told)} events in all")


def _check_places(args: argparse.Namespace) -> None:
    """Raise MineHatError for what cannot be, before any work."""
    for clip in args.clips:
        if is_url(clip):
            raise MineHatError(f"{without_secrets(clip)} is a camera: replay takes videos and pictures. "
                               "`minewatch run` watches cameras.")
    check_place(args.json)
    check_no_input(args.json, model=args.model, config=args.config)
    if args.json and not str(args.json).lower().endswith(".jsonl"):
        check_report(args.json)


def _camera(cameras: tuple[CameraPart, ...], name: str | None, config: Path) -> CameraPart:
    names = ", ".join(one.name for one in cameras)
    if name is None and len(cameras) == 1:
        return cameras[0]
    if name is None:
        raise MineHatError(f"{config} has {len(cameras)} cameras: {names}. Name one with --camera.")
    for camera in cameras:
        if camera.name == name:
            return camera
    raise MineHatError(f"{config} has no camera {name!r}; it has {names}.")


def _shipped() -> Path:
    """The small model of the checkout."""
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        if (root / SHIPPED).is_file():
            return root / SHIPPED
    raise MineHatError(f"{SHIPPED} is not here. Name a model with --model, or a configuration with --config.")
