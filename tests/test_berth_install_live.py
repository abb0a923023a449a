"""What install.sh does to a whole system: its user, its owners, systemd. On a copy of this machine that only we see."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from small_bundles import JETSON, Maker

SYSTEM_PYTHON = Path("/usr/bin/python3")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and change root"),
    pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="the system has no Python of its own: apt install python3"),
]
SYSTEMCTL = """#!/bin/sh
# Notes what it is asked for. The watch runs; it becomes ready unless a release whose commands say 3.0 is current.
echo "$*" >> /asked
case "$1 $(/usr/local/bin/minewatch)" in restart*3.0*) exit 1;; esac
"""


class Box:
    """This machine's own files under another root; what is changed there lies in `changes` and is gone afterwards."""

    def __init__(self, folder):
        self.folder, self.root, self.changes = folder, folder / "root", folder / "upper/changes"

    def __enter__(self):
        (self.folder / "upper").mkdir()
        self.root.mkdir()
        mount("-t", "tmpfs", "tmpfs", self.folder / "upper")
        for name in ("changes", "work"):
            (self.folder / "upper" / name).mkdir()
        self.changes.chmod(0o755)
        mount("-t", "overlay", "overlay", "-o",
              f"lowerdir=/,upperdir={self.changes},workdir={self.folder / 'upper/work'}", self.root)
        mount("--bind", "/dev/null", self.device("null"))
        (self.root / "bundles").mkdir()
        return self

    def __exit__(self, *exc):
        subprocess.run(["umount", "-l", self.root], check=True)
        subprocess.run(["umount", "-l", self.folder / "upper"], check=True)

    def device(self, name):
        path = self.root / "dev" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return path

    def run(self, *command, umask=0o022):
        return subprocess.run(["unshare", "--net", "chroot", self.root, *command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=300, umask=umask,
                              env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})

    def install(self, *arguments, bundle="/bundles/old", **more):
        return self.run("sh", f"{bundle}/install.sh", *arguments, **more)

    def left(self):
        """Files that are not as they are on this machine, but for the bundles and what useradd keeps for itself."""
        paths = {path.relative_to(self.changes) for path in self.changes.rglob("*") if path.is_file()}
        return {str(path) for path in paths if path.parts[0] not in ("bundles", "dev") and path.name != ".pwd.lock"
                and not path.name.endswith("-") and not same(Path("/") / path, self.changes / path)}

    def current(self):
        return self.run("minewatch").stdout

    def owner(self, path):
        about = (self.root / path).stat()
        return about.st_uid, stat.S_IMODE(about.st_mode)

    def user(self):
        told = self.run("id", "-u", "minewatch").stdout
        return int(told) if told else None


def same(one, other):
    return one.is_file() and one.read_bytes() == other.read_bytes()


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


@pytest.fixture
def box(tmp_path):
    with Box(tmp_path) as box:
        version = subprocess.run([SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                                 capture_output=True, text=True, check=True).stdout.strip()
        maker = Maker(tmp_path / "keys")
        maker.bundle(box.root / "bundles/old", python=version)
        shutil.copy(maker.public, box.root / "bundles/key.pem")
        box.maker, box.version = maker, version
        yield box


def test_the_watchs_user_owns_data_alone_and_runs_what_root_installed_and_goes_with_it(box):
    """A strict umask of root's does not close the release to the watch's user."""
    (box.root / "bundles/answers.yaml").touch()
    ran = box.install("--key", "/bundles/key.pem", "--answers", "/bundles/answers.yaml", umask=0o077)
    assert ran.returncode == 0, ran.stderr
    assert "minehat 1.0 setup /etc/minewatch/minewatch.yaml --answers /bundles/answers.yaml\n" in ran.stdout
    number = box.user()
    assert number and box.owner("etc/minewatch") == box.owner("var/lib/minewatch") == (number, 0o750)
    assert box.owner("etc/minewatch/trusted.pem") == (0, 0o644)
    assert box.run("runuser", "-u", "minewatch", "--", "minewatch", "now").stdout == "minehat 1.0 now\n"
    assert not {str(path) for path in (box.changes / "opt").rglob("*") if path.lstat().st_uid}
    secret = box.root / "etc/minewatch/minewatch.yaml"
    secret.write_text("version: 1")
    os.chown(secret, number, number)
    ran = box.install("--uninstall", bundle="/opt/minehat/current")
    assert ran.returncode == 0 and box.user() is None, ran.stderr
    assert box.owner("etc/minewatch/minewatch.yaml")[0] == box.owner("etc/minewatch")[0] == 0
    assert box.left() == {"etc/minewatch/minewatch.yaml", "etc/minewatch/trusted.pem"}
    assert box.install("--key", "/bundles/key.pem").returncode == 0
    assert box.owner("etc/minewatch/minewatch.yaml")[0] == box.user() != 0


def test_a_release_with_which_the_watch_does_not_become_ready_is_turned_back_from(box):
    declared = box.root / "bundles/old/units/minewatch.sysusers.conf"
    shutil.copy(JETSON / "units" / declared.name, declared)
    box.maker.change(box.root / "bundles/old")
    box.root.joinpath("run/systemd/system").mkdir(parents=True, exist_ok=True)
    for name, text in (("systemctl", SYSTEMCTL), ("udevadm", "#!/bin/sh\n")):
        command = box.root / "usr/local/sbin" / name
        command.write_text(text)
        command.chmod(0o755)
    assert box.install("--key", "/bundles/key.pem").returncode == 0
    assert "video" in box.run("id", "-nG", "minewatch").stdout.split()
    asked = (box.root / "asked").read_text()
    assert "daemon-reload" in asked and "enable minewatch.service" in asked
    box.maker.bundle(box.root / "bundles/broken", "3.0", "20260301T000000Z", python=box.version)
    ran = box.install(bundle="/bundles/broken")
    assert ran.returncode == 2 and "did not become ready" in ran.stderr and len(ran.stderr.splitlines()) == 1
    assert box.current() == "minehat 1.0\n"
    (box.root / "asked").unlink()
    assert box.install().returncode == 0  # all is as it should be: the watch is left alone
    asked = (box.root / "asked").read_text().splitlines()
    assert not [line for line in asked if line.startswith(("restart", "enable"))]  # whoever has disabled it meant it
    assert box.install("--uninstall").returncode == 0
    assert "disable --now minewatch.service" in (box.root / "asked").read_text()


def test_a_file_of_answers_that_is_not_there_is_missed_before_anything_is_done(box):
    ran = box.install("--key", "/bundles/key.pem", "--answers", "/nowhere.yaml")
    assert ran.returncode == 2 and "/nowhere.yaml" in ran.stderr
    assert box.left() == set()


def test_only_root_installs(box):
    nobody = pwd.getpwnam("nobody")
    ran = subprocess.run(["chroot", f"--userspec={nobody.pw_uid}:{nobody.pw_gid}", box.root, "sh",
                          "/bundles/old/install.sh"], capture_output=True, text=True)
    assert ran.returncode == 2 and "sudo sh install.sh" in ran.stderr
