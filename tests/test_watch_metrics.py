"""Metrics: Prometheus' own checker likes them, they say what the status says, and what is gone is gone."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest
from minewatch.metrics import Metrics
from minewatch.status import CameraStatus, DetectorStatus, SinkStatus, Status
from mqtt_lab import status_of
from prometheus_client.parser import text_string_to_metric_families

GATE = CameraStatus("gate", "live", fps=25.0, looked=8.0, last_frame=0.04, opened=3, quarantined=7, dropped=11)


def busy() -> Status:
    yard = replace(GATE, name='3号 "yard"\\', standing="waiting", last_frame=None)
    detector = DetectorStatus("ready", lost=5)
    return replace(status_of(GATE, yard), detector=detector, rss_bytes=1 << 27, clock_suspect=True,
                   sinks=(SinkStatus("mqtt", "retrying", behind=40, skipped=2), SinkStatus("siren", "well")))


def measured() -> Metrics:
    """With a figure of each kind."""
    metrics = Metrics()
    metrics.update(busy())
    metrics.looked("gate", 0.12)
    metrics.batch(62.0, 8)
    metrics.committed("bare_head", 0.004)
    return metrics


def values(metrics: Metrics) -> dict[tuple[str, str], float]:
    """By name and the value of the only label."""
    return {(sample.name, "".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(metrics.text().decode()) for sample in family.samples}


def test_promtool_finds_no_fault() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    for metrics in (Metrics(), measured()):
        told = subprocess.run([promtool, "check", "metrics"], input=metrics.text(), capture_output=True, check=False)
        assert (told.returncode, told.stdout + told.stderr) == (0, b"")
    bad = measured().text().replace(b"minewatch_watching", b"minewatch_watching_Ms")
    assert subprocess.run([promtool, "check", "metrics"], input=bad, capture_output=True, check=False).returncode


def test_they_say_what_the_status_says() -> None:
    told = values(measured())
    assert told["minewatch_watching", ""] == 1 and told["minewatch_clock_suspect", ""] == 1
    assert told["minewatch_rss_bytes", ""] == 1 << 27 and told["minewatch_detector_frames_lost_total", ""] == 5
    assert told["minewatch_camera_live", "gate"] == 1 and told["minewatch_camera_live", '3号 "yard"\\'] == 0
    assert told["minewatch_camera_frames_quarantined_total", "gate"] == 7
    assert told["minewatch_camera_frames_dropped_total", "gate"] == 11
    assert told["minewatch_camera_connections_total", "gate"] == 3
    assert ("minewatch_camera_last_frame_seconds", '3号 "yard"\\') not in told  # unknown is not 0
    assert told["minewatch_sink_behind", "mqtt"] == 40 and told["minewatch_sink_skipped_total", "mqtt"] == 2
    assert told["minewatch_sink_well", "mqtt"] == 0 and told["minewatch_sink_well", "siren"] == 1
    assert told["minewatch_events_committed_total", "bare_head"] == 1
    assert told["minewatch_event_commit_seconds_sum", ""] == pytest.approx(0.004)
    assert told["minewatch_detector_batch_seconds_sum", ""] == pytest.approx(0.062)
    assert told["minewatch_detector_frames_total", ""] == 8
    assert told["minewatch_result_age_seconds_count", "gate"] == 1


def test_a_camera_whose_picture_cannot_be_judged_is_not_live() -> None:
    metrics = Metrics()
    metrics.update(status_of(replace(GATE, faults=("covered",)), watching=False))
    assert values(metrics)["minewatch_camera_live", "gate"] == 0 and values(metrics)["minewatch_watching", ""] == 0


def test_a_camera_or_sink_that_is_gone_leaves_nothing_behind() -> None:
    metrics = measured()
    assert b'"gate"' in metrics.text() and b'"mqtt"' in metrics.text()
    metrics.update(status_of(replace(GATE, name="other")))
    assert b'"gate"' not in metrics.text() and b'"mqtt"' not in metrics.text()
    metrics.looked("gate", 0.1)  # an answer that was on its way
    metrics.update(status_of(replace(GATE, name="other")))
    assert b'"gate"' not in metrics.text()


def test_the_number_of_series_is_bounded_by_the_configuration() -> None:
    metrics = Metrics()
    for day in range(50):
        metrics.update(status_of(*[replace(GATE, name=f"camera {day} {row}") for row in range(4)]))
        for row in range(4):
            metrics.looked(f"camera {day} {row}", 0.1)
    series = metrics.text().count(b"\n")
    metrics.update(status_of(*[replace(GATE, name=f"camera {row}") for row in range(4)]))
    assert metrics.text().count(b"\n") <= series < 300


def test_a_clock_that_runs_backwards_makes_no_negative_age() -> None:
    metrics = measured()
    metrics.looked("gate", -5.0)
    metrics.committed("bare_head", -5.0)
    told = values(metrics)
    assert told["minewatch_result_age_seconds_sum", "gate"] == pytest.approx(0.12)
    assert told["minewatch_event_commit_seconds_sum", ""] == pytest.approx(0.004)


def test_two_watches_in_one_process_share_nothing() -> None:
    one, other = measured(), Metrics()
    assert b"minewatch_watching" in one.text() and b"minewatch_watching" not in other.text()
