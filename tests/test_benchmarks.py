"""Timing, comparing and scoring models: what the benchmark doors answer, on a tiny real model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from minebench.accuracy import score_models, spread
from minebench.compare import Pair, compare, compare_all, pairs
from minebench.lanes import Lanes
from minebench.latency import STAGES, Here, jitter, percentiles, race, taken, warm_up
from minebench.machine import machine, peak_rss_mb, rss_mb
from minebench.material import material_of
from minebench.names import names_of
from minehat.card import read_card
from minehat.errors import MineHatError
from minehat.pictures import write_picture
from tiny import noise_frames, tiny_onnx

CLASSES = ("helmet", "head")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_onnx(tmp_path_factory.mktemp("model"))


def door(name, *arguments):
    return subprocess.run([sys.executable, ROOT / "benchmarks" / f"{name}.py", *map(str, arguments)],
                          capture_output=True, text=True)


def times(median, count=200, seed=0):
    return median * np.random.default_rng(seed).lognormal(0, 0.1, count)


def report(path, **models):
    return rows_report(path, [(name, "ort", 1, ms) for name, ms in models.items()])


def rows_report(path, rows):
    path.write_text(json.dumps({"models": [
        {"model": name, "backend": backend, "batch": batch, "samples": {"whole": ms.tolist(), "cpu": ms.tolist()}}
        for name, backend, batch, ms in rows]}))
    return path


def judged(a, b, in_turns=False, **more):
    return compare(Pair("", a, b, in_turns), **more)


def test_a_slower_model_is_called_slower_and_an_equal_one_is_not():
    base = times(10)
    assert judged(base, times(12, seed=1)).word == "slower"
    assert judged(base, times(8, seed=1)).word == "faster"
    assert judged(base, times(10, seed=1)).word == "no difference"
    assert judged(base, times(12, seed=1), allowed=0.5).word == "no difference"


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_ratio_and_narrows_with_more_samples(seed):
    few = judged(times(10, 30, seed), times(11, 30, seed + 100))
    many = judged(times(10, 3000, seed), times(11, 3000, seed + 100))
    assert few.low <= few.ratio <= few.high
    assert many.high - many.low < few.high - few.low
    assert many.ratio == pytest.approx(1.1, abs=0.03)


def test_models_that_ran_in_turns_are_compared_moment_by_moment():
    busy = np.repeat(np.random.default_rng(5).lognormal(0, 0.6, 25), 8)  # spells in which everything is slow
    a, b = busy * times(10, seed=1), busy * times(11, seed=2)
    assert judged(a, b).word == "no difference"
    assert judged(a, b, in_turns=True).word == "slower"


def test_slow_spells_widen_the_interval():
    calm = times(10, 400)
    busy = np.sort(calm.reshape(-1, 20), axis=0).T.reshape(-1)  # the same values, slow ones together
    wide, narrow = (judged(ms, times(10, 400, seed=3)) for ms in (busy, calm))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_several_verdicts_together_err_no_more_often_than_one():
    alone = Pair("a", times(10, 60), times(10, 60, seed=2), False)
    many = [alone, *(Pair(f"b{row}", times(10, 60), times(10, 60), False) for row in range(9))]
    one, together = compare_all([alone], 0)["a"], compare_all(many, 0)["a"]
    assert together.low < one.low and together.high > one.high


def test_compare_ends_with_code_4_only_when_b_is_slower(tmp_path):
    fast, slow = report(tmp_path / "a.json", m=times(10)), report(tmp_path / "b.json", m=times(15, seed=1))
    worse = door("compare", fast, slow)
    assert worse.returncode == 4
    assert json.loads(worse.stdout.splitlines()[-1])["pairs"][0]["verdict"] == "slower"
    assert door("compare", slow, fast).returncode == 0
    assert door("compare", fast, slow, "--allow", 80).returncode == 0


def test_one_report_is_compared_within_itself_batch_by_batch(tmp_path):
    race_report = report(tmp_path / "race.json", first=times(10), second=times(5), third=times(20))
    found = pairs(race_report, None, "cpu")
    assert [pair.name for pair in found] == ["second against first", "third against first"]
    assert all(pair.in_turns for pair in found)
    batches = rows_report(tmp_path / "batches.json", [(name, "ort", batch, times(batch))
                                                      for name in "ab" for batch in (1, 4)])
    assert [pair.name for pair in pairs(batches, None, "whole")] == ["b against a", "b, batch 4 against a, batch 4"]


def test_two_reports_meet_in_what_both_timed(tmp_path):
    before = rows_report(tmp_path / "before.json", [("a", "ort", 1, times(1)), ("a", "ort", 4, times(4)),
                                                    ("b", "ort", 1, times(2))])
    after = rows_report(tmp_path / "after.json", [("a", "ort", 4, times(4)), ("b", "ort", 1, times(2)),
                                                  ("c", "ort", 1, times(2))])
    assert [pair.name for pair in pairs(before, after, "whole")] == ["a, batch 4", "b"]
    alone, other = (rows_report(tmp_path / f"{name}.json", [(name, "ort", batch, times(1)) for batch in (1, 2)])
                    for name in ("old", "new"))
    met = pairs(alone, other, "cpu")
    assert [pair.name for pair in met] == ["new against old", "new, batch 2 against old, batch 2"]
    assert not any(pair.in_turns for pair in met)


def test_backends_are_told_apart_where_a_report_has_several(tmp_path):
    both = rows_report(tmp_path / "both.json", [("a", "ort", 1, times(1)), ("a", "openvino", 1, times(2))])
    assert [pair.name for pair in pairs(both, None, "whole")] == ["a, openvino against a, ort"]


@pytest.mark.parametrize("content", ["", "[]", '{"models": []}', '{"models": [{"model": "m"}]}', '{"models": [1]}',
                                     '{"models": [{"model": "m", "backend": "ort", "samples": {"whole": ["x"]}}]}'])
def test_a_file_that_is_no_report_ends_in_one_line_and_code_2(tmp_path, content):
    (tmp_path / "broken.json").write_text(content)
    ended = door("compare", tmp_path / "broken.json")
    assert ended.returncode == 2
    assert "latency.py" in ended.stderr and ended.stderr.count("\n") == 1


def test_reports_without_a_common_model_are_refused(tmp_path):
    with pytest.raises(MineHatError, match="no model is in both"):
        pairs(report(tmp_path / "a.json", a=times(1), b=times(1)), report(tmp_path / "b.json", c=times(1)), "whole")


def test_percentiles_are_ordered():
    found = percentiles(times(10))
    assert found["p50"] < found["p90"] < found["p99"] < found["max"]


def test_jitter_is_nothing_where_all_calls_are_alike():
    assert jitter(np.full(50, 7.0)) == {"std_ms": 0, "p99_over_p50": 1}
    assert jitter(times(10))["p99_over_p50"] > 1


def test_batches_walk_through_the_frames_without_a_gap():
    assert [taken("abc", turn, 2) for turn in range(3)] == [["a", "b"], ["c", "a"], ["b", "c"]]


@pytest.mark.parametrize("own_process", [False, True])
def test_a_race_times_every_model_at_every_batch(model, own_process):
    with Lanes() as lanes:
        entries = lanes.open([(model, "m")], ["ort"], [1, 2], 1, own_process)
        warm_up([entry.lane for entry in entries], noise_frames(), 1)
        timed = race([entry.lane for entry in entries], noise_frames(), count=4)
        held = [entry.memory() for entry in entries]
    assert [samples.batch for samples in timed] == [1, 2]
    for samples in timed:
        stages = samples.columns
        assert set(stages) == {*STAGES, "cpu"} and all(len(ms) == 4 and (ms > 0).all() for ms in stages.values())
        np.testing.assert_allclose(stages["prepare"] + stages["infer"] + stages["finish"], stages["whole"])
    assert timed[1].to_json()["frames"] == 8
    for memory in held:
        assert memory["peak_rss_mb"] > 10 and memory["rss_mb"] > 10
        assert (memory["peak_rss_mb"] < rss_mb()) == own_process  # torch is here, and not there


def test_a_batch_sees_what_single_frames_do(model):
    """What is timed is the detector's own work."""
    import minehat
    with minehat.open(model) as detector:
        found = []
        finish = detector.finish
        detector.finish = lambda answer, placement: found.append(finish(answer, placement))
        frames = noise_frames(2, 90, 160)
        Here(detector, 2).call(frames)
        detector.finish = finish
        for frame, seen in zip(frames, found, strict=True):
            alone = detector(frame)
            np.testing.assert_array_equal(seen.labels, alone.labels)
            np.testing.assert_allclose(seen.boxes, alone.boxes, atol=1e-3)


