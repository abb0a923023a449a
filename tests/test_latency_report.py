"""The latency report: its page, its Markdown, what it says of a machine that was busy, hot, or tells nothing."""

import copy
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from minebench.device import _PUBLISHED, Peaks, cpu_peaks
from minebench.latency import COLUMNS, Samples
from minebench.latency_markdown import markdown_of
from minebench.latency_plots import sensor_plot
from minebench.latency_report import page_of, ready_report, write_report
from minebench.latency_told import cameras, headline, rows_of, warnings
from minebench.sensed import between, gpu_memory_mb, joules_per_frame, others_share, summed_up
from minebench.work import work_of
from minehat.errors import MineHatError
from minehat.telemetry import Reading
from test_demo_page import Balanced
from tiny import tiny_onnx


def samples(ms, batch, count=40, seed=0):
    spread = np.random.default_rng(seed).lognormal(0, 0.05, count) * batch
    columns = dict(zip(COLUMNS, (0.05 * ms * spread, 0.9 * ms * spread, 0.05 * ms * spread, ms * spread,
                                 1.5 * ms * spread), strict=True))
    return Samples(columns, batch).to_json()


def readings(count=10, hot=()):
    return [Reading(float(row), clocks_mhz={"cpu": 2000.0, "gpu": 900.0 - 300 * (row in hot)},
                    celsius={"cpu": 60.0 + row, "tj": 61.5 + row}, watts={"VDD_IN": 9.0 + row, "VDD_SOC": 2.0},
                    total_watts=9.0 + row, loads={"cpu": 0.5, "gpu": 0.9},
                    throttled=("GPU too hot",) if row in hot else (), gpu_memory_mb=100.0 + row)
            for row in range(count)]


def a_report(**changes):
    work = {"operations": 4e9, "kind": "int8", "weight_bytes": 4e6, "ends_bytes": 2e6, "map_bytes": 2e7}
    sensed = readings()
    told = {"schema": 1, "source": "scenes, seed 7", "rendered": True, "frame_size": "1280x720", "warmup": 10,
            "machine": {"cpu": "cpu <x>", "cores": 2, "memory_gb": 8, "system": "Linux", "python": "3.11",
                        "versions": {"numpy": "2"}, "date": "2026-11-22T08:00:00+00:00"},
            "read_ms": {"p50": 1.0, "p90": 2.0, "p99": 3.0, "max": 4.0}, "threads": 1, "own_process": True,
            "seconds": 10.0, "peak_rss_mb": 200.0, "rss_growth_mb": 0.5, "others_share": 0.0,
            "sensors": {**summed_up(sensed), "gpu_memory_mb": gpu_memory_mb(sensed),
                        "readings": [{**reading.to_json(), "at": reading.at} for reading in sensed]},
            "models": [{"model": name, "backend": "ort", "precision": precision, "size": "416x416",
                        **samples(ms, batch), "rss_mb": 90.0, "peak_rss_mb": 100.0, "watts": 11.0,
                        "joules_per_frame": 0.11}
                       for name, precision, ms in (("slow.onnx", "fp32", 20.0), ("fast.onnx", "int8", 10.0))
                       for batch in (1, 4)],
            "work": [work | {"kind": kind} for kind in ("fp32", "fp32", "int8", "int8")], "runs_on": ["cpu"] * 4,
            "limits_missing": "",
            "devices": {"cpu": Peaks("cpu <x>", "measured", {"fp32": 400.0, "int8": 1600.0}, 20.0).to_json()}}
    return copy.deepcopy({**told, **changes})


@cache
def the_page():
    return page_of(a_report())


def silent(report):
    """As of a machine whose sensors tell nothing, with neither work nor limits."""
    report["sensors"] = {"throttled": {}, "gpu_memory_mb": None, "readings": []}
    report["others_share"] = None
    for model in report["models"]:
        del model["watts"], model["joules_per_frame"]
    for key in ("work", "runs_on", "devices", "limits_missing"):
        del report[key]
    return report


def test_the_page_is_whole_and_needs_nothing_from_outside():
    page = the_page()
    parser = Balanced()
    parser.feed(re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    assert parser.open == []
    assert not re.search(r"<script|<link|@import|src=|url\((?!#)", page)
    assert page.count("<svg") == 5 and "prefers-color-scheme: dark" in page
    assert "cpu <x>" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)


def test_plots_take_the_page_s_colours():
    assert not re.search(r"#0[1-4]0[1-4]0[1-4]|#1111\d\d", the_page())


@pytest.mark.parametrize("change", [silent, lambda report: {**report, "own_process": False},
                                    lambda report: {**report, "models": report["models"][:1]},
                                    lambda report: {**report, "rendered": False}])
def test_what_is_not_known_leaves_its_place_empty(change):
    report = change(a_report())
    page, text = page_of(report), markdown_of(report)
    assert ("No sensor here tells watts" in page) == ("total_watts" not in report["sensors"])
    assert ("Not drawn" in page) == ("devices" not in report) == ("The limit of the device" not in text)
    assert ("Several pictures at a time" in page) == (len(report["models"]) > 1)
    assert ("Reading the source" in page) != report["rendered"]


def test_the_headline_is_the_fastest_that_makes_no_picture_wait():
    report = a_report()
    rows = rows_of(report)
    title, told = headline(rows)
    assert title in the_page() and warnings(report)[0] in the_page()
    assert title == f"{report['models'][2]['throughput_fps']:.0f} pictures a second"
    assert "fast, batch 1" in told and f"{rows[2].cameras[2]} cameras at 5 pictures a second" in told
    report["models"][3]["throughput_fps"] *= 2
    assert "fast, batch 4" in headline(rows_of(report))[1]


