"""minewatch power: asks, changes, remembers and puts back, over stand-ins of NVIDIA's two commands."""

import argparse
import io
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jetson_trees import BOARDS, orin_nano
from minehat.errors import MineHatError
from minewatch.board import memory, tools
from minewatch.board.memory import Memory
from minewatch.board.power import STATE, change, power, restore
from minewatch.board.tools import PowerTools, mode_named, modes_of
from minewatch.cli import main
from power_stand_in import StandIn


@pytest.fixture
def board(tmp_path, monkeypatch):
    return StandIn(tmp_path, orin_nano(tmp_path / "root"), monkeypatch)


def asked(board, *words):
    """`minewatch power WORDS`, on that board."""
    args = argparse.Namespace(mode=None, clocks=False, restore=False, yes=False, state=board.folder / "memory")
    words = list(words)
    while words:
        word = words.pop(0).removeprefix("--")
        setattr(args, word, words.pop(0) if word == "mode" else True)
    return power(args, board.root)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_shows_its_modes_and_which_holds(tmp_path, monkeypatch, capsys, name):
    board = StandIn(tmp_path, BOARDS[name](tmp_path / "root"), monkeypatch)
    assert asked(board) == 0 and board.calls == []
    told = capsys.readouterr().out
    now = {"orin_nano": "25W", "orin_nx": "15W", "agx_orin": "MAXN", "agx_thor": "120W"}[name]
    assert f"{now} (now)" in told and told.count("(now)") == 1 and "hottest part" in told and "W\n" in told


def test_a_mode_is_known_by_name_or_number_and_others_are_named(board):
    modes = modes_of(board.root)
    assert mode_named(modes, "maxn_super") == mode_named(modes, "2") == modes[2]
    with pytest.raises(MineHatError, match=r"15W, 25W, MAXN_SUPER, 7W.*did you mean 'MAXN_SUPER'"):
        mode_named(modes, "MAXN_SUPPER")


def test_what_root_puts_back_does_not_lie_where_the_watch_could_change_it():
    """jetson_clocks --restore writes the values in the file to the paths in it."""
    units = (ROOT / "jetson/units/minewatch.tmpfiles.conf").read_text()
    given = [Path(line.split()[1]) for line in units.splitlines() if line.startswith("d ") and "minewatch" in line]
    assert len(given) == 3 and not [folder for folder in given if STATE.is_relative_to(folder)]


