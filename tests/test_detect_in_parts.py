"""Is what was detected in parts exactly what one go gives, whatever the files are like, and after a run was killed?"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bright_onnx import CARD, bright_onnx
from films import even_film, film_of, scene
from minehat import MineHatError
from minehat.cli import main
from minehat.inputs import Input, listed
from minehat.seeing import Asked
from minehat.sharding.gather import Results, gathered
from minehat.sharding.kept import kept_beside
from minehat.sharding.parts import Part, pieces_of
from minehat.sharding.ray_crew import ALONE, ALWAYS
from minehat.sharding.stretch import Stretch
from minehat.sharding.work import Done, Refused, Work, do_part, work_of
from minehat.videos import open_capture
from PIL import Image


class Hand:
    """A crew of one, in this process: does what it was given last, and stops after so many parts."""

    def __init__(self, work: Work, most: int | None = None) -> None:
        self._work, self._most = work, most
        self._waiting = deque[Part]()
        self.did: list[Part] = []

    def begin(self, part: Part, first: bool = False) -> None:
        self._waiting.append(part)

    def wait(self) -> tuple[Part, Done | Refused]:
        if len(self.did) == self._most:
            raise KeyboardInterrupt
        self.did.append(self._waiting.pop())
        return self.did[-1], do_part(self._work, self.did[-1])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return bright_onnx(tmp_path / "bright.onnx")


def asked(model: Path) -> Asked:
    return Asked(str(model), conf=0.3)


def in_one_go(model: Path, out: Path, *sources: object) -> tuple[list[dict], int]:
    code = main(["detect", str(model), *map(str, sources), "--conf", "0.3", "--json", str(out / "one.json")])
    return json.loads((out / "one.json").read_text())["images"], code


def in_parts(model: Path, out: Path, *sources: object, most: int | None = None, crew: list[Hand] | None = None,
             seconds: float = 1.2) -> tuple[list[dict], list[str]]:
    """What was found, and what could not be read."""
    work, faults = work_of(asked(model)), list[str]()
    inputs = listed([*map(str, sources)], lambda exc: faults.append(str(exc)))
    pieces = [*pieces_of(inputs, pictures=3, seconds=seconds)]
    hand = Hand(work, most)
    if crew is not None:
        crew.append(hand)
    with kept_beside(str(out / "parts.json"), work) as kept:
        results = Results([part for piece in pieces for part in piece.parts], kept, hand)
        found = [*gathered(pieces, results, lambda exc: faults.append(str(exc)))]
        kept.clear()
    return [entry for some in found for entry in some.entries], faults


def changing(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames, each of which differs from all others in what is found in it."""
    return [scene(number, 60 + number % 90, height, width) for number in range(count)]


def written(path: Path, frames: list[np.ndarray], fps: float, fourcc: str) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*fourcc), fps, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


