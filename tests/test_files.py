"""Is a file either whole or not there, whatever goes wrong while it is written?"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from minehat import MineHatError
from minehat.files import ready_folder, sha256_of, write_whole, written_whole


def test_content_arrives_whole_and_in_new_folders(tmp_path):
    path = tmp_path / "a" / "b" / "矿 x.json"
    write_whole(path, "头盔")
    assert path.read_text(encoding="utf-8") == "头盔"
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert [*path.parent.iterdir()] == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failure_inside_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "old")
    for failure in (ValueError("bug"), KeyboardInterrupt(), MineHatError("mend me")):
        with pytest.raises(type(failure)), written_whole(path) as scratch:
            scratch.write_text("half")
            raise failure
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_failure_of_another_file_keeps_its_own_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.txt"), written_whole(tmp_path / "a.json"):
        (tmp_path / "other.txt").read_text()


def test_the_scratch_file_keeps_the_suffix(tmp_path):
    with written_whole(tmp_path / "a.jpg") as scratch:
        assert scratch.suffix == ".jpg" and scratch.parent == tmp_path


def test_a_name_as_long_as_the_disk_allows_can_be_written(tmp_path):
    path = tmp_path / ("x" * 250 + ".json")
    write_whole(path, "long")
    assert path.read_text() == "long"


def test_a_folder_below_a_file_is_refused_even_for_root(tmp_path):
    (tmp_path / "file").write_text("")
    for place, complaint in ((tmp_path / "file" / "a.json", "is a file, not a folder"),
                             (tmp_path / "file" / "deep" / "a.json", "cannot be written to")):
        with pytest.raises(MineHatError, match=complaint):
            write_whole(place, "x")
        with pytest.raises(MineHatError, match=complaint):
            ready_folder(place.parent)


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    for place in (tmp_path, Path("/dev/null")):
        with pytest.raises(MineHatError, match="no regular file"):
            write_whole(place, "x")
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_is_ready_is_left_empty(tmp_path):
    assert [*ready_folder(tmp_path / "new").iterdir()] == []


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path):
    """The disk's limit is played by the limit on file size, which needs no rights (and a process of its own)."""
    program = """
import resource, signal, sys
from minehat.files import write_whole
from minehat import MineHatError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_whole(sys.argv[1], b"x" * 100_000)
except MineHatError as exc:
    print(exc)
"""
    path = tmp_path / "a.bin"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert "a.bin cannot be written: File too large." in done.stdout
    assert [*tmp_path.iterdir()] == []


def test_the_digest_is_sha256(tmp_path):
    content = b"mine" * 1_000_000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