def test_a_backend_that_takes_frames_prepares_within_infer(model):
    import minehat
    from minehat.letterbox import Planes
    with minehat.open(model) as detector:
        planes, backend = Planes(detector.card, 2), detector.backend

        class Seeing:
            name = "seeing"

            def see(self, frames, conf, iou):
                assert (conf, iou) == (detector.conf, detector.iou)
                placements = [planes.put(frame, row) for row, frame in enumerate(frames)]
                return backend.infer(planes.batch), placements

        detector.backend = Seeing()
        prepare, infer, finish, whole, _ = Here(detector, 2).call(noise_frames(2))
        detector.backend = backend
    assert prepare == 0 and infer > 0 and whole == pytest.approx(infer + finish)


def test_a_batch_that_the_backend_does_not_take_is_refused(model):
    import minehat
    with minehat.open(model) as detector:
        detector.backend.batches = (1, 4)
        with pytest.raises(MineHatError, match="takes 1 to 4 pictures"):
            Here(detector, 5)


def test_a_process_that_dies_is_told_of(model):
    with Lanes() as lanes:
        [entry] = lanes.open([(model, "m")], ["ort"], [1], 1, True)
        entry.lane._process.kill()
        with pytest.raises(MineHatError, match="ended with code -9"):
            entry.lane.call(noise_frames(1))


