"""Does the old release run wherever kill -9 strikes, and does the same command once more finish the work?"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_bundles import Maker, install
from waiting import wait_for

KILLED = Path(__file__).with_name("killed_installer.py")
OLD, NEW = "1.0-20260101T000000Z", "2.0-20260201T000000Z"


class Stage:
    """A root with an old release, a bundle of a new one, and what there is to kill an installation before."""

    def __init__(self, folder):
        self.maker = Maker(folder / "keys")
        self.old = self.maker.bundle(folder / "old")
        self.new = self.maker.bundle(folder / "new", "2.0", "20260201T000000Z")
        (self.new / "units/minewatch.journald.conf").write_text("[Journal]\n")
        self.maker.change(self.new)
        self.settled = folder / "settled"
        self.settled.mkdir()
        self.ok(install(self.old, "--root", self.settled, "--key", self.maker.public))
        undisturbed = copy(self.settled, folder / "undisturbed")
        self.points = self.killed(self.new, 0, "--root", undisturbed).stderr.splitlines()
        self.whole = names(undisturbed)
        self.staged = copy(self.settled, folder / "staged")  # the new release is complete, and nothing was turned yet
        self.killed(self.new, point(self.points, ".unsettled.new"), "--root", self.staged)

    def ok(self, ran):
        assert ran.returncode == 0, ran.stderr

    def killed(self, bundle, point, *arguments):
        return subprocess.run([sys.executable, "-I", KILLED, bundle, str(point), *arguments], capture_output=True,
                              text=True, timeout=300)

    def struck(self, root, at):
        """Kill it there, look at what is left, run it again, look again."""
        assert self.killed(self.new, at, "--root", root).returncode == -signal.SIGKILL
        turned = os.readlink(root / "opt/minehat/current").endswith(NEW)
        assert runs(root) == ("minehat 2.0 now\n" if turned else "minehat 1.0 now\n")
        self.finishes(root)

    def finishes(self, root):
        self.ok(install(self.new, "--root", root))
        assert runs(root) == "minehat 2.0 now\n" and names(root) == self.whole
        self.ok(install(self.new, "--root", root, "--rollback"))
        assert runs(root) == "minehat 1.0 now\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("stage"))


def point(points, words):
    """The number of the first one that is told of with these words."""
    return next(at for at, line in enumerate(points, 1) if words in line)


def copy(root, to):
    return shutil.copytree(root, to, symlinks=True)


def names(root):
    """All that lies under a root, but what Python compiled."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if "__pycache__" not in path.parts)


def runs(root):
    return subprocess.run([root / "usr/local/bin/minewatch", "now"], capture_output=True, text=True, check=True).stdout


def test_killed_while_it_turns_to_the_release_one_of_both_runs_and_the_next_run_finishes(stage, tmp_path):
    """I1: some of its steps."""
    rest = stage.killed(stage.new, 0, "--root", copy(stage.staged, tmp_path / "rest")).stderr.splitlines()
    for words in (".previous.new", ".current.new", "journald.conf.d/", "opt/minehat/unsettled"):
        stage.struck(copy(stage.staged, tmp_path / words.strip("./").replace("/", "-")), point(rest, words))


def test_killed_while_pip_is_at_work_the_next_run_waits_for_its_end_and_begins_anew(stage, tmp_path):
    root = copy(stage.settled, tmp_path / "root")
    with subprocess.Popen(["sh", stage.new / "install.sh", "--root", root], stdout=subprocess.DEVNULL) as ran:
        wait_for(lambda: next(root.glob("opt/minehat/releases/*/.scratch/wheels.txt"), None), every=0.001)
        ran.kill()
    assert runs(root) == "minehat 1.0 now\n"
    stage.finishes(root)


def test_a_removal_that_was_killed_is_finished_by_the_next(stage, tmp_path):
    for at in (1, 2, 4, 6):
        root = copy(stage.settled, tmp_path / f"root{at}")
        assert stage.killed(stage.old, at, "--root", root, "--uninstall").returncode == -signal.SIGKILL
        stage.ok(install(stage.old, "--root", root, "--uninstall"))
        assert [path for path in names(root) if (root / path).is_file()] == ["etc/minewatch/trusted.pem"]


@pytest.mark.soak
def test_killed_before_every_step_of_turning_and_many_of_making(stage, tmp_path, figure):
    """I1: all of its steps."""
    turning = stage.killed(stage.new, 0, "--root", copy(stage.staged, tmp_path / "all")).stderr.splitlines()
    making = range(1, len(stage.points) - len(turning), 7)
    for start, points in ((stage.staged, range(1, len(turning) + 1)), (stage.settled, making)):
        for at in points:
            root = copy(start, tmp_path / "root")
            stage.struck(root, at)
            shutil.rmtree(root)
    figure("I1", f"kill -9 before each of {len(turning)} steps that turn to a release and {len(making)} of those that "
                 "make it: a release ran each time, and the next run finished")
