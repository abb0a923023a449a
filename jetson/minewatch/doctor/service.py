"""The release that is installed, the service, and the watch itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding
from minehat.errors import MineHatError

from ..berth.installing.layout import SERVICE, Layout
from ..config.schema import Config
from ..machine_facts import page

PATIENCE = 10.0  # seconds
GAVE_UP = "78"  # the watch's exit code where somebody has to mend something first
SHOWN = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "UnitFileState", "StatusText")
MANY = 3  # restarts that are told
LOG = "`journalctl -u minewatch -n 30` says why"
UNWATCHED = "Nothing is watched"
INSTALL = "Install it: `sudo sh install.sh` in the bundle's folder"
UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")


def release(layout: Layout) -> Iterator[Finding]:
    """Which release is current; nothing where MineHat was not installed from a bundle."""
    if not layout.home.is_dir():
        return
    current, previous = layout.linked(layout.current), layout.linked(layout.previous)
    if current is None:
        yield Finding("release", FAULT, f"{layout.current} leads to no whole release", UNWATCHED, f"{INSTALL} again, "
                      "or `sudo sh install.sh --rollback`")
    else:
        yield Finding("release", WELL, current + (f", before it {previous}" if previous else ""))


def unit(root: Path) -> Iterator[Finding]:
    """The state of the service. root: the folder that stands for `/`; of another machine its files tell."""
    if root == Path("/") and (root / "run/systemd/system").is_dir() and shutil.which("systemctl"):
        yield unit_of(shown())
        return
    if not any((root / folder / SERVICE).is_file() for folder in UNITS):
        yield unit_of({"LoadState": "not-found"})
    elif not (root / "etc/systemd/system/multi-user.target.wants" / SERVICE).is_symlink():
        yield unit_of({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"})
    else:
        yield Finding("service", WELL, "installed, and starts with the machine")


def unit_of(told: Mapping[str, str]) -> Finding:
    """What is to be said of what `systemctl show` tells."""
    state, code = told.get("ActiveState", "unknown"), told.get("ExecMainStatus", "")
    restarts = int(told.get("NRestarts") or 0)
    if told.get("LoadState") == "not-found":
        return Finding("service", NOTE, "not installed", "The watch does not start by itself", INSTALL)
    if told.get("LoadState") not in ("loaded", None):
        return Finding("service", FAULT, f"its unit is {told['LoadState']}", UNWATCHED,
                       f"See `systemctl status {SERVICE}`")
    if state == "failed" and code == GAVE_UP:
        return Finding("service", FAULT, "gave up: somebody has to mend something (exit code 78)", UNWATCHED,
                       "`journalctl -u minewatch -n 5` says what; then `sudo systemctl restart minewatch`")
    if state == "failed" or (state == "activating" and restarts > MANY):
        return Finding("service", FAULT, f"failed ({told.get('Result') or 'unknown'}, exit code {code or '?'}), "
                       f"started again {restarts} times", UNWATCHED, f"{LOG}; then `sudo systemctl restart minewatch`")
    if state == "inactive":
        return Finding("service", WARNING, "does not run", UNWATCHED, "`sudo systemctl enable --now minewatch`")
    if told.get("UnitFileState") == "disabled":
        return Finding("service", WARNING, f"{state}, and does not start with the machine", "After a power cut nothing "
                       "is watched", "`sudo systemctl enable minewatch`")
    text = f"{state} ({told.get('SubState') or '?'})"
    if restarts > MANY:
        return Finding("service", WARNING, f"{text}, started again {restarts} times", "It ended each time", LOG)
    return Finding("service", WELL, ": ".join(filter(None, (text, told.get("StatusText")))))


def watch(config: Config) -> Iterator[Finding]:
    """What the running watch says of itself on its page."""
    if not config.web.enabled:
        return
    try:
        told = json.loads(page(config.web.listen, "/readyz"))
    except MineHatError as exc:
        yield Finding("watch", NOTE, str(exc), "It does not run, or hangs", "`sudo systemctl restart minewatch`, or "
                      "`minewatch run CONFIG`")
        return
    except ValueError:
        yield Finding("watch", FAULT, f"somebody else answers at {config.web.listen}", "The page cannot be seen",
                      "Free the port, or name another one as web.listen")
        return
    if told.get("watching"):
        yield Finding("watch", WELL, "watches through every camera that is on")
    else:
        yield Finding("watch", FAULT, "runs, and does not watch through every camera that is on", "What it does not "
                      "see it cannot tell", "Its page says which and why")


def shown() -> dict[str, str]:
    """What systemd tells. Raises OSError and subprocess.TimeoutExpired."""
    done = subprocess.run(["systemctl", "show", SERVICE, "--no-pager", f"--property={','.join(SHOWN)}"],
                          capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False)
    rows = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in rows}
