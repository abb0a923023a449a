"""Picking calibration pictures: no near-duplicates, all lights and sources, the same again, and nothing half-made."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from bright_onnx import bright_onnx
from films import even_film, film_of, scene
from minecalib.images import find_pictures
from minecalib.picking.choice import choose
from minecalib.picking.folder import sha256_of_set, write_pick
from minecalib.picking.footage import find_footage, looks
from minecalib.picking.looks import look_at
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.pictures import read_picture
from pick_images import main


def folder_of(path: Path, frames: dict[str, np.ndarray]) -> Path:
    path.mkdir(parents=True)
    for name, frame in frames.items():
        assert cv2.imwrite(str(path / name), frame)
    return path


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def picked(*arguments: object, code: int = 0) -> dict:
    """The manifest of a run; the last path among the arguments is the folder that it makes."""
    assert run_door(main, [str(one) for one in arguments]) == code
    return manifest([one for one in arguments if isinstance(one, Path)][-1])


def test_dark_and_bright_are_picked_among_many_of_middle_light(tmp_path):
    frames = {f"m{seed}.png": scene(seed, 88) for seed in range(40)}
    frames |= {"dark.png": scene(90, 10), "dim.png": scene(91, 40), "bright.png": scene(92, 180)}
    told = picked(folder_of(tmp_path / "in", frames), tmp_path / "out", "--count", 8)
    sources = {Path(entry["source"]).name for entry in told["pictures"]}
    assert len(told["pictures"]) == 8 and {"dark.png", "dim.png", "bright.png"} < sources
    for entry in told["pictures"]:
        assert entry["brightness"] == pytest.approx(read_picture(entry["source"]).mean(), abs=25)


def test_every_source_gets_its_share(tmp_path):
    many = folder_of(tmp_path / "many", {f"{seed}.jpg": scene(seed) for seed in range(30)})
    few = folder_of(tmp_path / "few", {f"{seed}.jpg": scene(200 + seed) for seed in range(3)})
    told = picked(many, few, even_film(tmp_path / "c.mp4", 12), tmp_path / "out", "--count", 15)
    counts = [sum(name in entry["source"] for entry in told["pictures"]) for name in ("many", "few", "c.mp4")]
    assert counts == [6, 3, 6]


def test_the_same_seed_gives_the_same_folder_and_another_one_another_choice(tmp_path):
    source = folder_of(tmp_path / "in", {f"{seed:02d}.jpg": scene(seed) for seed in range(40)})
    once, again, other = (picked(source, tmp_path / name, "--count", 6, "--seed", seed)
                          for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once == again and once["pictures"] != other["pictures"]
    for name in os.listdir(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_folder_is_what_quantize_reads_and_the_manifest_is_true(tmp_path):
    source = folder_of(tmp_path / "in" / "deep", {f"{seed}.jpg": scene(seed) for seed in range(9)})
    film = even_film(tmp_path / "in" / "gate.mp4", 3)
    out = tmp_path / "made" / "out"
    told = picked(tmp_path / "in", out)
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
    assert told["sha256"] == sha256_of_set(told["pictures"]) != sha256_of_set(told["pictures"][1:])
    assert told["sha256"] == sha256_of_set(told["pictures"][::-1])
    sheet = read_picture(out / "contact.jpg")
    assert sheet.std() > 20 and sheet.shape[0] % (108 + 16) == 0


def test_broken_footage_is_named_and_the_rest_is_picked(tmp_path, capsys):
    source = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(4)})
    (source / "text.jpg").write_text("no picture")
    (source / "half.png").write_bytes(cv2.imencode(".png", scene(9))[1].tobytes()[:900])
    (source / "cut.mp4").write_bytes(even_film(tmp_path / "whole.mp4", 4).read_bytes()[:2000])
    short = source / "short.avi"
    whole = even_film(tmp_path / "whole.avi", 8, codec="mjpeg").read_bytes()
    short.write_bytes(whole[:len(whole) // 2])
    told = picked(source, tmp_path / "absent", tmp_path / "out", code=3)
    err = capsys.readouterr().err
    assert "Fewer than --count 200: give more footage" in err
    for name in ("text.jpg", "half.png", "cut.mp4", "short.avi", "absent"):
        assert err.count(f"passed over: {tmp_path}") == 5 and name in err
    assert len(told["failed"]) == 5
    assert sum("short.avi" in entry["source"] for entry in told["pictures"]) in (3, 4), "frames before the cut count"
    assert len(told["pictures"]) >= 7


@pytest.mark.parametrize("wrong", [["--count", "0"], ["--every", "0"], ["--every", "nan"], ["--alike", "256"],
                                   ["--seed", "-1"]])
def test_wrong_figures_end_with_2_and_name_the_flag(tmp_path, capsys, wrong):
    source = folder_of(tmp_path / "in", {"a.jpg": scene(0)})
    assert run_door(main, [str(source), str(tmp_path / "out"), *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err and os.listdir(tmp_path) == ["in"]


def test_nothing_usable_ends_with_2_and_nothing_is_made(tmp_path, capsys):
    (tmp_path / "a.jpg").write_text("no picture")
    (tmp_path / "empty").mkdir()
    assert run_door(main, [str(tmp_path / "a.jpg"), str(tmp_path / "empty"), str(tmp_path / "out")]) == 2
    assert "nothing to pick from" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["a.jpg", "empty"]


def test_a_folder_is_replaced_only_when_it_is_an_earlier_pick(tmp_path, capsys):
    source, out = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(9)}), tmp_path / "out"
    out.mkdir()
    assert len(picked(source, out, "--count", 8)["pictures"]) == 8
    assert len(picked(source, out, "--count", 2)["pictures"]) == 2
    assert len(list(out.glob("*.jpg"))) == 3, "two pictures and the sheet; nothing of the earlier pick"
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]
    assert run_door(main, [str(out), str(out)]) == 2 and "would be replaced" in capsys.readouterr().err
    (out / "mine.txt").write_text("mine")
    before = sorted(os.listdir(out))
    assert run_door(main, [str(source), str(out)]) == 2 and "Name a new" in capsys.readouterr().err
    assert sorted(os.listdir(out)) == before


@pytest.mark.parametrize(("words", "told"), [
    (["in"], "only in was named"), (["in", "in/0.jpg"], "in/0.jpg is a file"),
    (["in", "gate.mp4"], "gate.mp4 is named"), (["in", "in"], "would be replaced"),
    (["in/0.jpg", "in"], "would be replaced"), (["in", "."], "would be replaced"),
    (["in", "other"], "holds other things"), (["in", "out", "--card", "card.json"], "--model"),
    (["in", "out", "--model", "absent.onnx"], "absent.onnx")])
def test_a_mistake_in_what_was_typed_ends_with_2_and_changes_nothing(tmp_path, capsys, monkeypatch, words, told):
    folder_of(tmp_path / "in", {"0.jpg": scene(0)})
    folder_of(tmp_path / "other", {"1.jpg": scene(1)})
    monkeypatch.chdir(tmp_path)
    assert run_door(main, words) == 2
    assert told in capsys.readouterr().err
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["in", "in/0.jpg", "other",
                                                                                       "other/1.jpg"]


def test_a_pick_may_lie_in_the_folder_that_it_is_picked_from(tmp_path):
    source = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(9)})
    assert picked(source, source / "pick") == picked(source, source / "pick")
    assert manifest(source / "pick")["seen"] == 9


def test_with_a_model_the_manifest_and_the_table_tell_what_is_in_the_pictures(tmp_path, capsys):
    """Of thirty dark frames two have a bright blue corner, which the model takes for a bare head."""
    frames = {f"{seed:02d}.png": scene(seed, 20, 96, 96) for seed in range(30)}
    for seed in (7, 19):
        frames[f"{seed:02d}.png"][:32, :32] = 255, 0, 0
    source, model = folder_of(tmp_path / "in", frames), bright_onnx(tmp_path / "bright.onnx")
    told = picked(source, "--model", model, tmp_path / "out", "--count", 10)
    heads = [entry for entry in told["pictures"] if entry["found"]["head"]]
    assert sorted(Path(entry["source"]).name for entry in heads) == ["07.png", "19.png"]
    assert all(entry["content"] in ("empty", "few", "unsure") and entry["doubtful"] >= 0 for entry in told["pictures"])
    assert told["model"] == {"file": str(model), "sha256": hashlib.sha256(model.read_bytes()).hexdigest()}
    table = [line.split() for line in capsys.readouterr().err.splitlines()]
    header, row = (next(line for line in table if line and start in line[0]) for start in ("picked", "/in"))
    assert row[header.index("few")] == str(sum(entry["content"] == "few" for entry in told["pictures"]))
    assert "content" not in picked(source, tmp_path / "plain", "--count", 6)["pictures"][0]


def test_what_breaks_while_writing_leaves_the_earlier_pick_alone(tmp_path):
    source, out = folder_of(tmp_path / "in", {f"{seed}.jpg": scene(seed) for seed in range(9)}), tmp_path / "out"
    before = picked(source, out)
    found = find_footage([source], {})
    chosen = choose([look_at(frame, one, seconds) for one, seconds, frame in looks(found, 1.0, {})], 5, 0)
    for one in found:
        one.path.unlink()
    failed: dict[str, str] = {}
    with pytest.raises(MineHatError, match="second time"):
        write_pick(out, chosen, {}, 1.0, failed)
    assert len(failed) == 5 and manifest(out) == before and sorted(os.listdir(tmp_path)) == ["in", "out"]


def test_ten_hours_are_looked_at_in_as_many_places_as_are_wanted_and_none_of_them_is_left_out(tmp_path):
    frames = [scene(seed, height=48, width=64) for seed in range(3600)]
    film = film_of(tmp_path / "a.mkv", frames, [10.0 * number for number in range(3600)], keys=3)
    told = picked(film, tmp_path / "out", "--count", 30)
    hours = Counter(int(entry["seconds"] // 3600) for entry in told["pictures"])
    assert told["every"] == 36 and 990 <= told["seen"] <= 1000 and len(told["pictures"]) == 30
    assert set(hours) == set(range(10)) and max(hours.values()) <= 6


def test_real_mine_frames_give_a_spread_pick(real_data, tmp_path):
    clip = real_data / "clips" / "intel_worker_zone_preview.mp4"
    told = picked(real_data / "mine_frames", clip, tmp_path / "out", "--count", 24)
    light = [entry["brightness"] for entry in told["pictures"]]
    assert len(light) == 24 and min(light) < 64 and max(light) > 96
    assert sum("clips" in entry["source"] for entry in told["pictures"]) in (4, 5)
