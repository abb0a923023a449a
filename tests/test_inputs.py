"""What do the sources hold, and does a camera's password stay where it is?"""

from __future__ import annotations

import pytest
from minehat import MineHatError
from minehat.inputs import listed, without_secrets
from minehat.sources import shots


@pytest.mark.parametrize(("url", "shown"), [
    ("rtsp://10.0.0.7:554/stream1", "rtsp://10.0.0.7:554/stream1"),
    ("rtsp://admin:geheim@10.0.0.7:554/stream1", "rtsp://***@10.0.0.7:554/stream1"),
    ("rtsp://admin:geh@eim@cam/1", "rtsp://***@cam/1"),
    ("rtsp://admin:geh/eim?x@cam/1", "rtsp://***@cam/1"),
    ("rtsp://geheim@cam", "rtsp://***@cam"),
    ("http://cam/snap.cgi?user=bob&pwd=geheim&w=3", "http://cam/snap.cgi?user=bob&pwd=***&w=3"),
    ("http://cam:80/v?access_token=geheim#t", "http://cam:80/v?access_token=***#t"),
    ("http://cam/live@2", "http://cam/live@2"),
    ("http://[fe80::1]:80/x", "http://[fe80::1]:80/x"),
])
def test_urls_are_shown_without_their_secrets(url, shown):
    assert without_secrets(url) == shown
    assert "geheim" not in shown


def test_a_folder_gives_its_pictures_by_name_and_nothing_else(tmp_path):
    for name in ("b.jpg", "a.PNG", "矿.webp", ".hidden.jpg", "notes.txt", "clip.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.jpg").mkdir()
    (tmp_path / "sub.jpg" / "c.jpg").write_bytes(b"")
    assert [one.name for one in listed([str(tmp_path)], pytest.fail)] == [
        str(tmp_path / name) for name in ("a.PNG", "b.jpg", "矿.webp")]


def test_what_is_not_there_is_told_and_the_rest_listed(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    told: list[MineHatError] = []
    inputs = listed([str(tmp_path / "nope.jpg"), str(tmp_path / "a.jpg"), str(tmp_path / "empty"),
                     "x" * 5000, "rtsp://u:pw@cam/1"], told.append)
    assert [(one.name, one.given, one.is_camera) for one in inputs] == [
        (str(tmp_path / "a.jpg"), 1, False), ("rtsp://***@cam/1", 4, True)]
    assert len(told) == 3
    for exc, words in zip(told, ("no such picture", "holds no picture", "cannot be read"), strict=True):
        assert words in str(exc)


def test_a_camera_that_refuses_is_one_clear_line(tmp_path):
    told: list[MineHatError] = []
    assert [*shots(["rtsp://u:geheim@127.0.0.1:9/x"], told.append)] == []
    assert "cannot be opened" in str(told[0]) and "geheim" not in str(told[0])
