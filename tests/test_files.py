"""Is a file either whole or not there, whatever goes wrong while it is written?"""

from __future__ import annotations

import hashlib
import os
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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_new_file_has_the_mode_that_its_user_wants_and_an_old_one_keeps_its_own(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "new", "x")
        write_whole(tmp_path / "old", "x")
        (tmp_path / "old").chmod(0o464)
        write_whole(tmp_path / "old", "y")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == mode
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o464 and (tmp_path / "old").read_text() == "y"


def test_a_symlink_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    for target in ("there/data", "there/absent"):
        (tmp_path / "a.jpg").unlink(missing_ok=True)
        (tmp_path / "a.jpg").symlink_to(target)
        with written_whole(tmp_path / "a.jpg") as scratch:
            assert scratch.parent == tmp_path / "there" and scratch.suffix == ".jpg"
            scratch.write_text("x")
        assert (tmp_path / "a.jpg").is_symlink() and (tmp_path / target).read_text() == "x"
    assert sorted(os.listdir(tmp_path / "there")) == ["absent", "data"]


def test_a_reader_that_goes_away_is_not_taken_for_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(BrokenPipeError), written_whole(tmp_path / "a.json"):
        raise BrokenPipeError(32, "Broken pipe")
    assert not [*tmp_path.iterdir()]


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
