"""minewatch check: what stands in the way of a configuration, before somebody relies on it. Nothing is changed."""

from __future__ import annotations

import fcntl
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from minehat.backends import loader_for
from minehat.card import read_card
from minehat.doors import DONE, MENDABLE
from minehat.engine.check import check_engine
from minehat.errors import MineHatError
from minehat.inputs import is_url, without_secrets
from minehat.progress import say
from minehat.tables import print_table

from ..berth.errors import Refused
from ..berth.signing import fingerprint
from ..events.lock import LOCK
from ..fleet.update import KEY
from ..redact import Redactor
from ..web.address import address_of, listening
from .load import read_config
from .schema import CameraPart, Config, SirenPart

WANTED = ("helmet", "head")  # classes
Look = Callable[[], str]  # one line of what was found, or MineHatError


def check_config(path: str | os.PathLike[str], cameras: bool = False) -> int:
    """Print what would be watched and a line for each thing that it needs. Returns 0, or 2 where one is not well.

    cameras: open each of them, and say what it gives. Raises ManyFaults with all mistakes of the configuration itself.
    """
    bad = examined(read_config(path), cameras, Path(path).absolute().parent / KEY)
    say(f"{path}: " + (f"{bad} of it must be mended first." if bad else "all is well."))
    return MENDABLE if bad else DONE


def examined(config: Config, cameras: bool = False, key: Path = Path(KEY)) -> int:
    """Print what would be watched and a line for each thing that it needs. Returns how many are not well.

    key: that updates must be signed with where the configuration names none.
    """
    _print_watched(config)
    bad = 0
    for what, look in _looks(config, cameras, config.updates.key or key):
        try:
            say(f"ok   {what}: {look()}")
        except MineHatError as exc:
            bad += 1
            say(f"BAD  {what}: {' '.join(str(exc).split())}")
    return bad


def _print_watched(config: Config) -> None:
    rows = [(camera.name, without_secrets(camera.url), f"{camera.most_fps:g}" if camera.most_fps else "all",
             ", ".join(zone.name for zone in camera.zones) or "the whole picture") if camera.enabled else
            (camera.name, without_secrets(camera.url), "-", "off") for camera in config.cameras]
    print_table(("camera", "from", "fps", "watched"), rows)


def _looks(config: Config, cameras: bool, key: Path) -> Iterator[tuple[str, Look]]:
    """Each thing that the configuration needs, and how it is looked at."""
    model = config.model
    yield "model", lambda: _model(model.file, model.card, model.backend)
    if model.fallback:
        fallback = model.fallback
        yield "model.fallback", lambda: _model(fallback, None, "ort")
    if model.engine:
        onnx = model.engine.onnx
        yield "model.engine", lambda: _model(onnx, None, "auto")
    for camera in config.cameras:
        if camera.enabled and cameras:
            yield "camera", lambda camera=camera: _opened(camera, config)  # type: ignore[misc]
        elif camera.enabled and not is_url(camera.url):
            yield f"camera {camera.name}", lambda camera=camera: _source(camera)  # type: ignore[misc]
    yield "state", lambda: _state(config.state)
    if config.log.file:
        log = config.log.file
        yield "log.file", lambda: _log_file(log)
    if config.updates.sources:
        yield "updates.key", lambda: _trusted(key)
    for name, ca in (("updates.ca", config.updates.ca), ("sinks.mqtt.ca", config.sinks.mqtt and config.sinks.mqtt.ca),
                     *((f"webhook {hook.name}: ca", hook.ca) for hook in config.sinks.webhooks)):
        if ca:
            yield name, lambda ca=ca: _certificates(ca)  # type: ignore[misc]
    if config.sinks.siren:
        siren = config.sinks.siren
        yield "sinks.siren", lambda: _siren(siren)
    if config.web.enabled:
        yield "web.listen", lambda: _page(config)


def _model(file: Path, card_file: Path | None, backend: str) -> str:
    if not file.is_file():
        raise MineHatError(f"{file}: no such file. Name an .onnx or .engine file; models/helmet-nano has some.")
    loader_for(backend, file)
    if file.suffix.lower() == ".engine":
        check_engine(file)
    card = read_card(card_file or file)
    lacking = [name for name in WANTED if name not in card.classes]
    if lacking:
        raise MineHatError(f"{file} knows {', '.join(card.classes)}, not {' and '.join(lacking)}. Name a model that "
                           "tells helmets from bare heads.")
    return f"{file} ({card.name}, {card.size_text}, {card.precision})"


def _opened(camera: CameraPart, config: Config) -> str:
    from ..cameras.trial import try_camera  # its libraries are not wanted where no camera is opened

    return try_camera(camera, Path("/"), redact=Redactor.of(config))


def _source(camera: CameraPart) -> str:
    path = Path(camera.url)
    if not path.exists():
        cure = "Plug it in, or see `ls /dev/v4l/by-id`" if camera.url.startswith("/dev/") else "Name a video or folder"
        raise MineHatError(f"{path} is not there. {cure}.")
    if not os.access(path, os.R_OK):
        cure = "usermod -aG video USER" if camera.url.startswith("/dev/") else f"chmod +r {path}"
        raise MineHatError(f"{path} is closed to this user. Type `{cure}`.")
    return f"{path} is there"


def _state(folder: Path) -> str:
    """Whether it can be written to; whose it is now."""
    told = _writable(folder)
    pid = _running(folder / LOCK)
    return f"{told}; a watch is running on it now, process {pid}" if pid else told


def _writable(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise MineHatError(f"{there} is a file, not a folder. Name another one.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise MineHatError(f"{there} is closed to this user. Type `sudo install -d -o $USER {folder}`, or name another "
                           "one.")
    free = shutil.disk_usage(there).free / 1e9
    return f"{folder} {'can be written to' if there == folder else 'will be made'}, {free:.1f} GB are free"


def _log_file(file: Path) -> str:
    if file.exists() and not file.is_file():
        raise MineHatError(f"{file} is no file. Name another one.")
    return _writable(file.parent)


def _running(lock: Path) -> str:
    """The process that has the lock; "" for none."""
    try:
        with open(lock, encoding="ascii", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(20).strip() or "?"
    except OSError:
        return ""
    return ""


def _certificates(file: Path) -> str:
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as exc:
        raise MineHatError(f"{file} cannot be used: {exc.strerror or exc}. Wanted certificates as PEM.") from exc
    return f"{file} can be used"


def _trusted(key: Path) -> str:
    try:
        return f"{key} is trusted: {fingerprint(key)}"
    except Refused as exc:
        raise MineHatError(str(exc)) from exc


def _siren(siren: SirenPart) -> str:
    if siren.command:
        if shutil.which(siren.command[0]) is None:
            raise MineHatError(f"{siren.command[0]} is no program here. Name one by its whole path; one of your own "
                               f"needs `chmod +x {siren.command[0]}`.")
        return f"{siren.command[0]} can be run"
    if not os.access(str(siren.gpio_chip), os.R_OK | os.W_OK):
        raise MineHatError(f"{siren.gpio_chip} is not there or closed to this user. See `gpiodetect`, or type "
                           "`usermod -aG gpio USER`.")
    return f"{siren.gpio_chip} can be opened"


def _page(config: Config) -> str:
    address = address_of(config.web.listen)
    if _running(config.state / LOCK):
        return f"{address.url}, where the running watch is"
    if address.path:
        _writable(Path(address.path).parent)
    else:
        listening(address).close()
    return f"{address.url} is free"
