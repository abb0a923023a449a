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
    ("rtsp://admin:1234/geheim@cam/x", "rtsp://***@cam/x"),
    ("rtsp://admin:12?geheim@cam/x", "rtsp://***@cam/x"),
    ("rtsp://cam/user=admin_password=geheim_channel=1_stream=0.sdp",
     "rtsp://cam/user=admin_password=***_channel=1_stream=0.sdp"),
    ("rtsp://cam/user=admin_password=ge_heim_stream=0.sdp", "rtsp://cam/user=admin_password=***_stream=0.sdp"),
    ("rtsp://cam/user=admin&password=geheim&channel=1", "rtsp://cam/user=admin&password=***&channel=1"),
    ("rtsp://cam/live;password=geheim", "rtsp://cam/live;password=***"),
    ("rtsp://cam/live;password=geheim/ch1?w=3", "rtsp://cam/live;password=***/ch1?w=3"),
    ("http://cam/v?usr=a&pw=geheim", "http://cam/v?usr=a&pw=***"),
    ("http://cam/v?loginuse=a&loginpas=geheim", "http://cam/v?loginuse=a&loginpas=***"),
    ("http://cam/v?w=3;Passwd=geheim", "http://cam/v?w=3;Passwd=***"),
    ("http://cam/v?token=ab_c/geheim&w=3", "http://cam/v?token=***&w=3"),
    ("http://cam/v?pwd=ge@heim&w=3", "http://***@&w=3"),
    ("rtsp://admin:a?pw=geheim@cam/x", "rtsp://***@"),
    ("http://cam/live@2", "http://***@2"),  # who knows
    ("http://cam/main_stream/channel_1?res=640x480&fps=5", "http://cam/main_stream/channel_1?res=640x480&fps=5"),
    ("http://[fe80::1]:80/x", "http://[fe80::1]:80/x"),
])
def test_urls_are_shown_without_their_secrets(url, shown):
    assert without_secrets(url) == shown
    assert "geheim" not in shown and "heim" not in shown


@pytest.mark.parametrize("path", ["clip.mp4", "a/b@c?pwd=x.jpg", "2026-01-01T12:00:00.mp4", ""])
def test_paths_are_shown_as_they_are(path):
    assert without_secrets(path) == path


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
