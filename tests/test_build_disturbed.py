"""A build that is disturbed: signals at odd moments, a parent that dies, names and places that would do harm."""

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from engines import door, saved
from minehat import MineHatError
from minehat.cli import main
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.engine.watch import BuildLog

pytestmark = [pytest.mark.usefixtures("nothing_kept"), pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")]
ENDS = pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


# Signals


@ENDS
def test_a_signal_while_the_network_is_parsed_is_not_lost(tmp_path, monkeypatch, number, end):
    """It comes while the parser is inside our logger, where what is raised gets lost."""
    model, hear, pressed = saved(tmp_path), BuildLog.hear, []

    def press(self, severity, message):
        hear(self, severity, message)
        if not pressed:
            pressed.append(message)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(BuildLog, "hear", press)
    try:
        code = door(model)
    except SystemExit as exc:
        code = exc.code
    assert pressed
    assert code == end
    assert list(tmp_path.iterdir()) == [model]


LATE = """
import sys, time
print("loading", flush=True)
time.sleep(0.5)
from minehat.engine.apart import answer
def work(request):
    print("begun", flush=True)
    return 0
sys.exit(answer(work))
"""


@ENDS
def test_a_signal_while_the_build_is_still_loading_is_kept_for_it(tmp_path, number, end):
    (tmp_path / "late.py").write_text(LATE)
    code = ("import sys; from minehat.doors import run_door; from minehat.engine.apart import run_apart;"
            "sys.exit(run_door(lambda _: run_apart('late', {}, 'x')))")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}) as run:
        assert run.stdout.readline() == "loading\n"
        run.send_signal(number)
        said, told = run.communicate()
    assert (run.returncode, said) == (end, "")
    assert told == ("stopped.\n" if number is signal.SIGINT else "")


def test_a_build_whose_parent_died_meanwhile_does_not_begin(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    for request in ("", json.dumps({"parent": os.getppid(), "request": {}})):
        run = subprocess.run([sys.executable, tmp_path / "late.py"], input=request, capture_output=True, text=True,
                             check=False)
        assert (run.returncode, run.stdout, run.stderr) == (1, "loading\n", "")


# Places and names


@pytest.mark.parametrize("link", ["x.engine", "x.engine.json"])
def test_an_engine_never_takes_the_models_place(tmp_path, capsys, link):
    model = saved(tmp_path)
    content = model.read_bytes()
    (tmp_path / link).symlink_to(model)
    assert door(model, "-o", tmp_path / "x.engine") == 2
    assert "is a link to the model" in capsys.readouterr().err
    assert model.read_bytes() == content and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("flags", [("--workspace", "99999999999GiB"), ("--batch", f"1,1,{10**20}"), ("--sm", ""),
                                   ("--batch", ""), ("--workspace", ""), ("--tactics", "")])
def test_giant_numbers_and_unset_variables_are_one_line(tmp_path, capsys, flags):
    assert door(saved(tmp_path), *flags) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1 and flags[0] in told


def test_the_rebuild_command_can_be_typed_as_it_stands(tmp_path):
    card = engine_from_onnx(saved(tmp_path)).card
    for name in ("a b.onnx", "it's $HOME.onnx", "-x.onnx"):
        words = shlex.split(replace(card, onnx=name).rebuild)
        assert words[:2] == ["minehat", "build"] and words[3:] == list(card.build_flags)
        assert (Path("/models") / words[2]).name == name and not words[2].startswith("-")


# What is kept


def test_what_is_kept_is_a_copy(tmp_path):
    """`cp other.engine a.engine` writes into the file that is there, and must harm no other place."""
    model = saved(tmp_path)
    first, second = (engine_from_onnx(model, tmp_path / f"{name}.engine") for name in "ab")
    content = second.path.read_bytes()
    first.path.write_bytes(b"another")
    third = engine_from_onnx(model, tmp_path / "c.engine")
    assert second.kept and third.kept
    assert second.path.read_bytes() == content == third.path.read_bytes()


def test_a_named_timing_cache_is_never_passed_over(tmp_path):
    model = saved(tmp_path)
    engine_from_onnx(model)
    with pytest.raises(MineHatError, match="keeps no such cache"):
        engine_from_onnx(model, options=BuildOptions(timing_cache=tmp_path / "x.cache"))


def test_a_user_without_a_home_builds_all_the_same(tmp_path, monkeypatch, capsys):
    """As in a container that is run with a number for a user."""
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert not engine_from_onnx(saved(tmp_path)).kept
    assert "not kept for the next time: this user has no home folder" in capsys.readouterr().err


# What is closed


def test_a_folder_that_is_closed_to_this_user_is_one_line(tmp_path, capsys):
    """Python asks whether a file is there, and raises where the folder does not let it look."""
    model, closed = saved(tmp_path), tmp_path / "closed"
    closed.mkdir(mode=0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        assert door(closed / "x.onnx" if root else model, "-o", closed / "x.engine") == 2
    finally:
        if root:
            os.seteuid(0)
        closed.chmod(0o700)
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1 and "is closed to this user" in told


@pytest.mark.parametrize(("stdout", "words"), [(">&-", "stdout is closed"),
                                               ("> /dev/full", "stdout cannot be written")])
def test_a_report_that_nobody_can_take_is_one_line(tmp_path, stdout, words):
    run = subprocess.run(["bash", "-c", f'exec "$@" {stdout}', "-", sys.executable, "-m", "minehat", "build",
                          saved(tmp_path), "--json", "-"], stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert words in run.stderr and "Traceback" not in run.stderr


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    model = saved(tmp_path).rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.onnx"))
    with pytest.raises(MineHatError, match="the name is not UTF-8"):
        engine_from_onnx(model)


@pytest.mark.parametrize("flag", ["--out", "--card"])
def test_an_empty_name_is_refused(tmp_path, capsys, flag):
    assert door(saved(tmp_path), flag, "") == 2
    assert f"{flag} is empty" in capsys.readouterr().err


# Cards that were edited


EDITS = {"batch": [1, 1], "build_flags": [7], "compute_capabilities": [8.6], "build_seconds": "soon",
         "dla": {"core": 0}, "gpu": 7, "onnx": "", "warnings": "none", "calibration": [],
         "convolutions": [{"name": 1}], "cuda_version": 12,
         "engine_bytes": True}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return engine_from_onnx(saved(tmp_path_factory.mktemp("built")), options=BuildOptions(keep=False))


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_card_is_one_line_that_names_the_field(built, tmp_path, capsys, name):
    engine = tmp_path / "x.engine"
    engine.write_bytes(built.path.read_bytes())
    card = json.loads(built.card.to_json()) | {name: EDITS[name]}
    engine.with_name("x.engine.json").write_text(json.dumps(card))
    for file in (engine, engine.with_name("x.engine.json")):
        assert main(["inspect", str(file)]) == 2
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1 and name in told and "edited by hand" in told
        assert "minehat build tiny.onnx" in told or name == "onnx"
