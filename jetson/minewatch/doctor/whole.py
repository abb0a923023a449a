"""Everything that a watch needs, looked at. Nothing is changed, and a running watch is not disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding, Look, looked_at, machine_looks
from minehat.doctor.models import model
from minehat.errors import MineHatError

from ..berth.installing.layout import USER, Layout
from ..config.load import read_partly
from ..config.schema import Config
from . import cameras, receivers, service, state, time_source, wear

USUAL = "etc/minewatch/minewatch.yaml"


def examine(root: Path, path: Path | None = None) -> list[Finding]:
    """The box, and the watch of a configuration, right or wrong. Raises nothing.

    root: the folder that stands for `/`. path: the usual place where it is None.
    """
    config, about = _configuration(root, path)
    looks: list[tuple[str, Look]] = [
        *machine_looks(root), ("wear", partial(wear.wear, root)), ("time", partial(time_source.time_source, root)),
        ("release", partial(service.release, Layout(root))), ("service", partial(service.unit, root)),
        ("configuration", lambda: about)]
    return looked_at([*looks, *(_of_watch(root, config) if config else ())])


def _configuration(root: Path, path: Path | None) -> tuple[Config | None, list[Finding]]:
    """As much of it as can be used, and what is to be said of it."""
    what, file = "configuration", path or root / USUAL
    if path is None and not file.exists():
        return None, [Finding(what, NOTE, f"none is at {file}, and none was named", "Cameras, events, receivers are "
                              "not looked at", "Make one: `minewatch setup`, or name one: `minewatch doctor FILE`")]
    try:
        _, config, mistakes = read_partly(file)
    except MineHatError as exc:
        return None, [Finding(what, FAULT, str(exc))]
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes; the first"
        return config, [Finding(what, FAULT, f"{count}: {mistakes[0]}", "The watch does not start with it",
                                f"See all: `minewatch check {file}`")]
    on = sum(camera.enabled for camera in config.cameras) if config else 0
    closed = state.closed_to(USER, file) if root == Path("/") and file == root / USUAL else ""
    if closed:
        return config, [Finding(what, FAULT, f"{closed} is closed to {USER}", "The service cannot read it",
                                f"`sudo chown -R {USER}: {file.parent}`")]
    level, why = (WELL, "") if on else (WARNING, "Nothing is watched")
    return config, [Finding(what, level, f"{file}: {on} camera{'s' * (on != 1)} on", why)]


def _of_watch(root: Path, config: Config) -> Iterator[tuple[str, Look]]:
    for file in dict.fromkeys((config.model.file, config.model.fallback,
                               config.model.engine.onnx if config.model.engine else None)):
        if file is None:
            continue
        yield "model", partial(model, root, state.below(root, file))
    yield "state", partial(state.state, root, config.state)
    yield "cameras", partial(cameras.cameras, root, config)
    yield "receivers", partial(receivers.receivers, config)
    if root == Path("/"):
        yield "watch", partial(service.watch, config)