def test_cameras_are_what_fits_into_four_fifths_of_the_time():
    assert cameras(100.0) == (80, 40, 16, 8, 5, 3)
    assert cameras(4.9) == (3, 1, 0, 0, 0, 0)


def test_a_busy_or_hot_machine_is_told_of():
    assert len(warnings(a_report())) == 1  # few calls
    report = a_report(others_share=0.4)
    report["sensors"]["throttled"] = {"GPU too hot": 0.25}
    told = "\n".join(warnings(report))
    assert "40 % of its processor" in told and "25 % of the time: GPU too hot" in told
    assert all(warning in markdown_of(report) for warning in warnings(report))


def test_throttling_is_marked_in_the_curves():
    """The colour of bare heads is used for nothing else there."""
    def marks(hot):
        sensed = readings(hot=hot)
        told = a_report()
        told["sensors"] |= {"readings": [{**reading.to_json(), "at": reading.at} for reading in sensed]}
        return sensor_plot(told).svg.count("var(--bare)")
    assert marks({4, 5}) == marks(()) + 4 * 2  # two readings on each of four plots


def test_the_share_of_the_limit_follows_from_work_and_device():
    slow, _, fast, _ = rows_of(a_report())
    assert slow.roof.ms == pytest.approx(10.0)  # 4e9 operations at 400e9 a second
    assert fast.roof.ms == pytest.approx(2.5)
    assert fast.roof.share == pytest.approx(2.5 / fast.model["stages"]["infer"]["p50"])
    starved = a_report()
    starved["devices"]["cpu"]["gb_per_s"] = 0.1  # memory holds it back: 6 MB
    assert rows_of(starved)[2].roof.ms == pytest.approx(60.0)
    assert rows_of(starved)[3].roof.ms == pytest.approx(30.0)  # of four pictures one reading of the weights


def test_a_report_is_three_files_beside_each_other(tmp_path):
    path = tmp_path / "new" / "latency.html"
    ready_report(path)
    write_report(path, a_report())
    assert {file.name for file in path.parent.iterdir()} == {"latency.html", "latency.md", "latency.json"}
    assert json.loads(path.with_suffix(".json").read_text())["models"][0]["samples"]["whole"]
    with pytest.raises(MineHatError, match=r"must end in \.html"):
        ready_report(tmp_path / "latency.pdf")


def test_sensors_are_summed_up():
    sensed = readings(hot={3})
    told = summed_up(sensed)
    assert told["total_watts"] == {"min": 9.0, "mean": 13.5, "max": 18.0}
    assert told["clocks_mhz"]["gpu"]["min"] == 600 and told["throttled"] == {"GPU too hot": 0.1}
    assert [reading.at for reading in between(sensed, 2.0, 4.5)] == [2.0, 3.0, 4.0]
    assert gpu_memory_mb(sensed) == 9 and gpu_memory_mb([Reading(0.0)]) is None
    assert summed_up([]) == {"throttled": {}}


def test_what_others_took_is_what_we_did_not():
    assert others_share({"loads": {"cpu": {"mean": 0.75}}}, cpu_ms=5000, seconds=5.0, cores=2) == pytest.approx(0.25)
    assert others_share({"loads": {"cpu": {"mean": 0.3}}}, cpu_ms=5000, seconds=5.0, cores=2) == 0
    assert others_share({}, 1.0, 1.0, 1) is None


def test_energy_is_power_by_time_a_picture(monkeypatch):
    clock = iter(np.arange(0, 100, 0.5))
    monkeypatch.setattr("minebench.sensed.time.monotonic", lambda: float(next(clock)))

    class Lane:
        batch = 4
        calls = 0

        def call(self, frames):
            assert len(frames) == self.batch
            self.calls += 1

    lane = Lane()
    told = joules_per_frame(lane, ["frame"], lambda: [Reading(1.0, total_watts=10.0), Reading(90.0, total_watts=99.0)],
                            seconds=3.0)
    assert told["watts"] == 10 and told["joules_per_frame"] == pytest.approx(10 * 4.0 / (4 * lane.calls), rel=0.3)
    assert joules_per_frame(lane, ["frame"], lambda: [Reading(1.0)], seconds=0.1) == {}


def test_work_is_counted_from_the_file(tmp_path):
    path = tiny_onnx(tmp_path)
    from minehat.inspection import onnx_facts
    work, convolutions = work_of(path, on_gpu=False), onnx_facts(path).convolutions
    assert work.operations == 2 * sum(conv.macs for conv in convolutions) and work.kind == "fp32"
    assert work.weight_bytes == 4 * sum(int(np.prod(conv.weights)) for conv in convolutions)
    assert work.least_bytes(4) < work.least_bytes(1) < work.most_bytes(1)
    assert work_of(tmp_path / "absent.engine", on_gpu=True) is None


def test_the_processor_s_limit_is_measured(monkeypatch):
    monkeypatch.setattr("minebench.device.TIMES", 3)
    monkeypatch.setattr("minebench.device.SIDE", 256)
    monkeypatch.setattr("minebench.device.COPIED", 1 << 24)
    found = cpu_peaks(1)
    assert all(gops > 0 for gops in found.gops.values()) and found.gb_per_s > 0 and "1 thread:" in found.how


def test_published_figures_are_ordered():
    """INT8 over FP16 over FP32, everywhere; names are found longest first where one is within another."""
    for fp32, fp16, int8, bandwidth in _PUBLISHED.values():
        assert 0 < bandwidth < fp32 < fp16 < int8
    names = list(_PUBLISHED)
    for place, name in enumerate(names):
        assert not any(earlier in name for earlier in names[:place])


def test_a_report_holds_no_path_of_this_machine():
    assert str(Path.home()) not in the_page() + markdown_of(a_report())
