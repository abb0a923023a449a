"""What systemd, udev and the journal are given, read by the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import ROOT
from minehat.errors import MineHatError
from minewatch import machine_facts, notify, watch
from minewatch.berth.installing.layout import SERVICE, USER, Layout
from minewatch.berth.installing.placing import destinations

UNITS = ROOT / "jetson" / "units"
SERVICE_FILE = UNITS / "minewatch.service"
MOST_EXPOSED = 20  # tenths, of systemd's scale from 0 to 100
JOURNALD = Path("/lib/systemd/systemd-journald")
WITH_OUR_RULES_ALONE = """
set -eu
mount --make-rprivate /
for folder in /run /etc/udev/rules.d /usr/lib/udev/rules.d; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
mount --bind "$2" /etc/group
mkdir -p /run/udev/rules.d
cp "$1" /run/udev/rules.d/
exec udevadm test --action=add /sys/class/net/lo
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users, folders of others, and namespaces")


def settings_of(file: Path) -> dict[str, list[str]]:
    """Every value of each key of a unit file, in its order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in file.read_text("utf-8").splitlines():
        if not line.startswith(("#", "[")) and "=" in line:
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


@pytest.fixture(name="box")
def a_box_with_the_service(tmp_path: Path) -> Path:
    """A root with systemd's own units, ours, and something to be run where ours says so."""
    root = tmp_path / "root"
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    for program in ("/bin/sh", settings_of(SERVICE_FILE)["ExecStart"][0].split()[0]):
        there = root / program.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", there)
    for path, file in destinations(UNITS).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / path)
    return root


def verified(root: Path) -> str:
    """All that systemd has to say of the service in this root. It ends with 0 for a key that it does not know."""
    told = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", SERVICE], capture_output=True,
                          text=True, timeout=60)
    return told.stdout + told.stderr


def test_systemd_finds_nothing_to_say_of_the_unit_and_hardly_anything_exposed(box: Path) -> None:
    """H6: `systemd-analyze verify` prints nothing, and the exposure is 2.0 at most."""
    assert verified(box) == ""
    told = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}",
                           str(SERVICE_FILE)], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stdout.splitlines()[-1]


@pytest.mark.parametrize(("right", "wrong"), [("WatchdogSec=", "WatchdogSek="), ("/venv/bin/", "/bin/"),
                                              ("OOMPolicy=continue", "OOMPolicy=go on")])
def test_that_silence_means_something(box: Path, right: str, wrong: str) -> None:
    placed = box / "etc/systemd/system" / SERVICE
    placed.write_text(placed.read_text("utf-8").replace(right, wrong), "utf-8")
    assert verified(box) != ""


def test_each_line_of_hardening_that_a_gpu_allows_is_there() -> None:
    """What an exposure of 2.0 would let slip one by one."""
    found = settings_of(SERVICE_FILE)
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "ProtectKernelTunables", "ProtectControlGroups",
                "RestrictNamespaces", "RestrictSUIDSGID", "LockPersonality", "ProtectClock"):
        assert found[key] == ["yes"], key
    assert found["CapabilityBoundingSet"] == [""] and found["ProtectSystem"] == ["strict"]
    assert found["DevicePolicy"] == ["closed"] and not {"PrivateDevices", "MemoryDenyWriteExecute"} & found.keys()


def test_the_unit_and_the_programs_mean_the_same(tmp_path: Path) -> None:
    found, layout = settings_of(SERVICE_FILE), Layout(Path("/"))
    assert machine_facts.UNIT == SERVICE.removesuffix(".service") == SERVICE_FILE.stem
    program, command, config = found["ExecStart"][0].split()
    assert Path(program) == layout.current / "venv/bin/minewatch" and command == "run"
    assert Path(config).parent == layout.settings
    assert found["ReadWritePaths"][0].split()[0] == str(layout.settings)
    assert found["ReadOnlyPaths"] == [f"-{layout.trusted}"]
    assert Path("/var/lib", found["StateDirectory"][0]) == layout.state
    assert Path("/var/cache", found["CacheDirectory"][0]) == layout.cache
    assert found["User"] == [USER]
    assert found["RestartPreventExitStatus"] == [str(watch.GIVEN_UP)]
    assert float(found["TimeoutStopSec"][0]) > 3 * watch.LEAVE
    asked = notify.Notifier.of_environment({"WATCHDOG_USEC": str(int(found["WatchdogSec"][0]) * 1_000_000)})
    assert asked.watchdog is not None and asked.watchdog / 3 > 4 * watch.TURN


