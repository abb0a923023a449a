"""The service under a systemd of its own: installed from a real bundle, with all its hardening, on a rendered clip."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from minehat.scenes import write_film
from minewatch import watch
from minewatch.berth import signing
from private_systemd import Booted, debian, missing
from test_berth_install_soak import BOOKWORM_PYTHON, pack
from waiting import wait_for

UNIT = "minewatch.service"
CONFIG = "/etc/minewatch/minewatch.yaml"
PROGRAM = "/opt/minehat/current/venv/bin/minewatch"
PYTHON = "/opt/minehat/current/venv/bin/python"
DRAWN = """
import httpx
zones = [{"name": "the gate", "points": [[0, 0], [1, 0], [1, 1]]}]
with httpx.Client(base_url="http://127.0.0.1:8787", trust_env=False) as page:
    print(page.post("/zones/scene", json={"zones": zones}, headers={"X-Minewatch": "1"}).status_code)
"""
LOG_OF = """
import sys, tarfile
print(tarfile.open(sys.argv[1]).extractfile("minewatch-support/log.txt").read().decode())
"""
Figure = Callable[[str, str], None]
pytestmark = [pytest.mark.soak, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module", name="box")
def a_debian_that_watches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    folder = tmp_path_factory.mktemp("berth")
    private, public = folder / "private", folder / "public"
    signing.new_key(private, public)
    packed, root = pack(folder / "out", (private, public), BOOKWORM_PYTHON), debian(folder / "root")
    stick = root / "srv/stick"
    stick.mkdir()
    shutil.copy(packed, stick)
    write_film(stick / "scene.mp4", 1, 12)
    (stick / "answers.yaml").write_text("cameras:\n  - {name: scene, url: /srv/stick/scene.mp4, repeat: true}\n")
    with Booted(root) as booted:
        booted.shell(f"cd /srv/stick && tar xf {packed.name} && sh {packed.name.rpartition('-')[0]}/install.sh "
                     f"--accept-key {signing.fingerprint(public)} --answers answers.yaml")
        yield booted
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def it_watches_before_each_test(box: Booted) -> None:
    box.run("systemctl", "reset-failed", UNIT, check=False)
    box.run("systemctl", "start", UNIT)
    wait_for(lambda: is_watching(box), 90, 0.5)


def is_watching(box: Booted) -> bool:
    return box.shown(UNIT, "StatusText").startswith("The camera is watched")


def main_process(box: Booted) -> str:
    return box.shown(UNIT, "MainPID")


def detector_of(box: Booted) -> str:
    """The number of its process; "" while there is none."""
    return box.shell("while read number; do if grep -q detection.process /proc/$number/cmdline; then echo $number; fi; "
                     "done </sys/fs/cgroup/system.slice/minewatch.service/cgroup.procs", check=False)


def told_since(box: Booted, began: str, event: str) -> str | None:
    """The line of an event in the journal since then."""
    return next((line for line in box.journal(UNIT, began) if f'"event": "{event}"' in line), None)


def now(box: Booted) -> str:
    return box.run("date", "+%F %T")


def test_it_starts_with_all_its_hardening_and_sees(box: Booted, figure: Figure) -> None:
    assert (box.shown(UNIT, "ActiveState"), box.shown(UNIT, "NRestarts")) == ("active", "0")
    status = dict(line.split(":", 1) for line in box.run("cat", f"/proc/{main_process(box)}/status").splitlines())
    assert {status[f"Cap{kind}"].strip() for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (status["Seccomp"].strip(), status["NoNewPrivs"].strip()) == ("2", "1")
    wait_for(lambda: told_since(box, "", "bare_head"), 60, 0.5)
    assert not [line for line in box.journal(UNIT) if "not permitted" in line or "denied" in line]
    exposure = re.search(r"(\d\.\d) OK", box.run("systemd-analyze", "security", "--no-pager", UNIT))
    assert exposure and float(exposure[1]) <= 2.0
    figure("H6", "under systemd 252 as PID 1, installed from a bundle: it watches with no capability and a filter of "
                 f"system calls, exposure {exposure[1]}")


def test_files_outside_its_own_are_not_written_and_the_pinned_key_stays(box: Booted) -> None:
    box.shell("mkdir -p /media/stick && mount -t tmpfs -o mode=777 tmpfs /media/stick")  # put in while it watches
    inside = ["nsenter", "--target", main_process(box), "--mount", "chroot", "--userspec=minewatch:minewatch", "/",
              "sh", "-c"]
    for folder in ("/etc/minewatch", "/var/lib/minewatch", "/var/cache/minewatch", "/run/minewatch", "/dev/shm", "/tmp",
                   "/media/stick"):
        box.run(*inside, f"touch {folder}/x && rm {folder}/x")
    for command in ("touch /usr/x", "touch /opt/minehat/x", "touch /srv/x", "ls /root",
                    "cd /etc/minewatch && mv -f minewatch.yaml trusted.pem", "rm -f /etc/minewatch/trusted.pem"):
        assert box.run(*inside, f"{command} 2>/dev/null && echo done", check=False) == ""
    box.run("umount", "/media/stick")
    assert box.run("test", "-s", "/etc/minewatch/trusted.pem") == ""


def test_devices_that_are_not_on_its_list_are_closed_even_to_root(box: Booted) -> None:
    """And a name with a star in it, as our list has them, opens what /proc/devices calls so."""
    box.shell("mknod -m 666 /dev/other c 10 229")  # one of `misc`
    in_its_cgroup = "echo $$ >/sys/fs/cgroup/system.slice/minewatch.service/cgroup.procs; "
    assert box.shell(f"{in_its_cgroup} head -c 1 /dev/zero | wc -c; : >/dev/null") == "1"
    assert "not permitted" in box.shell(f"{in_its_cgroup} : </dev/other", check=False)
    drop_in = "/run/systemd/system/minewatch.service.d"
    box.shell(f"mkdir -p {drop_in} && printf '[Service]\\nDeviceAllow=char-*sc r\\n' >{drop_in}/other.conf && "
              f"systemctl daemon-reload && systemctl restart {UNIT}")
    try:
        assert "not permitted" not in box.shell(f"{in_its_cgroup} : </dev/other", check=False)
    finally:
        box.shell(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart {UNIT}")


def test_a_reload_is_taken_a_wrong_one_refused_and_it_watches_on(box: Booted) -> None:
    before, began = main_process(box), now(box)
    box.shell(f"cp -p {CONFIG} /tmp/right && echo 'nonsense: 1' >>{CONFIG}")
    box.run("systemctl", "reload", UNIT)
    assert "nonsense" in str(wait_for(lambda: told_since(box, began, "config_refused"), 30))
    box.shell(f"cp -p /tmp/right {CONFIG}")
    box.run("systemctl", "reload", UNIT)
    wait_for(lambda: told_since(box, began, "config_reloaded"), 30)
    assert (main_process(box), box.shown(UNIT, "ActiveState")) == (before, "active")


def test_zones_that_are_drawn_on_the_page_are_written(box: Booted) -> None:
    assert box.run(PYTHON, "-c", DRAWN) == "200"
    assert "the gate" in box.run("cat", CONFIG)


def test_after_kill_9_it_watches_again(box: Booted, figure: Figure) -> None:
    before, began = main_process(box), time.monotonic()
    box.shell(f"kill -9 {before}")
    wait_for(lambda: main_process(box) not in ("0", before) and is_watching(box), 60, 0.1)
    seconds = time.monotonic() - began
    assert box.shown(UNIT, "NRestarts") == "1"
    figure("H6", f"kill -9 of the main process under systemd: it watches again after {seconds:.1f} s")


def test_a_child_that_the_kernel_kills_is_replaced_and_no_restart_is_wanted(box: Booted) -> None:
    before, restarts, detector = main_process(box), box.shown(UNIT, "NRestarts"), detector_of(box)
    box.shell(f"kill -9 {detector}")
    wait_for(lambda: detector_of(box) not in ("", detector) and is_watching(box), 60, 0.2)
    assert (main_process(box), box.shown(UNIT, "NRestarts")) == (before, restarts)


def test_a_loop_that_hangs_is_ended_says_where_it_hung_and_begins_again(box: Booted, figure: Figure) -> None:
    before, start, began = main_process(box), now(box), time.monotonic()
    box.shell(f"kill -STOP {before}")
    wait_for(lambda: main_process(box) not in ("0", before) and is_watching(box), 120, 0.5)
    seconds = time.monotonic() - began
    lines = box.journal(UNIT, start)
    assert any("Fatal Python error: Aborted" in line for line in lines)
    assert any(re.search(r"minewatch/watch\.py\", line \d+ in turn", line) for line in lines)
    figure("D9", f"the main process stopped under systemd's watchdog of 30 s: it watches again after {seconds:.0f} s")


def test_what_must_be_mended_first_is_not_started_again(box: Booted) -> None:
    box.run("systemctl", "stop", UNIT)
    box.shell(f"mv {CONFIG} {CONFIG}.away")
    try:
        box.run("systemctl", "start", UNIT, check=False)
        wait_for(lambda: box.shown(UNIT, "ActiveState") == "failed", 30)
        time.sleep(5)  # more than twice RestartSec
        assert box.shown(UNIT, "ActiveState") == "failed"
        assert (box.shown(UNIT, "ExecMainStatus"), box.shown(UNIT, "NRestarts")) == (str(watch.GIVEN_UP), "0")
    finally:
        box.shell(f"mv {CONFIG}.away {CONFIG}")


def test_what_dies_at_once_is_started_twenty_times_and_no_more(box: Booted, figure: Figure) -> None:
    program = box.run("readlink", "-f", PROGRAM)
    box.shell(f"mv {program} {program}.away && printf '#!/bin/sh\\nexit 1\\n' >{program} && chmod 755 {program}")
    try:
        began = time.monotonic()
        box.shell(f"kill -9 {main_process(box)}")
        wait_for(lambda: box.shown(UNIT, "ActiveState") == "failed", 300, 1)
        seconds = time.monotonic() - began
        assert "Start request repeated too quickly" in box.run("journalctl", "--no-pager", f"--unit={UNIT}")
        assert int(box.shown(UNIT, "NRestarts")) <= 21  # the refused one is counted
    finally:
        box.shell(f"mv {program}.away {program}")
    figure("H6", f"a watch that dies at once is left alone after {seconds:.0f} s")


def test_the_support_file_holds_the_journal_and_tells_whom_it_is_shut_to(box: Booted) -> None:
    box.run(PROGRAM, "support", CONFIG, "-o", "/tmp/for-root.tar.gz")
    assert '"event": "watch_began"' in box.run("python3", "-c", LOG_OF, "/tmp/for-root.tar.gz")
    box.run("chroot", "--userspec=minewatch:minewatch", "/", PROGRAM, "support", CONFIG, "-o", "/tmp/for-user.tar.gz")
    assert "as root" in box.run("python3", "-c", LOG_OF, "/tmp/for-user.tar.gz")
    assert "max 400.0M" in box.run("journalctl", "--no-pager", "--unit=systemd-journald")


def test_it_stops_in_time_and_leaves_no_memory_behind(box: Booted, figure: Figure) -> None:
    assert box.shell("ls /dev/shm/minewatch-*")
    began = time.monotonic()
    box.run("systemctl", "stop", UNIT)
    seconds = time.monotonic() - began
    assert (box.shown(UNIT, "Result"), box.shown(UNIT, "ExecMainStatus")) == ("success", "0")
    assert box.shell("ls /dev/shm") == ""
    figure("D8", f"stopped by systemd after {seconds:.1f} s")
