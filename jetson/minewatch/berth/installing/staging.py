"""One release, from the bundle's files to a folder with a Python environment of its own; `complete` comes last.

It is made where it will stay, since environments know their own path. Until `complete` is there nothing points at it,
and whatever a killed attempt left is cleared away by the next one.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from .. import manifest
from ..errors import Refused
from ..manifest import Wheel
from . import told
from .disk import copy_listed, remove, write_whole
from .layout import COMMANDS, COMPLETE, Layout
from .lock import Lock
from .offer import Offer

WHEELS = "wheels/"
TRIAL_SECONDS = 120.0  # that a command's help may take, on a slow card


def stage(layout: Layout, offer: Offer, lock: Lock) -> None:
    """Make the release, unless it is complete already. Raises Refused, and leaves nothing of it then."""
    folder = layout.releases / offer.name
    sweep(layout)
    if layout.complete(offer.name):
        return
    try:
        _fill(folder, offer, lock)
    except BaseException:
        remove(folder)
        raise


def sweep(layout: Layout) -> None:
    """Clear away what attempts that were cut short have left."""
    for folder in layout.incomplete():
        told.say(f"clearing away what an attempt that was cut short left: {folder.name}")
        remove(folder)


def _fill(folder: Path, offer: Offer, lock: Lock) -> None:
    told.say(f"installing into {folder}")
    folder.mkdir(parents=True)
    for path, listed in offer.manifest.files.items():
        if not path.startswith(WHEELS):
            copy_listed(offer.bundle / path, folder / path, listed)
    write_whole(folder / manifest.NAME, offer.raw)
    for name in manifest.UNLISTED - {manifest.NAME}:
        write_whole(folder / name, (offer.bundle / name).read_bytes())
    python = _environment(folder)
    scratch = folder / ".scratch"
    scratch.mkdir()
    pip = _Pip(python, offer, scratch, lock)
    pip.install([wheel for wheel in offer.release.wheels if wheel.unless is None])
    pip.install([wheel for wheel in offer.release.wheels if wheel.unless and not _imports(python, wheel.unless, lock)])
    remove(scratch)
    _try_commands(folder, lock)
    os.sync()  # a power cut after `complete` must find all that it vouches for
    write_whole(folder / COMPLETE, f"{offer.name}\n".encode())


def _environment(folder: Path) -> Path:
    """A Python environment without pip, that sees JetPack's TensorRT and OpenCV. Returns its Python."""
    try:
        import venv
    except ImportError as exc:
        raise Refused("this Python comes without its module venv. Install it: apt-get install python3-venv") from exc
    home = folder / "venv"
    venv.EnvBuilder(system_site_packages=True, symlinks=True, with_pip=False).create(home)
    return home / "bin/python"


class _Pip:
    """pip out of the bundle's own wheel: no index, no dependency that is not named, every hash checked.

    It runs from and unpacks copies: who can write to the bundle could change a wheel after its hash was looked at.
    """

    def __init__(self, python: Path, offer: Offer, scratch: Path, lock: Lock) -> None:
        self.python, self.offer, self.scratch, self.lock = python, offer, scratch, lock
        self.wheel = next((wheel for wheel in offer.release.wheels if wheel.name == "pip"), None)

    def install(self, wheels: Iterable[Wheel]) -> None:
        """Install these, pip itself never. Raises Refused with pip's own last line."""
        chosen = [wheel for wheel in wheels if wheel.name != "pip"]
        if not chosen:
            return
        if self.wheel is None:
            raise Refused(f"{self.offer.bundle} holds no wheel of pip. Pack the bundle again.")
        for wheel in (self.wheel, *chosen):
            copy_listed(self.offer.bundle / wheel.file, self.scratch / wheel.file,
                        self.offer.manifest.files[wheel.file])
        told.say(f"unpacking {', '.join(wheel.name for wheel in chosen)}")
        wanted = self.scratch / "wheels.txt"
        wanted.write_text("".join(
            f"{wheel.name}=={wheel.version} --hash=sha256:{self.offer.manifest.files[wheel.file].sha256}\n"
            for wheel in chosen))
        ran = _run([self.python, "-I", self.scratch / self.wheel.file / "pip", "install", "--no-index",
                    "--no-deps", "--require-hashes", "--ignore-installed", "--only-binary=:all:", "--no-cache-dir",
                    "--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--quiet",
                    "--find-links", self.scratch / WHEELS, "-r", wanted],
                   self.lock, env={"PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(self.scratch)})
        if ran.returncode:
            raise Refused(f"pip could not install the wheels: {_last_line(ran)}. {_room_left(self.scratch)}")


def _imports(python: Path, module: str, lock: Lock) -> bool:
    """Whether the system has it already, and it can be used."""
    ran = _run([python, "-I", "-c", f"import {module}"], lock)
    told.say(f"{module}: the system's own" if ran.returncode == 0 else f"{module}: from the bundle")
    return ran.returncode == 0


def _try_commands(folder: Path, lock: Lock) -> None:
    """Each command answers, or the release is not linked."""
    for command in COMMANDS:
        ran = _run([folder / "venv/bin" / command, "--help"], lock, TRIAL_SECONDS)
        if ran.returncode:
            raise Refused(f"`{command} --help` does not run on this box: {_last_line(ran)}. "
                          "The release before stays; tell whoever made the bundle.")


def _run(command: Sequence[str | Path], lock: Lock, seconds: float | None = None,
         env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to its end. The child holds the lock too: were we killed, the next attempt waits for its end."""
    clean = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds, env=clean,
                              pass_fds=(lock.handle,))
    except FileNotFoundError as exc:
        raise Refused(f"{exc.filename} is not in the bundle's wheels. Pack the bundle again.") from exc
    except subprocess.TimeoutExpired as exc:
        raise Refused(f"{command[0]} did not end within {seconds:.0f} seconds. Try again.") from exc


def _last_line(ran: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else f"it ended with {ran.returncode}"


def _room_left(folder: Path) -> str:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    return f"{told.size(free)} are free on the disk; free some more" if free < 8 << 20 else "The release before stays."
