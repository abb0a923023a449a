"""`minehat doctor`: does it answer on any machine, in lines that tell what, why and what next?"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from conftest import ROOT
from cuda_stub import stub_environment
from jetson_trees import BOARDS, pc, write
from minehat.doctor import CODES, FAULT, LEVELS, NOTE, WARNING, WELL, Finding, examine, looked_at, report, worst
from minehat.doctor.apart import ask
from minehat.doctor.disk import room
from minehat.doctor.graphics import graphics
from minehat.doctor.libraries import tensorrt
from minehat.doctor.lines import columns, lines_of, tell, wrapped
from minehat.doctor.models import model
from minehat.doctor.packages import cuda_wanted
from minehat.doctor.rights import rights
from minehat.doctor.runtimes import opencv
from test_tensorrt_backend import engine_of
from watch_events import fill, small_disk

NOT_WELL = (WARNING, FAULT)


def doctor(*words, stdin=subprocess.DEVNULL, **environment):
    """`minehat doctor` in a process of its own: exit code, JSON and the lines that people read."""
    done = subprocess.run([sys.executable, "-m", "minehat", "doctor", "--json", "-", *map(str, words)], text=True,
                          env={**os.environ, **environment}, capture_output=True, timeout=180, stdin=stdin)
    assert "Traceback" not in done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == CODES[told["level"]]
    return told["findings"], done.stderr.splitlines()


def by_name(findings):
    return {finding["what"]: finding for finding in findings}


def tree_of(name, folder):
    return {finding.what: finding for finding in examine(BOARDS[name](folder))}


# Machines


def test_this_machine_is_told_in_a_line_each_whatever_it_is_like():
    findings, lines = doctor(bright := ROOT / "models" / "helmet-nano" / "helmet-nano.int8-cpu.onnx")
    found = by_name(findings)
    assert not [one for one in findings if "could not be looked at" in one["found"]]
    assert {"board", "Python", "GPU", "ONNX Runtime", "OpenCV", "memory", "disk /", "model"} <= set(found)
    assert len(lines) == len(findings) + 1  # and one that sums them up
    assert bright.name in found["model"]["found"] and found["model"]["level"] == WELL
    assert all(line.split()[0] in ("ok", "note", "warn", "BAD") for line in lines[:-1])


@pytest.mark.parametrize("name, board, jetpack, mode, swap", [
    ("orin_nano", "Orin Nano", "6.2 (Jetson Linux 36.4.3)", "MAXN_SUPER is the fastest", "zram"),
    ("orin_nx", "Orin NX", "6.2.1 (Jetson Linux 36.4.4)", "MAXN is the fastest", "zram"),
    ("agx_orin", "AGX Orin", "6.2 (Jetson Linux 36.4.3)", "MAXN", "zram"),
    ("agx_thor", "AGX Thor", "7 (Jetson Linux 38.4.0)", "MAXN is the fastest", "none")])
def test_a_board_is_told_by_its_files(tmp_path, name, board, jetpack, mode, swap):
    found = tree_of(name, tmp_path)
    assert board in found["board"].found and found["JetPack"].found == jetpack
    assert mode in found["power mode"].found and swap in found["swap"].found
    assert found["GPU"].found.endswith("11.0" if name == "agx_thor" else "8.7")
    assert found["TensorRT"].found.startswith("10.13.3" if name == "agx_thor" else "10.3.0")
    assert found["CUDA"].found.startswith("13.0" if name == "agx_thor" else "12.6")
    assert "cpu" in found["clocks"].found and "W now" in found["power supply"].found
    assert {what for what, one in found.items() if one.level in NOT_WELL} == ({"heat"} if name == "agx_orin" else set())


def test_heat_that_slows_a_board_down_is_told_with_the_zone(tmp_path):
    heat = tree_of("agx_orin", tmp_path)["heat"]
    assert heat.level == WARNING and "GPU too hot" in heat.found and "98.8 C" in heat.found and heat.cure


def test_heat_is_told_before_it_slows_the_board_down(tmp_path):
    root = BOARDS["orin_nx"](tmp_path)
    write(root, {"sys/class/thermal/thermal_zone0/temp": 95_000})
    found = {finding.what: finding for finding in examine(root)}
    assert found["heat"].level == WARNING and "95.0 C, slows down from 99 C" in found["heat"].found


def test_a_supply_that_is_too_weak_is_told(tmp_path):
    root = BOARDS["orin_nx"](tmp_path)
    write(root, {"sys/class/hwmon/hwmon3/oc1_event_cnt": 3})
    supply = {finding.what: finding for finding in examine(root)}["power supply"]
    assert supply.level == WARNING and "3 times" in supply.found and "supply" in supply.cure


@pytest.mark.parametrize("release, level", [
    ("# R35 (release), REVISION: 5.0, GCID: 1, BOARD: t186ref, EABI: aarch64", FAULT), ("", FAULT),
    ("# R36 (release), REVISION: 5.0, GCID: 1, BOARD: generic, EABI: aarch64", WELL),
    ("# R99 (release), REVISION: 1.0, GCID: 1, BOARD: generic, EABI: aarch64", WELL)])
def test_a_jetpack_that_is_too_old_is_told(tmp_path, release, level):
    root = BOARDS["orin_nx"](tmp_path)
    write(root, {"etc/nv_tegra_release": release, "var/lib/dpkg/status": ""})
    found = {finding.what: finding for finding in examine(root)}
    assert found["JetPack"].level == level
    assert found["TensorRT"].level == FAULT and "nvidia-jetpack" in found["TensorRT"].cure


def test_a_board_that_is_too_old_is_told(tmp_path):
    write(tmp_path, {"proc/device-tree/model": "Jetson Nano\0", "proc/device-tree/compatible": "x\0nvidia,tegra210\0"})
    found = {finding.what: finding for finding in examine(tmp_path)}
    assert found["board"].level == FAULT and found["board"].cure


@pytest.mark.parametrize("total, free, swap, levels", [
    (8000, 6000, 4000, (WELL, WELL)), (4000, 3000, 0, (WELL, NOTE)), (8000, 700, 0, (WARNING, WELL)),
    (8000, 100, 0, (FAULT, WELL))])
def test_memory_that_runs_out_is_told(tmp_path, total, free, swap, levels):
    write(tmp_path, {"proc/meminfo": f"MemTotal: {total * 1000} kB\nMemAvailable: {free * 1000} kB\n"
                                     f"SwapTotal: {swap * 1000} kB\nSwapFree: {swap * 1000} kB\nHugePages_Total: 0"})
    found = {finding.what: finding for finding in examine(tmp_path)}
    assert (found["memory"].level, found["swap"].level) == levels


def test_devices_that_are_closed_to_a_user_are_told(tmp_path):
    tmp_path.chmod(0o755)
    assert list(rights(tmp_path)) == list(rights(tmp_path, "nobody")) == []
    write(tmp_path, {"dev/nvmap": "", "dev/nvhost-gpu": ""})
    (tmp_path / "dev/nvmap").chmod(0o660)
    (tmp_path / "dev/nvhost-gpu").chmod(0o666)
    assert [finding.level for finding in rights(tmp_path)] == [WELL]
    closed, = rights(tmp_path, "nobody")
    assert closed.level == FAULT and "nvmap" in closed.found and "nvhost" not in closed.found
    assert "usermod -aG" in closed.cure and "nobody" in closed.cure
    (tmp_path / "dev/nvmap").chmod(0o666)
    assert [finding.level for finding in rights(tmp_path, "nobody")] == [WELL]


GARBAGE = {"nothing": b"", "bytes": bytes(range(256)), "negative": b"-1\n", "words": b"0xZZ 0x\nMemTotal: x kB\n",
           "huge": b"9" * 400, "letters": "矿".encode()}


@pytest.mark.parametrize("kind", GARBAGE)
def test_whatever_stands_in_the_files_of_a_board_every_look_answers(tmp_path, kind):
    for name, tree in {"agx_orin": BOARDS["agx_orin"], "agx_thor": BOARDS["agx_thor"], "pc": pc}.items():
        root = tree(tmp_path / name)
        for path in [path for path in root.rglob("*") if path.is_file()]:
            path.write_bytes(GARBAGE[kind])
        for finding in examine(root):
            assert "could not be looked at" not in finding.found, finding


def test_an_empty_tree_is_a_machine_as_well(tmp_path):
    assert {finding.what for finding in examine(tmp_path)} == {"GPU", "disk /"}
    findings, _ = doctor("--root", tmp_path)
    assert [one["what"] for one in findings] == ["GPU", "disk /"]


def test_a_root_that_is_not_there_and_a_report_that_cannot_be_written_are_one_line(tmp_path):
    for words in (["--root", tmp_path / "absent"], ["--json", tmp_path / "report.txt"]):
        done = subprocess.run([sys.executable, "-m", "minehat", "doctor", *map(str, words)], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout


# GPUs and libraries


def set_all(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_a_gpu_that_answers_is_told(monkeypatch):
    set_all(monkeypatch, stub_environment())
    found = {finding.what: finding for finding in graphics(Path("/"))}
    assert found["GPU"].found == "Stub 0, compute capability 8.7" and "CUDA 13.0" in found["driver"].found


@pytest.mark.parametrize("code, said", [(803, "different versions"), (999, "unknown"), (100, "")])
def test_a_driver_that_does_not_begin_is_told_with_its_error(monkeypatch, code, said):
    set_all(monkeypatch, stub_environment(STUB_FAIL=f"cuInit:{code}"))
    found = {finding.what: finding for finding in graphics(Path("/"))}
    if said:
        assert found["driver"].level == FAULT and said in found["driver"].found and str(code) in found["driver"].found
        assert "GPU" not in found
    else:
        assert found["GPU"].level == NOTE and "driver" not in found


@pytest.mark.parametrize("version, package, level", [
    ("470.256.02", "cuda-cudart-12-6", FAULT), ("550.54.14", "cuda-cudart-12-6", WELL),
    ("550.54.14", "cuda-cudart-13-0", FAULT), ("580.95.05", "cuda-cudart-13-0", WELL), ("470.256.02", "", WELL)])
def test_a_driver_that_is_too_old_for_what_is_installed_is_told_by_its_files(tmp_path, version, package, level):
    write(tmp_path, {"proc/driver/nvidia/version": f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Mon",
                     "var/lib/dpkg/status": f"Package: {package}\nStatus: install ok installed\nVersion: 1.2-1\n"})
    driver = {finding.what: finding for finding in graphics(tmp_path)}["driver"]
    assert driver.level == level and version in driver.found
    assert level == WELL or (package in driver.found and "or newer" in driver.cure)


def test_a_card_without_its_driver_is_told(tmp_path):
    write(tmp_path, {"sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de", "sys/bus/pci/devices/0000:01:00.0/class":
                     "0x030000", "sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de"})
    gpu = {finding.what: finding for finding in graphics(tmp_path)}["GPU"]
    assert gpu.level == WARNING and "0000:01:00.0" in gpu.found and "Install its driver" in gpu.cure


def test_the_cuda_that_libraries_want_is_known_by_their_names_and_versions():
    assert set(cuda_wanted({"cuda-bindings": "12.9.1", "tensorrt-cu13": "10.13.0"}, {})) == {12, 13}
    assert cuda_wanted({"tensorrt-rtx-cu13-libs": "1.7", "numpy": "2.4"}, {"cuda-cudart-12-6": "12.6.68-1"}) == {
        12: "cuda-cudart-12-6 12.6.68-1"}


@pytest.mark.parametrize("program, said", [
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"), ("raise ImportError('no libnvinfer')",
                                                                             "no libnvinfer")])
def test_a_library_that_crashes_or_does_not_load_is_one_line(tmp_path, monkeypatch, program, said):
    (tmp_path / "tensorrt.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = {finding.what: finding for finding in tensorrt(Path("/"))}
    assert found["TensorRT"].level == FAULT and said in found["TensorRT"].text and found["TensorRT"].why


def test_a_library_that_hangs_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "tensorrt.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    began = time.monotonic()
    answer = ask("tensorrt", "tensorrt", seconds=1)
    assert answer.trouble == "it did not answer within 1 s"
    assert "less to do; if it stays so, restart" in answer.cure("Restart")
    assert time.monotonic() - began < 300


def test_where_nothing_can_be_started_that_is_what_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    found, = looked_at([("TensorRT", partial(tensorrt, Path("/")))])
    assert found.level == WARNING and "cannot be started" in found.found and "report" not in found.text.lower()


def test_an_opencv_for_another_numpy_is_told_with_its_cure(tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise ImportError('numpy.core.multiarray failed to import')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found, = opencv(Path("/"))
    assert found.level == FAULT and "numpy<2" in found.cure


# Engines


@pytest.mark.parametrize("name, version, level", [
    ("orin_nano", "10.3.0", WELL), ("orin_nano", "10.13.0", FAULT), ("agx_thor", "10.13.3", FAULT)])
def test_an_engine_is_held_against_a_boards_tensorrt_and_gpu(tmp_path, name, version, level):
    root = BOARDS[name](tmp_path / "root")
    engine = engine_of(b"", tmp_path / "helmet.engine", version=version)  # for compute capability 8.7
    found = {finding.what: finding for finding in examine(root, [engine])}["model"]
    assert found.level == level
    if level == FAULT:
        assert ("8.7" if name == "agx_thor" else "10.3.0") in found.found and "minehat build bright.onnx" in found.cure


@pytest.mark.parametrize("version, level", [("10.13.0", WELL), ("10.3.0", FAULT)])
def test_an_engine_is_held_against_the_tensorrt_that_python_sees(tmp_path, monkeypatch, version, level):
    engine = engine_of(bright_onnx(tmp_path / "bright.onnx").read_bytes(), tmp_path / "bright.engine", version=version)
    set_all(monkeypatch, stub_environment(PYTHONPATH=str(ROOT / "tests" / "fake_trt")))
    found, = model(Path("/"), engine)
    assert found.level == level and engine.name in found.found
    assert level == WELL or ("10.3.0" in found.found and "10.13.0" in found.found and "minehat build" in found.found)
    assert [one.found for one in tensorrt(Path("/")) if one.what == "TensorRT"] == ["10.13.0"]


# Disks


def test_a_full_disk_is_told(tmp_path):
    """H4: the disk; `test_doctor_watch` has the rest."""
    with small_disk(tmp_path / "disk", "16m") as disk:
        assert [finding.level for finding in room(disk, "disk /", "Why")] == [FAULT]  # too small to hold anything
        fill(disk / "filler")
        found, = room(disk, "disk /", "Nothing can be written")
    assert found.level == FAULT and found.found == "full: 0.0 of 16.8 MB are free" and str(disk) in found.cure


# Lines


def test_a_look_that_fails_is_a_line_like_others():
    def breaks():
        yield Finding("disk", WELL, "never seen")
        raise RuntimeError("what nobody thought of")

    found = looked_at([("disk", breaks), ("heat", lambda: [Finding("heat", WELL, "cool")])])
    assert [(one.what, one.level) for one in found] == [("disk", WARNING), ("heat", WELL)]
    assert "what nobody thought of" in found[0].text


@pytest.mark.parametrize("levels, code", [((), 0), ((WELL, NOTE), 0), ((NOTE, WARNING), 3), ((FAULT, WARNING), 2)])
def test_the_exit_code_is_that_of_the_worst(levels, code):
    findings = [Finding("x", level, "found") for level in levels]
    assert CODES[worst(findings)] == report(findings)["exit_code"] == code and LEVELS[0] == WELL


LONG = Finding("相机 矿井北门", FAULT, "192.0.2.10 does not answer " * 3, "It is not watched", "Type `ping 192.0.2.10`")


@pytest.mark.parametrize("width", [24, 40, 69, 70, 110])
def test_lines_are_as_wide_as_the_terminal_and_break_at_blanks(width):
    short = Finding("disk", WELL, "41.0 of 252.0 GB are free")
    for finding in (LONG, short):
        lines = list(lines_of(finding, columns(LONG.what), width))
        assert all(columns(line) <= max(width, 34) for line in lines)
        words = f"{finding.what}: {finding.text}" if width < 70 else f"{finding.what} {finding.text}"
        assert " ".join(" ".join(lines).split()[1:]) == words
    if width >= 70:
        begins = {columns(next(lines_of(one, columns(LONG.what), width)).partition(word)[0])
                  for one, word in ((LONG, "192.0.2.10"), (short, "41.0"))}
        assert len(begins) == 1  # in one column, Chinese or not


def test_a_name_that_is_longer_than_its_column_moves_its_own_line_alone():
    long = Finding("webhook of the control room above ground", WELL, "answers " * 20)
    first, *more = lines_of(long, 12, 80)
    assert first.startswith(f"ok    {long.what}  answers") and columns(first) <= 80
    assert all(line.startswith(" " * 20 + "answers") for line in more)


def test_nothing_is_lost_by_wrapping():
    assert wrapped("", 10) == [""] and wrapped("a" * 30 + " b", 10) == ["a" * 30, "b"]


def test_commands_are_kept_whole_where_they_fit():
    assert wrapped("Type `ls -l /dev` now", 12) == ["Type", "`ls -l /dev`", "now"]
    assert wrapped("Type (`ls -l /dev/v4l`). Or not `", 12) == ["Type (`ls -l", "/dev/v4l`).", "Or not `"]


def on_terminal(columns_=90, **environment):
    """What a terminal gets to see of findings."""
    above, below = pty.openpty()
    program = ("from minehat.doctor import *; tell([Finding('disk', 'fault', 'full ' * 30, 'Why', 'Do'), "
               "Finding('heat', 'well', 'cool')])")
    subprocess.run([sys.executable, "-c", program], stderr=below, check=True, timeout=60, env={
        **os.environ, "TERM": "xterm", "COLUMNS": str(columns_), **environment})
    os.close(below)
    told = b""
    while piece := _piece(above):
        told += piece
    os.close(above)
    return told.decode().replace("\r\n", "\n")


def _piece(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_colours_are_for_terminals_that_want_them():
    assert "\x1b[1;31mBAD" in on_terminal()
    assert "\x1b" not in on_terminal(NO_COLOR="1") and "\x1b" not in on_terminal(TERM="dumb")
    assert max(map(len, on_terminal(40, NO_COLOR="1").splitlines())) <= 40


def test_a_pipe_gets_one_line_for_each_finding_without_colours(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    tell([LONG, Finding("heat", WELL, "cool")])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[0].startswith("BAD   相机") and lines[-1] == "1 must be mended."
    monkeypatch.setenv("COLUMNS", "40")
    tell([LONG])
    assert max(map(columns, capsys.readouterr().err.splitlines())) <= 40


@pytest.mark.parametrize("environment", [{"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, {"LC_ALL": "C", "PYTHONUTF8": "0",
                                                                                 "PYTHONCOERCECLOCALE": "0"}])
def test_any_language_of_the_terminal_will_do(tmp_path, environment):
    findings, lines = doctor("--root", BOARDS["orin_nano"](tmp_path), **environment)
    assert len(lines) == len(findings) + 1


def test_a_reader_that_goes_away_is_no_fault(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    run = partial(subprocess.run, [sys.executable, "-m", "minehat", "doctor", "--root", str(tmp_path), "--json", "-"],
                  text=True, timeout=60)
    assert "Traceback" not in run(stdout=writer, stderr=subprocess.PIPE).stderr
    assert run(stderr=writer, stdout=subprocess.PIPE).returncode == 0
    os.close(writer)