def test_every_file_has_a_place_in_the_system() -> None:
    placed = {file.name for file in destinations(UNITS).values()}
    assert placed == {file.name for file in UNITS.iterdir() if file.suffix != ".md"} and len(placed) == 5


@as_root
def test_the_user_is_made_with_the_groups_of_cameras_and_gpus_and_owns_its_folders(tmp_path: Path) -> None:
    for path, file in destinations(UNITS).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / path)
    for _ in range(2):  # the second time there is nothing left to do
        subprocess.run(["systemd-sysusers", f"--root={tmp_path}", "minewatch.conf"], check=True, capture_output=True)
        made = subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", "--create", "minewatch.conf"], check=True,
                              capture_output=True, text=True)
        assert made.stderr == ""
    user = next(line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines() if USER in line)
    groups = dict(line.split(":x:") for line in (tmp_path / "etc/group").read_text().splitlines())
    assert user[5:] == ["/var/lib/minewatch", "/usr/sbin/nologin"]
    assert {name for name, rest in groups.items() if rest.endswith(f":{USER}")} == {"video", "render", "gpio", "audio"}
    layout = Layout(tmp_path)
    for folder in (layout.settings, layout.state, layout.cache):
        told = folder.stat()
        assert (told.st_uid, told.st_gid, told.st_mode & 0o777) == (int(user[2]), int(user[3]), 0o750), folder


def udev_says(rules: Path, group_file: Path) -> list[str]:
    """Its complaints of a file of rules, when it reads that one alone."""
    told = subprocess.run(["unshare", "--mount", "sh", "-c", WITH_OUR_RULES_ALONE, "sh", str(rules), str(group_file)],
                          capture_output=True, text=True, timeout=60, check=True)
    lines = told.stderr.splitlines()
    assert f"Reading rules file: /run/udev/rules.d/{rules.name}" in lines
    return [line for line in lines if line.startswith(f"/run/udev/rules.d/{rules.name}")]


@as_root
def test_udev_takes_every_rule_and_knows_every_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "minewatch.sysusers.conf")], check=True,
                   capture_output=True)
    rules, wrong = UNITS / "70-minewatch.rules", tmp_path / "70-wrong.rules"
    assert udev_says(rules, tmp_path / "etc/group") == []
    wrong.write_text(rules.read_text().replace("TEST==", "TSET==").replace('GROUP="gpio"', 'GROUP="pins"'))
    assert len(udev_says(wrong, tmp_path / "etc/group")) == 2


def test_the_journal_knows_each_of_its_limits() -> None:
    """Unknown ones it would ignore. Its table of keys lies in the program as [SECTION].[KEY]."""
    known, found = JOURNALD.read_bytes(), settings_of(UNITS / "minewatch.journald.conf")
    assert found["Storage"] == ["persistent"] and {"SystemMaxUse", "SystemKeepFree"} <= found.keys()
    for key in found:
        assert f"\0Journal.{key}\0".encode() in known, key
    assert b"\0Journal.SystemMostUse\0" not in known


def test_a_journal_that_shows_nothing_is_told_and_not_taken_for_an_empty_log(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journalctl"  # as the real one answers a user without rights: a hint, no lines, and 0
    journal.write_text("#!/bin/sh\necho 'Hint: You are currently not seeing messages from other users' >&2\n")
    journal.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(MineHatError, match="root"):
        machine_facts.log_tail(None, 1000)
    journal.write_text("#!/bin/sh\necho '{\"event\": \"began\"}'\n")
    assert machine_facts.log_tail(None, 1000) == '{"event": "began"}\n'
