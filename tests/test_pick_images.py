"""Picking calibration pictures: no near-duplicates, all lights and sources, the same again, and nothing half-made."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from minecalib.footage import Film, Footage, find_footage, looks
from minecalib.images import find_pictures
from minecalib.picked import write_pick
from minecalib.picking import Different, choose, look_at
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.likeness import ALIKE
from minehat.pictures import read_picture
from pick_images import main


def scene(seed: int, light: float = 110.0, height: int = 120, width: int = 160) -> np.ndarray:
    """Soft random patches around a mean brightness, uint8 BGR."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((7, 9, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse / coarse.mean() * light, 0, 255).astype(np.uint8)


def folder_of(path: Path, frames: dict[str, np.ndarray]) -> Path:
    path.mkdir(parents=True)
    for name, frame in frames.items():
        assert cv2.imwrite(str(path / name), frame)
    return path


def film_of(path: Path, seconds: int, fps: int = 4, codec: str = "mp4v") -> Path:
    """Another scene every second, its frames a little brighter one by one."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (160, 120))
    assert writer.isOpened()
    for number in range(seconds * fps):
        writer.write(scene(1000 + number // fps, 90 + number % fps))
    writer.release()
    return path


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def picked(*arguments: object, code: int = 0) -> dict:
    words = [str(one) for one in arguments]
    assert run_door(main, words) == code
    return manifest(Path(words[words.index("-o") + 1]))


def kept(frames: list[np.ndarray]) -> int:
    different = Different(ALIKE)
    for frame in frames:
        different.add(look_at(frame, Footage(Path("x.jpg"), False), None))
    return len(different.looks)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_picture_coded_again_shrunk_or_a_little_brighter_is_dropped(seed):
    frame = scene(seed, height=240, width=320)
    coded = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    small = cv2.resize(frame, (160, 120), interpolation=cv2.INTER_AREA)
    brighter = np.clip(frame.astype(int) + 10, 0, 255).astype(np.uint8)
    noisy = np.clip(frame + np.random.default_rng(seed).normal(0, 6, frame.shape), 0, 255).astype(np.uint8)
    assert kept([frame, coded, small, brighter, noisy]) == 1
    assert kept([frame, scene(seed + 100, height=240, width=320)]) == 2
    assert kept([frame, (frame * 0.3).astype(np.uint8)]) == 2, "the same place in the dark is another picture"


def test_black_frames_are_all_one_whatever_their_noise():
    rng = np.random.default_rng(0)
    assert kept([rng.integers(0, 6, (120, 160, 3), np.uint8) for _ in range(10)]) == 1


def test_dark_and_bright_are_picked_among_many_of_middle_light(tmp_path):
    frames = {f"m{seed}.png": scene(seed, 88) for seed in range(40)}
    frames |= {"dark.png": scene(90, 10), "dim.png": scene(91, 40), "bright.png": scene(92, 180)}
    told = picked(folder_of(tmp_path / "in", frames), "-o", tmp_path / "out", "--count", 8)
    sources = {Path(entry["source"]).name for entry in told["pictures"]}
    assert len(told["pictures"]) == 8 and {"dark.png", "dim.png", "bright.png"} < sources
    for entry in told["pictures"]:
        assert entry["brightness"] == pytest.approx(read_picture(entry["source"]).mean(), abs=25)


def test_every_source_gets_its_share(tmp_path):
    many = folder_of(tmp_path / "many", {f"{seed}.jpg": scene(seed) for seed in range(30)})
    few = folder_of(tmp_path / "few", {f"{seed}.jpg": scene(200 + seed) for seed in range(3)})
    told = picked(many, few, film_of(tmp_path / "c.mp4", 12), "-o", tmp_path / "out", "--count", 15)
    counts = [sum(name in entry["source"] for entry in told["pictures"]) for name in ("many", "few", "c.mp4")]
    assert counts == [6, 3, 6]


def test_the_same_seed_gives_the_same_folder_and_another_one_another_choice(tmp_path):
    source = folder_of(tmp_path / "in", {f"{seed:02d}.jpg": scene(seed) for seed in range(40)})
    once, again, other = (picked(source, "-o", tmp_path / name, "--count", 6, "--seed", seed)
                          for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once == again and once["pictures"] != other["pictures"]
    for name in os.listdir(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_folder_is_what_quantize_reads_and_the_manifest_is_true(tmp_path):
    source = folder_of(tmp_path / "in" / "deep", {f"{seed}.jpg": scene(seed) for seed in range(9)})
    film = film_of(tmp_path / "in" / "gate.mp4", 3)
    out = tmp_path / "made" / "out"
    told = picked(tmp_path / "in", "-o", out)
    found = find_pictures([out / "calib.txt"], ("helmet", "head"))
    assert [picture.path.name for picture in found] == [entry["file"] for entry in told["pictures"]]
    assert len(found) == 12 == told["different"] and told["seen"] == 12
    assert set(os.listdir(out)) == {"calib.txt", "manifest.json", "contact.jpg", *(p.path.name for p in found)}
    for entry in told["pictures"]:
        content = (out / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"] and len(entry["dhash"]) == 64
        if entry["seconds"] is None:
            assert content == (source / Path(entry["source"]).name).read_bytes()
    assert [entry["seconds"] for entry in told["pictures"] if entry["source"] == str(film)] == [0, 1, 2]
    sheet = read_picture(out / "contact.jpg")
    assert sheet.std() > 20 and sheet.shape[0] % (108 + 16) == 0


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_a_frame_that_was_sought_is_the_one_that_decoding_gives(tmp_path, name, codec):
    path = film_of(tmp_path / name, 60, codec=codec)
    walked = {seconds: frame for _, seconds, frame in looks([Footage(path, True)], 0.25, {})}
    assert len(walked) == 240
    with Film(path) as film:
        for wanted in (0.0, 0.5, 14.25, 30.1, 59.5):
            seconds, frame = film.frame_from(wanted)
            assert wanted <= seconds + 1e-4 < wanted + 0.25
            np.testing.assert_array_equal(frame, walked[seconds])
        assert film.frame_from(80.0) is None
    sparse = [seconds for _, seconds, _ in looks([Footage(path, True)], 15, {})]
    assert sparse == [0, 15, 30, 45]


def test_broken_footage_is_named_and_the_rest_is_picked(tmp_path, capsys):
    source = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(4)})
    (source / "text.jpg").write_text("no picture")
    (source / "half.png").write_bytes(cv2.imencode(".png", scene(9))[1].tobytes()[:900])
    (source / "cut.mp4").write_bytes(film_of(tmp_path / "whole.mp4", 4).read_bytes()[:2000])
    short = source / "short.avi"
    whole = film_of(tmp_path / "whole.avi", 8, codec="MJPG").read_bytes()
    short.write_bytes(whole[:len(whole) // 2])
    told = picked(source, tmp_path / "absent", "-o", tmp_path / "out", code=3)
    err = capsys.readouterr().err
    for name in ("text.jpg", "half.png", "cut.mp4", "short.avi", "absent"):
        assert err.count(f"passed over: {tmp_path}") == 5 and name in err
    assert len(told["failed"]) == 5
    assert sum("short.avi" in entry["source"] for entry in told["pictures"]) in (3, 4), "frames before the cut count"
    assert len(told["pictures"]) >= 7


@pytest.mark.parametrize("wrong", [["--count", "0"], ["--every", "0"], ["--every", "nan"], ["--alike", "256"],
                                   ["--seed", "-1"]])
def test_wrong_figures_end_with_2_and_name_the_flag(tmp_path, capsys, wrong):
    source = folder_of(tmp_path / "in", {"a.jpg": scene(0)})
    assert run_door(main, [str(source), "-o", str(tmp_path / "out"), *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err and os.listdir(tmp_path) == ["in"]


def test_nothing_usable_ends_with_2_and_nothing_is_made(tmp_path, capsys):
    (tmp_path / "a.jpg").write_text("no picture")
    (tmp_path / "empty").mkdir()
    assert run_door(main, [str(tmp_path / "a.jpg"), str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 2
    assert "nothing to pick from" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["a.jpg", "empty"]


def test_a_folder_is_replaced_only_when_it_is_an_earlier_pick(tmp_path, capsys):
    source, out = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(9)}), tmp_path / "out"
    out.mkdir()
    assert len(picked(source, "-o", out, "--count", 8)["pictures"]) == 8
    assert len(picked(source, "-o", out, "--count", 2)["pictures"]) == 2
    assert len(list(out.glob("*.jpg"))) == 3, "two pictures and the sheet; nothing of the earlier pick"
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]
    assert run_door(main, [str(out), "-o", str(out)]) == 2 and "would be replaced" in capsys.readouterr().err
    (out / "mine.txt").write_text("mine")
    before = sorted(os.listdir(out))
    assert run_door(main, [str(source), "-o", str(out)]) == 2 and "Name a new" in capsys.readouterr().err
    assert sorted(os.listdir(out)) == before
    assert run_door(main, [str(source), "-o", str(source / "0.jpg")]) == 2


def test_what_breaks_while_writing_leaves_the_earlier_pick_alone(tmp_path):
    source, out = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(9)}), tmp_path / "out"
    before = picked(source, "-o", out)
    found = find_footage([source], {})
    chosen = choose([look_at(frame, one, seconds) for one, seconds, frame in looks(found, 1.0, {})], 5, 0)
    for one in found:
        one.path.unlink()
    failed: dict[str, str] = {}
    with pytest.raises(MineHatError, match="second time"):
        write_pick(out, chosen, {}, failed)
    assert len(failed) == 5 and manifest(out) == before and sorted(os.listdir(tmp_path)) == ["in", "out"]


def test_real_mine_frames_give_a_spread_pick(real_data, tmp_path):
    clip = real_data / "clips" / "intel_worker_zone_preview.mp4"
    told = picked(real_data / "mine_frames", clip, "-o", tmp_path / "out", "--count", 24)
    light = [entry["brightness"] for entry in told["pictures"]]
    assert len(light) == 24 and min(light) < 64 and max(light) > 96
    assert sum("clips" in entry["source"] for entry in told["pictures"]) == 4
