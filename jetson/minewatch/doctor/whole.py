"""Everything that a watch needs, looked at. Nothing is changed, and a running watch is not disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding, Look, looked_at, machine_looks
from minehat.doctor.models import model as model_look
from minehat.doctor.rights import NODES, rights
from minehat.errors import MineHatError

from ..berth.installing.layout import USER, Layout
from ..config.load import read_partly
from ..config.schema import Config
from . import cameras, receivers, service, state, time_source, wear
from .environment import as_the_service_has_it
from .state import closed_to, is_known

USUAL = "etc/minewatch/minewatch.yaml"


def examine(root: Path, path: Path | None = None) -> list[Finding]:
    """The box, and the watch of a configuration, right or wrong. Raises nothing.

    root: the folder that stands for `/`. path: the usual place where it is None.
    """
    file = path or root / USUAL
    user = USER if root == Path("/") and file == root / USUAL and is_known(USER) else ""
    config, about = None, [Finding("configuration", NOTE, f"none is at {file}, and none was named", "Cameras, events "
                                   "and receivers are not looked at", "Make one: `minewatch setup`, or name one: "
                                   "`minewatch doctor FILE`")]
    if path or file.exists():
        config, about = _configuration(file, user)
    looks: list[tuple[str, Look]] = [
        *machine_looks(root), ("wear", partial(wear.wear, root)), ("time", partial(time_source.time_source, root)),
        ("release", partial(service.release, Layout(root))), ("service", partial(service.unit, root)),
        ("configuration", lambda: about)]
    return looked_at([*looks, *(_of_watch(root, config, user) if config else ())])


def _configuration(file: Path, user: str) -> tuple[Config | None, list[Finding]]:
    """As much of it as can be used, and what is to be said of it. user: the service's, if it is the service's."""
    what = "configuration"
    try:
        with as_the_service_has_it(file):
            _, config, mistakes = read_partly(file)
    except MineHatError as exc:
        return None, [Finding(what, FAULT, str(exc))]
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes; the first"
        return config, [Finding(what, FAULT, f"{count}: {mistakes[0]}", "The watch does not start with it",
                                f"See all: `minewatch check {file}`")]
    if user and closed_to(user, file):
        return config, [Finding(what, FAULT, f"{file} is not {user}'s", "The service cannot use it",
                                f"`sudo chown -R {user}: {file.parent}`")]
    on = sum(camera.enabled for camera in config.cameras) if config else 0
    level, why = (WELL, "") if on else (WARNING, "Nothing is watched")
    return config, [Finding(what, level, f"{file}: {on} camera{'s' * (on != 1)} on", why)]


def _of_watch(root: Path, config: Config, user: str) -> Iterator[tuple[str, Look]]:
    model, siren = config.model, config.sinks.siren
    for file in dict.fromkeys((model.file, model.fallback, model.engine.onnx if model.engine else None)):
        if file is not None:
            yield "model", partial(model_look, root, state.below(root, file))
    if user:
        devices = [camera.url for camera in config.cameras if camera.enabled and camera.url.startswith("/dev/")]
        devices += [siren.gpio_chip] if siren and siren.gpio_chip else []
        yield "permissions", partial(rights, root, user, (*NODES, *(device.lstrip("/") for device in devices)))
    yield "state", partial(state.state, root, config.state, user)
    yield "cameras", partial(cameras.cameras, root, config)
    yield "receivers", partial(receivers.receivers, config)
    if root == Path("/"):
        yield "watch", partial(service.watch, config)
