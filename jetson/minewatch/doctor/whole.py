"""Everything that a watch needs, looked at. Nothing is changed, and a running watch is not disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from minehat.doctor import Finding, Look, looked_at, machine_looks
from minehat.doctor.models import model as model_look
from minehat.doctor.rights import NODES, rights

from ..berth.installing.layout import USER, Layout
from ..config.schema import Config
from . import cameras, receivers, service, state, time_source, wear
from .configuration import configuration
from .state import is_known

USUAL = "etc/minewatch/minewatch.yaml"


def examine(root: Path, path: Path | None = None) -> list[Finding]:
    """The box, and the watch of a configuration, right or wrong. Raises nothing.

    root: the folder that stands for `/`. path: the usual place where it is None.
    """
    file = path or root / USUAL
    user = USER if root == Path("/") and file == root / USUAL and is_known(USER) else ""
    kept: list[Config] = []
    about = looked_at([("configuration", partial(configuration, file, user, path is not None, kept))])
    looks: list[tuple[str, Look]] = [
        *machine_looks(root), ("wear", partial(wear.wear, root)), ("time", partial(time_source.time_source, root)),
        ("release", partial(service.release, Layout(root))), ("service", partial(service.unit, root)),
        ("configuration", lambda: about)]
    return looked_at([*looks, *(look for config in kept for look in _of_watch(root, config, user))],
                     label="looking")


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
