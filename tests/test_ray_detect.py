"""Does `minehat detect --ray` give what a run without it gives, though its workers or it itself are killed?"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from films import even_film, scene
from minehat.cli import main
from minehat.sharding.ray_crew import ALONE, ALWAYS
from PIL import Image
from waiting import eventually, wait_for

pytest.importorskip("ray")
PARTS = 6  # of what is detected here
LISTENING = "0A"  # in /proc/net/tcp
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A folder with a model, a long video, pictures, and what was found in them in one go."""
    bright_onnx(tmp_path / "bright.onnx")
    even_film(tmp_path / "clip.mp4", 600)
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(scene(number)).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert main(["detect", *ARGS, "--json", "whole.json"]) == 3
    return tmp_path


ARGS = ["bright.onnx", "clip.mp4", "in"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for what Ray writes; its name is short, for sockets lie in it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as folder:
        yield Path(folder)


@contextmanager
def begun(stage: Path, scratch: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A run with --ray, and those arguments behind it."""
    command = [sys.executable, "-W", "error", "-m", "minehat", "detect", *ARGS, "--json", "out.json", "--ray", *args]
    with subprocess.Popen(command, cwd=stage, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True, env={**os.environ, "TMPDIR": str(scratch)}) as run:
        try:
            yield run
        finally:
            run.kill()


def family(pid: int) -> dict[int, str]:
    """Processes that descend from one, and what they are called."""
    parents, names = dict[int, int](), dict[int, str]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(entry.name)] = (entry / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        except OSError:
            continue
    found, rest = dict[int, str](), [pid]
    while rest:
        new = [child for child, parent in parents.items() if parent == rest[0]]
        found |= {child: names[child] for child in new}
        rest = rest[1:] + new
    return found


def alive(pids: dict[int, str]) -> dict[int, str]:
    return {pid: name for pid, name in pids.items()
            if Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()}


def listening(pids: dict[int, str]) -> list[str]:
    """Addresses, as /proc/net/tcp writes them, on which these processes wait for others."""
    sockets = set[str]()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(link))
            except OSError:
                continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].split(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets]


def at_work(pid: int) -> list[int]:
    """Workers that are in the middle of a part."""
    return [worker for worker, name in family(pid).items() if name == "ray::do_part"]


def kill_one_at_work(pid: int) -> bool:
    """Whether a worker was killed in the middle of a part: it is stopped first, to see that it is still there."""
    for worker in at_work(pid):
        os.kill(worker, signal.SIGSTOP)
        if worker in at_work(pid):
            os.kill(worker, signal.SIGKILL)
            return True
        os.kill(worker, signal.SIGCONT)
    return False


def parts_kept(stage: Path) -> list[Path]:
    return [*(stage / "out.json.parts").glob("[0-9a-f]*.jsonl")]


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    told = run.communicate(timeout=120)[1]
    return run.returncode, told


@pytest.mark.slow
def test_the_same_is_found_though_a_worker_dies_and_nobody_else_can_listen_in(stage, scratch):
    with begun(stage, scratch) as run:
        wait_for(lambda: kill_one_at_work(run.pid), 90, 0.01)
        ours = family(run.pid)
        heard = listening(ours)
        code, told = ended(run)
    assert code == 3 and told.splitlines()[0].startswith("minehat: in/bad.png cannot be decoded"), told
    assert [line.split()[0] for line in told.splitlines()[1:]] == ["source", "clip.mp4", "in", "all"]
    assert (stage / "out.json").read_bytes() == (stage / "whole.json").read_bytes()
    assert len(heard) > 3 and set(heard) <= LOOPBACK
    assert eventually(lambda: not alive(ours), 60)
    assert not (stage / "out.json.parts").exists() and not os.listdir(scratch)


@pytest.mark.soak
def test_a_run_that_was_killed_goes_on(stage, scratch):
    with begun(stage, scratch) as run:
        wait_for(lambda: len(parts_kept(stage)) >= 2, 90, 0.01)
        ours = family(run.pid)
        run.kill()
        run.communicate(timeout=60)
    assert not (stage / "out.json").exists()
    with begun(stage, scratch) as run:
        code, told = ended(run)
    assert code == 3 and re.search(f"^[2-{PARTS}] of {PARTS} parts were done by an earlier run.$", told, re.MULTILINE)
    assert (stage / "out.json").read_bytes() == (stage / "whole.json").read_bytes()
    assert not (stage / "out.json.parts").exists()
    assert eventually(lambda: not [name for name in alive(ours).values() if "Agent" not in name], 60)


@pytest.mark.soak
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_goes_on(stage, scratch, number, code):
    """Ctrl-C reaches all processes of a terminal's group."""
    with begun(stage, scratch) as run:
        wait_for(lambda: parts_kept(stage), 90, 0.01)
        ours = family(run.pid)
        os.killpg(run.pid, number) if number == signal.SIGINT else run.terminate()
        stopped, told = ended(run)
    assert stopped == code and "Traceback" not in told, told
    assert eventually(lambda: not alive(ours), 60) and not os.listdir(scratch)
    assert len(parts_kept(stage)) >= 1
    with begun(stage, scratch) as run:
        stopped, told = ended(run)
    assert stopped == 3 and "done by an earlier run" in told
    assert (stage / "out.json").read_bytes() == (stage / "whole.json").read_bytes()


@pytest.mark.soak
def test_a_part_whose_workers_all_die_is_named_and_the_rest_is_done(stage, scratch):
    with begun(stage, scratch) as run:
        while run.poll() is None:
            kill_one_at_work(run.pid)
            time.sleep(0.005)
        code, told = ended(run)
    found = json.loads((stage / "out.json").read_text())["images"]
    assert code == 3 and "its worker died 3 times" in told and "Traceback" not in told
    assert len(found) < 2403 and all(entry in found for entry in found)


@pytest.mark.soak
def test_parts_that_want_more_memory_than_there_is_are_named(stage, scratch, monkeypatch):
    """Ray's own guard of memory ends workers; here for each byte."""
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.0001")
    with begun(stage, scratch) as run:
        code, told = ended(run)
    assert code == 3 and "its worker died 3 times. There is too little memory" in told and "Traceback" not in told


@pytest.fixture
def cluster(scratch: Path) -> Iterator[str]:
    """The address of a cluster of one machine, on its loopback."""
    ray = Path(sys.executable).with_name("ray")
    environment = {**os.environ, **ALONE, **ALWAYS, "RAY_AUTH_MODE": "disabled"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [ray, "start", "--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false",
               "--num-cpus=2", f"--temp-dir={scratch}/ray", "--object-store-memory=80000000", "--block"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        assert running.stdout
        wait_for(lambda: b"Ray runtime started" in running.stdout.readline(), 90, 0)
        yield address
        ours = family(running.pid)
        running.terminate()
        running.communicate(timeout=60)
    assert eventually(lambda: not alive(ours), 90)


@pytest.mark.soak
def test_a_cluster_does_the_work_and_stays(stage, scratch, cluster, monkeypatch):
    for name, value in (ALONE | {"RAY_AUTH_MODE": "disabled"}).items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        with begun(stage, scratch, cluster) as run:
            code, told = ended(run)
        assert code == 3, told
        assert (stage / "out.json").read_bytes() == (stage / "whole.json").read_bytes()


def test_a_cluster_that_is_not_there_is_one_line(stage, scratch):
    with begun(stage, scratch, "127.0.0.1:9") as run:
        code, told = ended(run)
    assert code == 2 and "--ray 127.0.0.1:9: no Ray cluster that can be joined" in told
    assert len(told.splitlines()) == 1 and not (stage / "out.json.parts").exists()