def test_latency_ends_with_one_json_line_and_keeps_the_samples_in_its_file(model, tmp_path):
    write_picture(tmp_path / "frame.jpg", noise_frames(1)[0])
    ended = door("latency", model, "--source", tmp_path / "frame.jpg", "--frames", 3, "--warmup", 1, "--batch", "1,2",
                 "--json", tmp_path / "race.json")
    assert ended.returncode == 0, ended.stderr
    line = json.loads(ended.stdout.splitlines()[-1])
    assert line["machine"]["cpu"] and line["peak_rss_mb"] > 0 and line["read_ms"]["p50"] > 0
    assert [(row["batch"], row["frames"]) for row in line["models"]] == [(1, 3), (2, 6)]
    assert set(line["models"][0]["stages"]["infer"]) == {"p50", "p90", "p99", "max"}
    assert "samples" not in line["models"][0] and "readings" not in line["sensors"]
    kept = json.loads((tmp_path / "race.json").read_text())
    assert set(kept["models"][0]["samples"]) == {*STAGES, "cpu"} and len(kept["models"][0]["samples"]["whole"]) == 3
    assert door("compare", tmp_path / "race.json", tmp_path / "race.json").returncode == 0


@pytest.mark.parametrize("own_process", [(), ("--own-process",)])
def test_a_missing_model_or_source_ends_in_one_line_and_code_2(model, tmp_path, own_process):
    for arguments in ([tmp_path / "no.onnx"], [model, "--source", tmp_path / "no.jpg"]):
        ended = door("latency", *arguments, "--frames", 1, *own_process)
        assert ended.returncode == 2 and ended.stderr.strip().count("\n") == 0, ended.stderr


