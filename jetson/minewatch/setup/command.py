"""sudo minewatch setup

Ask what a first configuration needs, at this terminal: site, cameras, model, page and users, who is told. Each
camera is opened once, and told what it gives. Nothing is written until all of it was checked; Ctrl-C leaves all as it
was. Passwords are not shown, and go into files beside the configuration that are closed to others.

With --answers FILE nobody is asked. The file has the configuration's own keys; passwords may stand in it as they are,
those of `web.users` as `password`; `version`, `state` and `model` may be left out:

  site: North shaft
  cameras:
    - {name: North gate, url: rtsp://192.0.2.10/stream, user: watch, password: "the camera's"}
  web:
    hosts: [watch.mine.example]
    users:
      - {name: admin, role: admin, password: "the page's"}

exit codes: 0 written; 2 you can mend it, nothing is written; 3 written, though a camera gave no picture (--unseen).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from minehat.doors import DONE, SOME_FAILED
from minehat.errors import MineHatError
from minehat.inputs import is_url
from minehat.progress import say

from ..cameras.trial import try_camera
from ..config.check import examined
from ..config.load import read_config
from ..config.schema import CameraPart, Config
from ..config.secrets import revealed
from ..redact import Redactor
from . import wizard
from .drafts import config_from, read_answers
from .onvif.probe import cameras_here
from .places import CONFIGURATIONS, NAME, usual_config
from .terminal import Terminal
from .writing import Layout, folder_for, laid_aside, layout, put_in_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minewatch setup` takes."""
    parser.add_argument("config", metavar="CONFIG", type=Path, nargs="?", default=usual_config(),
                        help="the file to write (default: %(default)s)")
    parser.add_argument("--answers", metavar="FILE", type=Path, help="a YAML file; nobody is asked")
    parser.add_argument("--replace", action="store_true",
                        help="with --answers: take the place of a configuration that is there; it is kept beside it")
    parser.add_argument("--unseen", action="store_true",
                        help="with --answers: write it though a camera gives no picture now")
    parser.add_argument("--find", action="store_true",
                        help="ask the network once, by multicast, which ONVIF cameras are there, and do no more")


def setup(args: argparse.Namespace) -> int:
    """Make a configuration. Returns the exit code; raises MineHatError where nothing was written."""
    if args.find:
        return _find()
    named = args.config / NAME if args.config.is_dir() else args.config
    path, home = Path(os.path.realpath(named)), named.absolute().parent
    if args.answers:
        return _from_answers(path, home, args.answers, args.replace, args.unseen)
    if args.replace or args.unseen:
        raise MineHatError("--replace and --unseen belong to --answers; at a terminal you are asked. Leave them away.")
    return _from_questions(path, home)


def _find() -> int:
    devices = cameras_here()
    for device in devices:
        say(device.told)
    say(f"{len(devices)} ONVIF cameras answered.")
    return DONE


def _from_answers(path: Path, home: Path, answers: Path, replace: bool, unseen: bool) -> int:
    if path.exists() and not replace:
        raise MineHatError(f"{path} is there already. Give --replace to put the new one in its place; the old one is "
                           "kept beside it.")
    config = read_answers(answers, path.parent)
    dark = [fault for camera in config.cameras if camera.enabled and (fault := _told(camera, config))]
    if dark and not unseen:
        raise MineHatError(f"{len(dark)} of {len(config.cameras)} cameras give no picture, and nothing is written. "
                           f"Mend what is said of them above, or give --unseen to write {path} all the same.")
    _write(config, path, home)
    return SOME_FAILED if dark else DONE


def _told(camera: CameraPart, config: Config) -> str:
    """Open a camera and say what it gives. Returns why it gives nothing; "" where it does."""
    try:
        say(f"ok   camera: {_look(camera, Redactor.of(config))}")
    except MineHatError as exc:
        say(f"BAD  camera: {exc}")
        return str(exc)
    return ""


def _look(camera: CameraPart, redact: Callable[[str], str]) -> str:
    return try_camera(camera, Path("/"), redact=redact)


def _from_questions(path: Path, home: Path) -> int:
    terminal = Terminal()
    if path.exists() and not terminal.yes(f"{path} is there already. Make a new one? The old one is kept beside it",
                                          False):
        raise MineHatError("nothing was written. Name another file: `minewatch setup FILE`.")
    told = wizard.asked(terminal, path.parent, lambda camera: _look(camera, _without(camera)))
    terminal.say()
    _write(config_from(told, path.parent), path, home, terminal)
    return DONE


def _without(camera: CameraPart) -> Redactor:
    password = revealed(camera.password)
    return Redactor([password] if password else [])


def _write(config: Config, path: Path, home: Path, terminal: Terminal | None = None) -> None:
    """Examine it where it is laid aside, then put it in its place. Raises MineHatError where it is not to be.

    home: the folder in which the file was named; root writes as its owner, and nowhere that a link there leads to.
    """
    with folder_for(path) as folder:
        made = layout(config, path.name, lambda name: _text(folder / name))
        with laid_aside(made, folder, home) as aside:
            bad = examined(read_config(aside / path.name))
            if bad and not (terminal and terminal.yes(f"{bad} of it must be mended before the watch can begin. Write "
                                                      f"{path} all the same?", False)):
                raise MineHatError(f"{bad} of it must be mended first, see above. Nothing was written.")
            if terminal and not bad and not terminal.yes(f"Write {path}?", True):
                raise MineHatError("nothing was written. Type the same again to begin anew.")
            backup = put_in_place(made, aside, folder, home)
    _tell(config, path, made, backup)


def _text(path: Path) -> str | None:
    """What stands in a file; None where there is none. One that is closed to us has some text that is not ours."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""


def _tell(config: Config, path: Path, made: Layout, backup: Path | None) -> None:
    say(f"\n{path} is written" + (f"; the one before is kept as {backup.name}" if backup else "") + ".")
    if backup:
        say("A watch that runs on it takes the new one by SIGHUP: `sudo systemctl reload minewatch`.")
    if secrets := [name for name in made.files if name != made.config]:
        say(f"Passwords, closed to others, beside it: {', '.join(secrets)}")
    if config.model.engine:
        say("The engine is built while the watch runs already; the page shows how far it is.")
    service = path == CONFIGURATIONS / NAME
    say(f"Begin to watch: `{'sudo systemctl enable --now minewatch' if service else f'minewatch run {path}'}`.")
    if config.web.enabled and not config.web.listen.startswith("unix:"):
        say(f"Then draw zones on the page, http://{config.web.listen}/, at each camera.")
    if any(is_url(camera.url) for camera in config.cameras):
        say(f"`minewatch check --cameras {path}` opens all cameras again at any time.")
