"""The whole way with a real bundle: a clean Debian without a network to its first event; kill -9 at random moments."""

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from minehat.scenes import write_film
from minewatch.berth import signing
from private_systemd import Booted, debian, missing
from small_bundles import JETSON, PYTHON, Maker, install
from waiting import wait_for

CHECKOUT = Path(__file__).resolve().parent.parent
BOOKWORM_PYTHON = "3.11"
KILLS = 20
NEVER_READY = """
import sys
def main():
    return int(sys.argv[1] == "run")
"""
READY = """
import os, signal, socket, sys
def main():
    if sys.argv[1] == "run":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.connect(os.environ["NOTIFY_SOCKET"])
            systemd.send(b"READY=1\\nSTATUS={version}")
            while True:
                signal.sigtimedwait([signal.SIGUSR1], 10)
                systemd.send(b"WATCHDOG=1")
"""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
pytestmark = [pytest.mark.soak, pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and change root")]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    private, public = (tmp_path_factory.mktemp("key") / name for name in ("private", "public"))
    signing.new_key(private, public)
    return private, public


def pack(folder, key, python):
    """A real bundle; the wheels come from the network once, then out of a cache."""
    subprocess.run([sys.executable, CHECKOUT / "jetson/bundle.py", "--target", "cpu", "--python", python,
                    "--key", key[0], "--out", folder, "--cache", CHECKOUT / "out/wheels"], check=True)
    return next(folder.glob("*.tar"))


@contextmanager
def mounted(root):
    """What programs expect of a root: processes and devices."""
    for kind, options in (("proc", ["-t", "proc", "proc"]), ("dev", ["--rbind", "/dev"])):
        subprocess.run(["mount", *options, root / kind], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "--make-rslave", root / "dev"], check=True)
        for kind in ("dev", "proc"):
            subprocess.run(["umount", "-R", "-l", root / kind], check=True)


def listing(root):
    """Every file and link of a root, but of what is mounted in it."""
    return {str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def inside(root, folder, command, **more):
    """A shell command as it is typed in that root and folder, where there is no network."""
    return subprocess.Popen(["unshare", "--net", "chroot", root, "sh", "-c", f"cd {folder} && {command}"],
                            stdin=subprocess.DEVNULL, env=ENVIRONMENT, start_new_session=True, **more)


def processes(root):
    """What runs in that root: pid -> its command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(process / "root") == str(root):
                found[int(process.name)] = (process / "cmdline").read_bytes().decode().split("\0")
    return found


def stop(root):
    """Ask the watch that was started there to end, and see to it."""
    for pid, line in processes(root).items():
        if "run" in line:
            os.kill(pid, signal.SIGTERM)
    try:
        wait_for(lambda: not processes(root), 60)
    finally:
        for pid in processes(root):
            os.kill(pid, signal.SIGKILL)


def first_event(root):
    """The first alarm in the store; None before there is one."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(
            f"file:{root / 'var/lib/minewatch/events.db'}?mode=ro", uri=True)) as store:
        rows = [json.loads(event) for (event,) in store.execute("SELECT event FROM events ORDER BY seq")]
        return next((row for row in rows if row["kind"] == "bare_head"), None)


@pytest.mark.skipif(not shutil.which("debootstrap"), reason="debootstrap is not installed: apt install debootstrap")
def test_from_a_clean_root_without_network_to_the_first_event_in_three_commands(tmp_path, key, figure):
    """I2: the whole way, with a real bundle."""
    root, packed = tmp_path / "root", pack(tmp_path / "out", key, BOOKWORM_PYTHON)
    subprocess.run(["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", "bookworm", root],
                   check=True, stdout=subprocess.DEVNULL)
    clean = listing(root)
    stick = root / "media/stick"
    stick.mkdir()
    shutil.copy(packed, stick)
    write_film(stick / "scene.mp4", 1, 12)
    (stick / "answers.yaml").write_text("cameras:\n  - {name: scene, url: /media/stick/scene.mp4, repeat: true}\n")
    top = packed.name.rpartition("-")[0]
    commands = [f"tar xf {packed.name}",
                f"sh {top}/install.sh --accept-key {signing.fingerprint(key[1])} --answers answers.yaml",
                'su - minewatch -s /bin/sh -c "minewatch run /etc/minewatch/minewatch.yaml"']
    began = time.monotonic()
    with mounted(root):
        for command in commands[:2]:
            assert inside(root, "/media/stick", command).wait(600) == 0
        ready = time.monotonic() - began
        with inside(root, "/media/stick", commands[2]):
            try:
                event = wait_for(lambda: first_event(root), 300, 0.1)
                seconds = time.monotonic() - began
                refused = inside(root, "/", "sh /opt/minehat/current/install.sh --uninstall", stderr=subprocess.PIPE)
                assert b"still runs" in refused.communicate(timeout=60)[1] and refused.returncode == 2
            finally:
                stop(root)
        assert event["camera"] == "scene" and seconds <= 300
        assert inside(root, "/", "sh /opt/minehat/current/install.sh --uninstall").wait(60) == 0
    left = {path for path, content in listing(root).items() if clean.get(path) != content}
    assert {path for path in left if not path.startswith(("etc/minewatch/", "var/lib/minewatch/", "media/stick/"))} <= {
        f"etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")} | {"etc/.pwd.lock"}
    assert not set(clean) - set(listing(root))
    megabytes = packed.stat().st_size / 1e6
    figure("I2", f"clean Debian 12 without network, a bundle of {megabytes:.0f} MB, {len(commands)} commands: "
                 f"installed and configured after {ready:.0f} s, first event after {seconds:.0f} s; uninstalled, "
                 "data alone is left")
    print("\n".join(commands))
    shutil.rmtree(root)