def voc_of_own_findings(model, folder):
    """Noise pictures labelled with what the model itself finds at its threshold (slivers apart)."""
    import minehat
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    with minehat.open(model) as detector:
        for row, frame in enumerate(noise_frames(3)):
            write_picture(folder / f"JPEGImages/p{row}.png", frame)
            found = detector(frame)
            found = found[(found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1) > 2]
            objects = "".join(
                f"<object><name>{CLASSES[label]}</name><bndbox><xmin>{box[0] + 1}</xmin><ymin>{box[1] + 1}</ymin>"
                f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
                for box, label in zip(found.boxes.tolist(), found.labels, strict=True))
            size = f"<size><width>{frame.shape[1]}</width><height>{frame.shape[0]}</height></size>"
            (folder / f"Annotations/p{row}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    (folder / "ImageSets/Main/val.txt").write_text("p0\np1\np2\n")
    return folder


def test_a_model_finds_again_all_that_it_found(model, tmp_path):
    data = voc_of_own_findings(model, tmp_path / "own")
    ended = door("accuracy", model, model, "--data", data)
    assert ended.returncode == 0, ended.stderr
    line = json.loads(ended.stdout.splitlines()[-1])
    assert line["recall"] == {"helmet": 1, "head": 1} and line["images"] == 3
    assert set(line["ap50"]) == set(CLASSES) and line["map50"] > 0.5
    assert line["models"][0]["map50"] == line["models"][1]["map50"]
    assert "mAP50" in ended.stderr
    assert score_models([model], data, "val", limit=2)[0].score.images == 2


def test_the_classes_of_a_set_may_have_other_names(model, tmp_path):
    data = voc_of_own_findings(model, tmp_path / "own")
    for path in (data / "Annotations").iterdir():
        path.write_text(path.read_text().replace(">helmet<", ">hat<").replace(">head<", ">hat<"))
    refused = door("accuracy", model, "--data", data)
    assert refused.returncode == 2 and "--map hat=CLASS" in refused.stderr.splitlines()[-1]
    ended = door("accuracy", model, "--data", data, "--map", "hat=head")
    assert json.loads(ended.stdout.splitlines()[-1])["ap50"]["helmet"] is None


def test_kept_scores_travel_in_the_model_s_own_card(model, tmp_path):
    data = voc_of_own_findings(model, tmp_path / "own")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(model.read_bytes())
    ended = door("accuracy", copy, "--data", data, "--keep")
    assert ended.returncode == 0, ended.stderr
    line = json.loads(ended.stdout.splitlines()[-1])
    assert read_card(model).accuracy == {}
    assert read_card(copy).accuracy["own val"]["map50"] == line["map50"]
    assert read_card(copy).accuracy["own val"]["recall_head"] == 1
    refused = door("accuracy", copy, "--data", data, "--keep", "--limit", 1)
    assert refused.returncode == 2 and "--limit" in refused.stderr


def test_a_split_that_is_not_there_ends_in_one_line_and_code_2(model, tmp_path):
    ended = door("accuracy", model, "--data", tmp_path)
    assert ended.returncode == 2 and "val" in ended.stderr.splitlines()[-1]


def test_a_limit_takes_pictures_from_the_whole_length():
    assert spread(range(10), 3) == [0, 3, 6]
    assert spread(range(3), None) == spread(range(3), 9) == [0, 1, 2]


def test_models_of_one_name_are_told_apart_by_their_path():
    assert names_of([Path("a/m.onnx"), Path("b/m.onnx"), Path("c/n.onnx")]) == ["a/m.onnx", "b/m.onnx", "n.onnx"]


def test_the_machine_has_a_name_cores_and_memory():
    found = machine()
    assert found["cpu"] and found["cores"] >= 1 and found["memory_gb"] > 0
    assert "numpy" in found["versions"] and json.dumps(found)
    assert peak_rss_mb() > 10


def test_the_demo_takes_plain_pictures_labelled_ones_or_both(tmp_path):
    scenes = tmp_path / "scenes"
    none = material_of(None, scenes, CLASSES)
    assert (none.calibration, none.labelled, none.shown) == ((scenes / "JPEGImages",), scenes, ())
    assert not none.real
    plain = tmp_path / "plain"
    for row in range(9):
        write_picture(plain / f"{row}.jpg", noise_frames(1)[0])
    only = material_of(plain, scenes, CLASSES)
    assert (only.calibration, only.labelled, len(only.shown)) == ((plain, scenes / "JPEGImages"), scenes, 8)
    for row in range(9, 32):
        write_picture(plain / f"{row}.jpg", noise_frames(1)[0])
    assert material_of(plain, scenes, CLASSES).calibration == (plain,)
    with pytest.raises(MineHatError, match="no picture"):
        (tmp_path / "empty").mkdir()
        material_of(tmp_path / "empty", scenes, CLASSES)
    with pytest.raises(MineHatError, match="no folder"):
        material_of(tmp_path / "absent", scenes, CLASSES)


def test_the_demo_finds_the_rooms_of_a_data_folder(real_data):
    found = material_of(real_data, Path("scenes"), CLASSES)
    assert found.labelled == real_data / "helmets"
    assert found.calibration == (real_data / "mine_frames", real_data / "helmets/ImageSets/Main/train.txt")
    assert len(found.shown) == 8 and all(path.is_file() for path in found.shown)
