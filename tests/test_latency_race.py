"""The race against the peers: what others write agrees with ours, lanes take turns in processes, goals are judged."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minebench.peers.engine_lanes import common_frame, our_frame
from minebench.peers.explained import differences
from minebench.peers.goals import GOALS, judged
from minebench.peers.kept_lanes import CONF, IOU, KEEPINGS, NAIVE, ONNX_NMS, an_answer, in_order, naive_kept
from minebench.peers.letterbox_lanes import LETTERBOXES
from minebench.peers.profiles import calls_of, operations_of
from minebench.peers.race_page import page_of
from minebench.peers.tables import BLOB, COMMON, NNCF, OURS, PLAIN, TABLES, Table, model_of
from minebench.peers.turns import profile, race
from minehat import scenes
from minehat.detections import suppress
from minehat.errors import MineHatError
from test_benchmarks import door
from tiny import noise_frames

PYTHON = Path(sys.executable)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), candidates=st.integers(0, 400))
def test_naive_suppression_keeps_what_ours_keeps(seed, candidates):
    boxes, scores = an_answer(candidates, seed)
    assert int((scores.max(axis=1) >= CONF).sum()) == candidates
    found = suppress(boxes, scores, CONF, IOU, most=len(boxes))
    kept = naive_kept(boxes, scores, CONF, IOU)
    rows = np.concatenate([found.boxes, found.scores[:, None], found.labels[:, None]], axis=1)
    np.testing.assert_array_equal(in_order(kept), in_order(rows))
    assert len(kept) < candidates or candidates < 10


@pytest.mark.parametrize("lane", [NAIVE, ONNX_NMS])
def test_lanes_of_suppression_answer_as_ours_does(lane):
    for candidates in (20, 300):
        answer = an_answer(candidates)
        np.testing.assert_array_equal(in_order(KEEPINGS[lane](*answer)()), in_order(KEEPINGS["ours"](*answer)()))


@pytest.mark.parametrize(("lane", "tolerance"), [(COMMON, 1e-6), (BLOB, 1e-6), ("plain numpy", 1.6 / 255)])
def test_lanes_of_the_letterbox_answer_as_ours_does(lane, tolerance):
    for frame in noise_frames(2, 180, 320):
        ours = LETTERBOXES["ours"](96)(frame)
        np.testing.assert_allclose(LETTERBOXES[lane](96)(frame), ours, atol=tolerance)


def test_common_code_around_the_fp32_model_finds_what_ours_finds(tmp_path):
    np.save(tmp_path / "frames-1080p.npy", np.stack([scenes.picture(8, 1280, 720).frame]))
    theirs = in_order(common_frame("nano.onnx", tmp_path, threads=1)["whole"]())
    found = our_frame("nano.onnx", tmp_path, threads=1)["whole"]()
    ours = in_order(np.concatenate([found.boxes, found.scores[:, None], found.labels[:, None]], axis=1))
    assert len(ours) > 3
    np.testing.assert_allclose(theirs, ours, atol=0.02)


def test_what_is_not_the_engines_share_of_a_frame(tmp_path):
    np.save(tmp_path / "frames-1080p.npy", np.stack([scenes.picture(8, 1280, 720).frame]))
    assert 0 < our_frame("nano.onnx", tmp_path, threads=1, beside=True)["beside"]() < 0.5


@pytest.fixture
def frames(tmp_path):
    for size, (height, width) in {"1080p": (270, 480), "720p": (180, 320)}.items():
        np.save(tmp_path / f"frames-{size}.npy", np.stack(noise_frames(2, height, width)))
    return tmp_path


def test_lanes_take_turns_in_processes_and_an_absent_peer_says_so(frames):
    table = Table("", ("ours", COMMON, "no such peer"), 3, compared=True)
    lanes = race("letterbox", table, 3, PYTHON, frames)
    assert list(lanes) == list(table.lanes) and "no such peer" in lanes["no such peer"]["absent"]
    differences("letterbox", lanes, frames / "answers")
    for lane in table.lanes[:2]:
        told = lanes[lane]
        assert {case: len(ms) for case, ms in told["samples"].items()} == {"1080p": 3, "720p": 3}
        assert all(ms > 0 for case in told["samples"].values() for ms in case)
        assert told["peak_rss_mb"] > 10 and told["torch"] is False and max(told["differs"].values()) <= 1e-6
    with pytest.raises(MineHatError, match="no such peer does not run"):
        race("letterbox", Table("", ("no such peer",), 1), 1, PYTHON, frames)
    assert any("resize" in name for name in profile("letterbox", "ours", "720p", PYTHON, frames))


def test_profiles_tell_where_time_goes():
    spent = operations_of(model_of(Path(), "nano.int8-cpu.onnx"), 416, 416)
    assert next(iter(spent)) == "QLinearConv" and 90 < sum(spent.values()) <= 100.1
    assert "sorted" in next(iter(calls_of(lambda: sorted(range(100_000, 0, -1)))))


def lane(**cases):
    return {"samples": cases, "peak_rss_mb": 100.0, "torch": False}


def test_goals_are_judged_by_what_was_measured_and_nothing_else():
    tables = {"engines-full": {"lanes": {OURS: lane(answer=[1.0] * 9), NNCF: lane(answer=[2.0] * 9)}},
              "kept": {"lanes": {"ours": lane(**{"20": [0.2] * 9, "300": [0.1, 0.1, 0.3] * 3}),
                                 **{other: {**lane(**{"20": [1.0] * 9, "300": [1.0] * 9}), "differs": {"20": None}}
                                    for other in (NAIVE, ONNX_NMS, "ultralytics", "supervision")}}},
              "frames-full": {"lanes": {OURS: lane(whole=[1.0] * 9, beside=[0.01] * 9),
                                        PLAIN: lane(whole=[2.9] * 9)}}}
    told = {verdict.goal.told: verdict for verdict in judged(tables)}
    assert len(told) == len(GOALS)
    assert told[f"full, engine: {OURS} over {NNCF}"].word == "yes"
    assert told["boxes -> kept, 20 candidates: ours over naive numpy"].word == "no"
    assert told["boxes -> kept, 300 candidates: ours over naive numpy"].word.startswith("yes, but")
    assert told["full, INT8 frame: share of everything but the engine"].figure == pytest.approx((1, 1, 1))
    assert next(verdict for text, verdict in told.items() if "any other's boxes" in text).word == "no"
    memory = next(verdict for text, verdict in told.items() if "peak RSS" in text)
    assert memory.figure == (1.0,) * 3 and memory.word == "no"
    one_thread = next(verdict for text, verdict in told.items() if "at 416x416" in text and "one thread" in text)
    assert one_thread.figure[0] == pytest.approx(2.9) and one_thread.word == "no"
    assert told["full, INT8: time that attention adds"].word == "not run"


def test_the_page_shows_every_goal_every_lane_and_why_goals_are_missed():
    box = {"cpu": "a CPU", "cores": 2, "load": 0.1, "date": "2026-01-02T03:04:05", "versions": {"numpy": "2.4.6"}}
    lanes = {"ours": {**lane(**{"20": [0.2] * 9, "300": [0.4] * 9}), "differs": {"20": 0.0, "300": 0.0}},
             NAIVE: {**lane(**{"20": [1.0] * 9, "300": [1.2] * 9}), "differs": {"20": 0.0, "300": None}},
             "supervision": {"absent": "ModuleNotFoundError: no such module"}}
    page = page_of({"tables": {"kept": {"machine": box, "turns": 9, "lanes": lanes}},
                    "profiles": [{"of": "kept, ours, 20", "goals": ["a goal"], "by": "function", "unit": "us a call",
                                  "rows": {"suppress": 12.5}}]})
    assert all(goal.told in page for goal in GOALS) and TABLES["kept"].told in page
    assert "a CPU, 2 cores" in page and "9 turns" in page and "numpy 2.4.6" in page
    assert "| naive numpy | 1000 | 1200 | 5.00x (5.00 to 5.00) | 3.00x (3.00 to 3.00) | 100 |" in page
    assert "100 | 0, another count |" in page
    assert "did not run: ModuleNotFoundError" in page and "| `suppress` | 12.5 |" in page
    assert TABLES["letterbox"].told not in page
    wide = {len(line.split("|")) for line in page.splitlines() if line.startswith("| naive") or "did not run" in line}
    assert len(wide) == 1  # as many cells in every row


def test_a_broken_report_and_an_unknown_table_end_in_one_line(tmp_path):
    (tmp_path / "latency-race.json").write_text("{", encoding="utf-8")
    ended = door("peers/latency_race", "--out", tmp_path, "--work", tmp_path)
    assert ended.returncode == 2 and "no report of a race" in ended.stderr
    assert door("peers/latency_race", "--only", "chess").returncode == 2