def test_nothing_changes_unless_somebody_said_yes(board, monkeypatch):
    with pytest.raises(MineHatError, match="--yes"):
        asked(board, "--mode", "15W")
    for answer in ("\n", "n\n", "", "maybe\n"):
        terminal = io.StringIO(answer)
        terminal.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", terminal)
        assert asked(board, "--mode", "15W", "--clocks") == 0
    assert board.calls == [] and board.get("mode") == "1" and not (board.folder / "memory").exists()
    terminal = io.StringIO("y\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert asked(board, "--mode", "15W") == 0 and board.get("mode") == "0"


def test_what_is_so_already_is_not_done_again(board):
    asked(board, "--mode", "25W", "--yes")
    asked(board, "--clocks", "--yes")
    before = board.calls
    asked(board, "--clocks", "--mode", "1", "--yes")
    assert board.calls == before and [call.split()[0] for call in before] == ["jetson_clocks", "jetson_clocks"]


def test_clocks_that_are_pinned_are_pinned_anew_in_another_mode(board):
    asked(board, "--clocks", "--yes")
    assert board.get("clocks") == "highest of 1"
    asked(board, "--mode", "MAXN_SUPER", "--yes")
    assert board.get("clocks") == "highest of 2"
    asked(board, "--restore", "--yes")
    assert (board.get("mode"), board.get("clocks")) == ("1", "as the governor likes")


@given(st.lists(st.tuples(st.sampled_from([None, "0", "1", "2"]), st.booleans()), min_size=1, max_size=4))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_changed_restore_puts_back_how_it_was_before_the_first(board, steps):
    tools, memory = PowerTools(board.root), Memory(board.folder / "memory")
    for mode, clocks in steps:
        change(tools, memory, mode_named(tools.modes, mode) if mode else None, clocks, lambda _: True)
    if memory.read():
        restore(tools, memory, lambda _: True)
    assert (board.get("mode"), board.get("clocks")) == ("1", "as the governor likes")
    assert memory.read() is None and not memory.clocks.exists()


def test_a_mode_that_wants_a_restart_is_refused_and_the_box_goes_on(board):
    board.set("restart", "3\n")
    asked(board, "--clocks", "--yes")
    with pytest.raises(MineHatError, match=r"7W wants a restart.*nvpmodel -m 3"):
        asked(board, "--mode", "7W", "--yes")
    assert "answered no" in board.calls and "rebooted" not in board.calls and board.get("mode") == "1"
    assert board.get("clocks") == "highest of 1"  # as before


def test_what_was_refused_leaves_nothing_to_put_back(board):
    board.set("restart", "3\n")
    with pytest.raises(MineHatError, match="restart"):
        asked(board, "--mode", "7W", "--yes")
    with pytest.raises(MineHatError, match="nothing was changed"):
        asked(board, "--restore", "--yes")


def test_what_a_change_left_half_done_is_put_back(board):
    """As a power cut or a kill would leave it: the memory is written before anything else."""
    board.set("weak")
    with pytest.raises(MineHatError, match=r"jetson_clocks.*failed"):
        asked(board, "--mode", "MAXN_SUPER", "--clocks", "--yes")
    assert board.get("mode") == "2"
    asked(board, "--restore", "--yes")
    assert (board.get("mode"), board.get("clocks")) == ("1", "as the governor likes")
    with pytest.raises(MineHatError, match="failed"):
        asked(board, "--clocks", "--yes")
    board.set("clocks", "half of them\n")
    asked(board, "--restore", "--yes")
    assert board.get("clocks") == "as the governor likes"


def test_after_a_restart_clocks_are_free_and_the_mode_is_put_back_alone(board, monkeypatch):
    asked(board, "--mode", "0", "--clocks", "--yes")
    monkeypatch.setattr(memory, "this_boot", lambda: "another")
    board.set("clocks", "of another boot\n")
    asked(board, "--restore", "--yes")
    assert board.get("mode") == "1" and board.get("clocks") == "of another boot"


def test_a_memory_that_is_damaged_is_told(board):
    asked(board, "--mode", "0", "--yes")
    for text in ("", "{}", "[1]", '{"mode": "x", "pinned_at": ""}'):
        (board.folder / "memory" / "before.json").write_text(text)
        with pytest.raises(MineHatError, match="damaged"):
            asked(board, "--restore", "--yes")


@pytest.mark.parametrize("files, words, told", [
    ({"closed": ""}, ("--mode", "0", "--yes"), "the mode is 25W still.*Only root"),
    ({"broken": "NVPM ERROR: no such thing\n"}, (), "nvpmodel -q.*failed.*no such thing"),
    ({"mode": "77\n"}, (), "wanted the number of a mode"),
    ({"hang": ""}, ("--mode", "0", "--yes"), "did not end within"),
    ({}, ("--mode", "0", "--restore"), "one of them"), ({}, ("--restore", "--yes"), "nothing was changed")])
def test_what_goes_wrong_is_one_line_with_what_to_do(board, monkeypatch, files, words, told):
    monkeypatch.setattr(tools, "SECONDS", 2.0)
    for name, text in files.items():
        board.set(name, text)
    with pytest.raises(MineHatError, match=told):
        asked(board, *words)


def test_without_the_commands_or_a_jetson_it_says_so(board, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "PLACES", str(tmp_path))
    with pytest.raises(MineHatError, match="found no nvpmodel"):
        asked(board)
    with pytest.raises(MineHatError, match="wanted a Jetson"):
        PowerTools(tmp_path)
    if not modes_of(tools.Path("/")):
        assert main(["power"]) == 2 and "wanted a Jetson" in capsys.readouterr().err
