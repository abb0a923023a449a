"""The system around a release: its user, the folders of its data, systemd."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from ..errors import Refused
from . import told
from .layout import SERVICE, USER, Layout

GROUPS = ("video", "render", "gpio", "audio")
RESTART_SECONDS = 300.0  # that the watch may take until it says that it is ready


def make_user(declared: Path) -> None:
    """The user under whom the watch runs, in the groups of cameras, GPU, pins and loudspeakers.

    `declared` says so for systemd-sysusers; where that is not, groups that the system lacks are not made.
    """
    if shutil.which("systemd-sysusers") and declared.is_file():
        return _do("systemd-sysusers", str(declared))
    try:
        pwd.getpwnam(USER)
    except KeyError:
        _do("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/minewatch",
            "--shell", "/usr/sbin/nologin", USER)
        told.say(f"made the user {USER}")
    there = {group.gr_name: group.gr_mem for group in grp.getgrall()}
    for group in GROUPS:
        if group in there and USER not in there[group]:
            _do("usermod", "--append", "--groups", group, USER)


def make_data_folders(layout: Layout) -> None:
    """Where the configuration and the events lie; what an earlier installation left belongs to the watch's user again.

    A folder that is that user's already is not walked through: root's hands have no business in it.
    """
    for folder in (layout.settings, layout.state):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o750)
        if layout.live and folder.stat().st_uid != pwd.getpwnam(USER).pw_uid:
            user = pwd.getpwnam(USER)
            _give(folder, user.pw_uid, user.pw_gid, layout.trusted)


def hold_idle() -> None:
    """Raises Refused where a process of the watch's user still runs here, that somebody started by hand."""
    try:
        number = pwd.getpwnam(USER).pw_uid
    except KeyError:
        return
    for process in Path("/proc").glob("[0-9]*"):
        try:
            busy = process.stat().st_uid == number and (process / "root").samefile("/")
        except OSError:  # it ended meanwhile
            continue
        if busy:
            raise Refused(f"process {process.name} of the user {USER} still runs. End it (kill {process.name}), then "
                          "type the same again.")


def forget_user(layout: Layout) -> None:
    """Remove the user; what is left of data belongs to root, since a number without a name may become anybody's."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return
    for folder in (layout.settings, layout.state):
        if folder.is_dir():
            _give(folder, 0, 0, layout.trusted)
    _do("userdel", USER)


def has_systemd(layout: Layout) -> bool:
    """Whether systemd runs this system."""
    return layout.live and Path("/run/systemd/system").is_dir()


def take_up_units() -> None:
    """systemd, udev and the journal read their files anew."""
    _do("systemctl", "daemon-reload")
    _try("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/minewatch.conf")
    _try("udevadm", "control", "--reload")
    _try("udevadm", "trigger", *(f"--subsystem-match={kind}" for kind in ("usb", "video4linux", "gpio")))
    _try("systemctl", "try-restart", "systemd-journald.service")


def runs() -> bool:
    """Whether the watch is running or about to."""
    return _try("systemctl", "is-active", "--quiet", SERVICE)


def restart() -> bool:
    """Start the watch again with the current release; whether it became ready."""
    return _try("systemctl", "restart", SERVICE, seconds=RESTART_SECONDS)


def enable() -> None:
    """From now on it starts with the system."""
    _do("systemctl", "enable", SERVICE)


def start() -> None:
    """Start the watch now. Raises Refused where it does not become ready."""
    _do("systemctl", "start", SERVICE)


def disable() -> None:
    """Stop it, and let it not start again."""
    _try("systemctl", "disable", "--now", SERVICE, seconds=RESTART_SECONDS)


def _give(folder: Path, user: int, group: int, but: Path) -> None:
    """Hand a folder and all in it to a user, but for one file, which is root's. Links are not followed.

    The folder itself comes last: cut short, it is not yet that user's, and the next attempt begins again.
    """
    for inner, _, files in os.walk(folder, topdown=False):
        for file in files:
            path = Path(inner, file)
            os.chown(path, *((0, 0) if path == but else (user, group)), follow_symlinks=False)
        os.chown(inner, user, group, follow_symlinks=False)


def _do(*command: str) -> None:
    """Run it. Raises Refused where it fails."""
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError as exc:
        raise Refused(f"the command {command[0]} is missing here; it is on every Debian, Ubuntu and JetPack. "
                      "Is /usr/sbin on the PATH?") from exc
    except subprocess.CalledProcessError as exc:
        said = " ".join((exc.stderr or exc.stdout).split())
        raise Refused(f"`{' '.join(command)}` failed: {said or exc.returncode}. Mend that, then type the same "
                      "again.") from exc


def _try(*command: str, seconds: float = 60.0) -> bool:
    """Whether it ran and ended with 0."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