def test_kill_9_at_random_moments_of_an_update(tmp_path, key, figure):
    """I3: every other time as a power cut, children and all; else of the installer alone."""
    chance, root, bundles = random.Random(20261122), tmp_path / "root", []
    root.mkdir()
    for name in ("old", "new"):
        packed = pack(tmp_path / name, key, PYTHON)
        subprocess.run(["tar", "xf", packed, "-C", tmp_path / name], check=True)
        bundles.append(packed.with_name(packed.name.rpartition("-")[0]))
        time.sleep(1.1)  # a build is named for its second
    old, new = bundles
    assert install(old, "--root", root, "--key", key[1]).returncode == 0
    began = time.monotonic()
    assert install(new, "--root", root).returncode == 0
    whole = time.monotonic() - began
    staged = 0
    for kill in range(KILLS):
        back_to_old(root, old)
        ran = subprocess.Popen(["sh", new / "install.sh", "--root", root], stdout=subprocess.DEVNULL,
                               start_new_session=True)
        time.sleep(chance.uniform(0, whole))
        with suppress(ProcessLookupError):
            os.killpg(ran.pid, signal.SIGKILL) if kill % 2 else ran.kill()
        struck = ran.wait() == -signal.SIGKILL
        staged += struck and len(os.listdir(root / "opt/minehat/releases")) > 1
        subprocess.run([root / "usr/local/bin/minewatch", "--help"], check=True, stdout=subprocess.DEVNULL)
        done = install(new, "--root", root)
        assert done.returncode == 0, done.stderr
        subprocess.run([root / "usr/local/bin/minewatch", "--help"], check=True, stdout=subprocess.DEVNULL)
        assert sorted(os.listdir(root / "opt/minehat/releases")) == sorted(names(old, new))
        assert not list(root.rglob(".*.new")) and not list(root.rglob(".scratch"))
    figure("I3", f"kill -9 at {KILLS} random moments of an update that takes {whole:.0f} s, {staged} of them amid the "
                 "new release: a release ran each time, and the next run finished")
    shutil.rmtree(root)


def names(*bundles):
    """The releases that bundles become."""
    told = [json.loads((bundle / "MANIFEST.json").read_text()) for bundle in bundles]
    return [f"{one['version']}-{one['build']}" for one in told]


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_under_systemd_an_update_restarts_the_watch_and_one_that_does_not_become_ready_is_turned_back_from(
        tmp_path, figure):
    """I4: the commands of these small bundles are no watch, but they tell systemd that they are ready, or do not."""
    maker, root = Maker(tmp_path / "keys"), debian(tmp_path / "root")
    for row, (name, text) in enumerate((("first", READY), ("second", READY), ("broken", NEVER_READY)), 1):
        bundle = maker.bundle(root / "srv" / name, f"{row}.0", f"2026010{row}T000000Z", text=text,
                              python=BOOKWORM_PYTHON)
        shutil.copytree(JETSON / "units", bundle / "units", dirs_exist_ok=True)
        maker.change(bundle)
    with Booted(root) as box:
        def install_in(name, *arguments, check=True):
            return box.run("sh", f"/srv/{name}/install.sh", *arguments, check=check)

        def runs():
            assert box.shown("minewatch", "ActiveState") == "active"
            return box.shown("minewatch", "MainPID"), box.shown("minewatch", "StatusText")

        told = install_in("first", "--accept-key", maker.fingerprint)
        assert "systemctl start minewatch" in told
        assert box.run("systemctl", "is-enabled", "minewatch") == "enabled"
        box.run("systemctl", "start", "minewatch")
        pid, status = runs()
        assert status == "1.0"
        install_in("first")
        assert runs() == (pid, "1.0")  # all is as it should be: the watch is left alone
        install_in("second")
        assert runs()[1] == "2.0"
        assert "did not become ready" in install_in("broken", check=False) and runs()[1] == "2.0"
        install_in("first", "--rollback")
        assert runs()[1] == "1.0"
        install_in("first", "--uninstall")
        assert box.run("systemctl", "is-active", "minewatch", check=False) == "inactive"
        assert not list((root / "etc/systemd").rglob("*minewatch*"))
    figure("I4", "under systemd 252 as PID 1: an update restarts the watch, a release that does not become ready is "
                 "turned back from, and a removal leaves no unit")
    shutil.rmtree(root)


def back_to_old(root, old):
    """As it was before the update."""
    if os.readlink(root / "opt/minehat/current") != f"releases/{names(old)[0]}":
        assert install(old, "--root", root, "--rollback").returncode == 0
    for folder in (root / "opt/minehat/releases").iterdir():
        if folder.name != names(old)[0]:
            shutil.rmtree(folder)
