"""A Debian whose systemd is PID 1 of namespaces of its own, without a network: it breaks nothing of this machine's.

The unified hierarchy of cgroups must be mounted, be it beside the older one; root is wanted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from waiting import wait_for

SYSTEMD = "/lib/systemd/systemd"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8"}
PACKAGES = "systemd-sysv,dbus,python3,ca-certificates"
HIERARCHIES = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
# What would reach for the kernel that this machine runs on, or for a terminal.
MASKED = ("systemd-sysctl.service", "systemd-modules-load.service", "systemd-random-seed.service",
          "systemd-remount-fs.service", "systemd-udevd.service", "systemd-udevd-kernel.socket",
          "systemd-udevd-control.socket", "systemd-udev-trigger.service", "console-getty.service", "getty.target")
# Shared, as a machine's own systemd has it: a stick that is put in later is seen by services that run.
BOOT = f"""
set -eu
root=$1
echo $$ >"$2/cgroup.procs"
exec unshare --fork --kill-child --pid --mount --uts --ipc --cgroup --net sh -eu -c '
    mount --make-rprivate /
    mount --bind "$1" "$1"
    cd "$1"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs dev
    for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs -o size=1g,mode=1777 tmpfs dev/shm
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs tmpfs tmp
    ip link set lo up
    pivot_root . mnt
    umount -l /mnt
    mount --make-rshared /
    exec env -i container=minehat PATH=/usr/sbin:/usr/bin:/sbin:/bin {SYSTEMD} --log-target=journal
' sh "$root"
"""


def unified() -> Path | None:
    """Where the unified hierarchy of cgroups is mounted; None where it is not."""
    return next((place for place in HIERARCHIES if (place / "cgroup.controllers").is_file()), None)


def debian(root: Path) -> Path:
    """A small Debian with systemd, out of the network."""
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root], check=True,
                   stdout=subprocess.DEVNULL)
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    (root / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/multi-user.target")
    return root


class Booted:
    """A root that systemd runs, until the end of the block."""

    def __init__(self, root: Path) -> None:
        place = unified()
        assert place is not None
        self.root, self._cgroup = root, place / f"minehat-{os.getpid()}"

    def __enter__(self) -> Booted:
        self._cgroup.mkdir()
        self._outer = subprocess.Popen(["sh", "-c", BOOT, "sh", self.root, self._cgroup], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            self._first = wait_for(self._pid_1, 30)
            wait_for(lambda: self.run("systemctl", "is-system-running", check=False) == "running", 120, 0.5)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, *command: str | Path, check: bool = True, seconds: float = 600) -> str:
        """What a command that is typed in there says, on both its outputs; it must end with 0 where `check`."""
        told = subprocess.run(["nsenter", "--target", str(self._first), "--all", *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
                              timeout=seconds)
        assert not check or told.returncode == 0, f"{command}: {told.returncode}: {told.stdout}"
        return told.stdout.strip()

    def shell(self, script: str, check: bool = True) -> str:
        """The same for a few lines of sh."""
        return self.run("sh", "-c", script, check=check)

    def shown(self, unit: str, what: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", what, "--value", unit)

    def journal(self, unit: str, after: str = "") -> list[str]:
        """The lines of a unit, all or since a time."""
        since = [f"--since={after}"] if after else []
        return self.run("journalctl", "--quiet", "--output=cat", "--no-pager", f"--unit={unit}", *since).splitlines()

    def _pid_1(self) -> int | None:
        with suppress(OSError, IndexError):
            children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
            if Path(f"/proc/{children[0]}/cmdline").read_bytes().startswith(SYSTEMD.encode()):
                return int(children[0])
        return None

    def _end(self) -> None:
        """PID 1 dies with the process that unshared, and all of its namespace with it."""
        self._outer.kill()
        self._outer.wait()
        deadline = time.monotonic() + 30
        while self._cgroup.is_dir() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(self._cgroup, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
            time.sleep(0.05)


def missing() -> str:
    """Why no such Debian can be had here; "" where it can."""
    if os.geteuid() != 0:
        return "only root may make namespaces"
    if unified() is None:
        return "cgroup2 is mounted nowhere"
    absent = [name for name in ("debootstrap", "unshare", "nsenter", "ip") if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""