EVEN = [number / 10 for number in range(60)]
UNEVEN = [(2 * number + number % 5 // 3 + (number > 30) * 150 + max(0, number - 45) * 7) / 50 for number in range(60)]


@pytest.mark.parametrize(("name", "codec", "keys", "times"), [
    ("clip.mp4", "mpeg4", 8, EVEN), ("clip.mp4", "mpeg4", 200, EVEN), ("clip.mp4", "libx264", 12, EVEN),
    ("clip.mkv", "libx264", 25, UNEVEN), ("clip.mp4", "libx264", 25, UNEVEN), ("clip.webm", "libvpx-vp9", 16, EVEN),
    ("clip.ts", "mpeg2video", 15, EVEN), ("clip.ts", "libx264", 15, EVEN), ("clip.avi", "mjpeg", 1, EVEN),
    ("clip.avi", "mpeg4", 20, EVEN), ("clip.mkv", "libx265", 20, EVEN),
])
def test_videos_of_all_kinds_are_found_alike(model, tmp_path, capsys, name, codec, keys, times):
    clip = film_of(tmp_path / name, changing(len(times)), times, keys, codec, 10 if times is EVEN else 50)
    crew: list[Hand] = []
    whole, _ = in_one_go(model, tmp_path, clip)
    complaints = [line for line in capsys.readouterr().err.splitlines() if line.startswith("minehat:")]
    parts, faults = in_parts(model, tmp_path, clip, crew=crew)
    assert len(whole) == 60
    assert parts == whole and [f"minehat: {fault}" for fault in faults] == complaints
    assert len(crew[0].did) > 3 and (times is not EVEN or all(part.seeks for part in crew[0].did))


def test_pictures_and_videos_come_in_the_order_given_and_what_cannot_be_read_is_named(model, tmp_path, capsys):
    for number in range(7):
        Image.fromarray(scene(number)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    (tmp_path / "text.mp4").write_text("no video")
    clip = even_film(tmp_path / "clip.mp4", 5)
    sources = [tmp_path / "text.mp4", tmp_path, clip, tmp_path / "nope.jpg", tmp_path / "5.png", clip]
    whole, code = in_one_go(model, tmp_path / "out", *sources)
    complaints = [line for line in capsys.readouterr().err.splitlines() if line.startswith("minehat:")]
    parts, faults = in_parts(model, tmp_path / "out", *sources)
    assert code == 3 and len(complaints) == 3 and len(whole) == 6 + 20 + 1 + 20
    assert parts == whole and [f"minehat: {fault}" for fault in faults] == complaints


def test_times_that_jump_back_are_read_on_from_the_first_frame(model, tmp_path):
    """Two films in one file: an edge may be found in the one or in the other."""
    one, two = (film_of(tmp_path / f"{first}.ts", changing(70)[first:first + 40], EVEN[:40], 12, "mpeg2video", 10)
                for first in (0, 30))
    clip = tmp_path / "clip.ts"
    clip.write_bytes(one.read_bytes() + two.read_bytes())
    crew: list[Hand] = []
    whole, _ = in_one_go(model, tmp_path, clip)
    assert len(whole) == 80 and in_parts(model, tmp_path, clip, crew=crew) == (whole, [])
    assert [part.seeks for part in crew[0].did].count(False) == 1


def test_parts_that_do_not_fit_together_are_done_again(model, tmp_path):
    """What a worker found of one part is another film's, as where it landed in the wrong place."""
    clip = film_of(tmp_path / "clip.mp4", changing(60), EVEN, 12, "mpeg4", 10)
    whole, _ = in_one_go(model, tmp_path, clip)
    work = work_of(asked(model))
    pieces = [*pieces_of(listed([str(clip)], pytest.fail), seconds=1.2)]
    with kept_beside(str(tmp_path / "parts.json"), work) as kept:
        for part in pieces[0].parts:
            done = do_part(work, part)
            assert isinstance(done, Done) and (done.first is not None or part.start is None)
            if part.start == 2.4:
                done = dataclasses.replace(done, entries=done.entries[1:], first=done.after)
            kept.keep(part, done)
        hand = Hand(work)
        found = [*gathered(pieces, Results(pieces[0].parts, kept, hand), pytest.fail)]
    assert [entry for some in found for entry in some.entries] == whole
    assert [(part.start, part.end, part.seeks) for part in hand.did] == [(2.4, None, False)]


def test_a_time_without_frames_is_an_empty_part(model, tmp_path, capsys):
    times = [number / 10 + (number > 20) * 20 for number in range(60)]
    clip = film_of(tmp_path / "clip.mkv", changing(60), times, 12, "libx264", 10)
    whole, _ = in_one_go(model, tmp_path, clip)
    parts, faults = in_parts(model, tmp_path, clip)
    assert len(whole) == 60 and parts == whole
    assert len(faults) == 1 and faults[0] in capsys.readouterr().err  # it promises frames for the empty time too


def test_a_video_that_ends_early_keeps_its_frames_and_is_named(model, tmp_path, capsys):
    clip = written(tmp_path / "clip.avi", changing(90), 10, "MJPG")
    clip.write_bytes(clip.read_bytes()[:clip.stat().st_size * 2 // 3])
    whole, code = in_one_go(model, tmp_path, clip)
    parts, faults = in_parts(model, tmp_path, clip)
    assert code == 3 and 40 < len(whole) < 80 and parts == whole
    assert len(faults) == 1 and "ends early" in faults[0] and faults[0] in capsys.readouterr().err


def test_a_late_part_is_not_read_from_the_first_frame(tmp_path, monkeypatch):
    grabbed = 0

    class Counting:
        def __init__(self, one: Input) -> None:
            self._capture = open_capture(one)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._capture, name)

        def grab(self) -> bool:
            nonlocal grabbed
            grabbed += 1
            return self._capture.grab()

    one = Input("clip", str(even_film(tmp_path / "clip.mp4", 200)), 0)
    monkeypatch.setattr("minehat.sharding.stretch.open_capture", Counting)
    shots = [*Stretch(one, 150.0, 160.0).shots()]
    assert [shot.seconds for shot in shots] == [150 + number / 4 for number in range(40)]
    assert grabbed < 80


def test_a_run_that_was_stopped_goes_on(model, tmp_path):
    clip = film_of(tmp_path / "clip.mp4", changing(60), EVEN, 12, "mpeg4", 10)
    Image.fromarray(scene(1)).save(tmp_path / "a.png")
    whole, _ = in_one_go(model, tmp_path, clip, tmp_path / "a.png")
    with pytest.raises(KeyboardInterrupt):
        in_parts(model, tmp_path, clip, tmp_path / "a.png", most=4)
    crew: list[Hand] = []
    assert in_parts(model, tmp_path, clip, tmp_path / "a.png", crew=crew) == (whole, [])
    assert len(crew[0].did) == 2 and not (tmp_path / "parts.json.parts").exists()


def test_parts_that_went_wrong_on_disk_are_done_again(model, tmp_path):
    clip = film_of(tmp_path / "clip.mp4", changing(60), EVEN, 12, "mpeg4", 10)
    whole, _ = in_one_go(model, tmp_path, clip)
    with pytest.raises(KeyboardInterrupt):
        in_parts(model, tmp_path, clip, most=4)
    cut, spoiled, lost, _ = sorted((tmp_path / "parts.json.parts").iterdir())
    cut.write_bytes(cut.read_bytes().rpartition(b"{")[0])
    spoiled.write_bytes(b"\xff" + spoiled.read_bytes())
    lost.unlink()
    crew: list[Hand] = []
    assert in_parts(model, tmp_path, clip, crew=crew) == (whole, [])
    assert len(crew[0].did) == 4


def _touched(clip: Path, model: Path) -> None:
    os.utime(clip, ns=(0, 10**18))


def _another_model(clip: Path, model: Path) -> None:
    bright_onnx(model, CARD.with_(conf=0.5))


@pytest.mark.parametrize("change", [_touched, _another_model])
def test_nothing_is_kept_of_other_files_or_another_model(model, tmp_path, change):
    clip = film_of(tmp_path / "clip.mp4", changing(60), EVEN, 12, "mpeg4", 10)
    with pytest.raises(KeyboardInterrupt):
        in_parts(model, tmp_path, clip, most=4)
    change(clip, model)
    crew: list[Hand] = []
    whole, _ = in_one_go(model, tmp_path, clip)
    assert in_parts(model, tmp_path, clip, crew=crew) == (whole, [])
    assert len(crew[0].did) == 5 and not (tmp_path / "parts.json.parts").exists()


@pytest.mark.parametrize("other", [{"conf": 0.5}, {"iou": 0.9}, {"backend": "ort"}, {"size": "auto"}])
def test_a_part_is_known_by_how_it_was_asked_for(model, tmp_path, other):
    part = next(pieces_of(listed([str(film_of(tmp_path / "a.mp4", changing(3), EVEN[:3]))], pytest.fail))).parts[0]
    work = work_of(asked(model))
    done = do_part(work, part)
    assert isinstance(done, Done) and len(done.entries) == 3
    for again, there in ((asked(model), True), (dataclasses.replace(asked(model), **other), False),
                         (dataclasses.replace(asked(model), threads=7, batch=3), True)):
        with kept_beside(str(tmp_path / "o.json"), work) as kept:
            kept.keep(part, done)
        with kept_beside(str(tmp_path / "o.json"), work_of(again)) as kept:
            assert (kept.of(part) == dataclasses.replace(done)) is there


def test_a_file_that_changes_under_the_run_is_named_and_never_half_believed(model, tmp_path):
    clip = film_of(tmp_path / "clip.mp4", changing(60), EVEN, 12, "mpeg4", 10)
    pieces = [*pieces_of(listed([str(clip)], pytest.fail), seconds=1.2)]
    film_of(clip, changing(50), EVEN[:50], 12, "mpeg4", 10)
    done = do_part(work_of(asked(model)), pieces[0].parts[2])
    assert isinstance(done, Done) and not done.entries
    assert [str(clip) in fault and "not what it was" in fault for fault in done.faults] == [True]


def test_two_runs_never_share_their_parts(model, tmp_path):
    work = work_of(asked(model))
    with kept_beside(str(tmp_path / "o.json"), work):
        with pytest.raises(MineHatError, match="another run's"), kept_beside(str(tmp_path / "o.json"), work):
            pass
        with kept_beside(str(tmp_path / "p.json"), work):
            pass
    assert not [*tmp_path.glob("*.parts")]


def test_a_model_that_a_machine_has_not_or_has_otherwise_is_refused_there(model, tmp_path):
    work = work_of(asked(model))
    part = next(pieces_of(listed([str(film_of(tmp_path / "a.mp4", changing(3), EVEN[:3]))], pytest.fail))).parts[0]
    older = do_part(dataclasses.replace(work, version="0.0.1"), part)
    bright_onnx(model, CARD.with_(conf=0.9))
    other = do_part(work, part)
    assert isinstance(older, Refused) and "0.0.1 where the run was begun" in older.why
    assert isinstance(other, Refused) and "not the model that the run was begun with" in other.why


@pytest.mark.parametrize(("args", "complaint"), [
    (["{clip}", "--ray", "--draw", "{out}"], "--draw is not done in parts"),
    (["rtsp://user:word@camera/1", "--ray"], "rtsp://***@camera/1 is a camera, which has no end"),
    (["--ray", "{clip}"], "write it last"),
    (["{clip}", "--size", "640x384", "--ray"], "no sister file of 640x384"),
    (["{clip}", "--json", "{clip}/o.json", "--ray"], "o.json.parts cannot be written to"),
])
def test_what_cannot_be_done_in_parts_is_told_before_any_work(model, tmp_path, capsys, args, complaint):
    clip = film_of(tmp_path / "clip.mp4", changing(3), EVEN[:3])
    places = {"clip": clip, "out": tmp_path / "out"}
    try:
        code = main(["detect", str(model), *(arg.format(**places) for arg in args)])
    except SystemExit as exc:  # argparse's own
        code = exc.code
    assert code == 2 and complaint in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["bright.onnx", "clip.mp4"]


def test_ray_that_is_absent_is_one_line(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", *ALWAYS, *ALONE):
        monkeypatch.setenv(name, "")  # put back afterwards
    clip = film_of(tmp_path / "clip.mp4", changing(3), EVEN[:3])
    assert main(["detect", str(model), str(clip), "--json", str(tmp_path / "o.json"), "--ray"]) == 2
    told, = capsys.readouterr().err.splitlines()
    assert told.endswith(": Ray is missing; it is needed to detect in parts. `pip install 'minehat[ray]'`, or leave "
                         "--ray away.")
    assert sorted(os.listdir(tmp_path)) == ["bright.onnx", "clip.mp4"]
