"""The page's interface for programs: what it promises is what it does, whoever asks for whatever."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from minewatch.web.seeking import LARGEST
from page_stage import HOST, Stage, bare_head, end_of, live_camera, snapshot_jpeg, status_of
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def test_events_come_in_order_and_next_leaves_none_out(stage: Stage) -> None:
    stage.happen(*(bare_head(100 - at) for at in range(25)))
    browser, seen, after = stage.browser(), [], 0
    for _ in range(4):
        told = browser.get(f"/api/events?after={after}&limit=10").json()
        seen += [event["seq"] for event in told["events"]]
        after = told["next"]
    assert seen == list(range(1, 26))


def test_events_are_sought_by_camera_and_kind(stage: Stage) -> None:
    first = bare_head(60, "Gate 2")
    stage.happen(first, bare_head(50, "三号巷道"), end_of(first, 9))
    browser = stage.browser()
    assert [e["camera"] for e in browser.get("/api/events?camera=三号巷道").json()["events"]] == ["三号巷道"]
    kinds = browser.get("/api/events?kind=bare_head_ended&kind=camera_fault").json()["events"]
    assert [event["kind"] for event in kinds] == ["bare_head_ended"]


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={LARGEST * 10}", "limit=0", "limit=1001", "wait=30.1",
                                   "wait=nan", "kind=nobody", "camera=" + "x" * 65, "sort=down"])
def test_a_query_that_makes_no_sense_is_told_so_and_not_echoed(stage: Stage, query: str) -> None:
    answer = stage.browser().get(f"/api/events?{query}&limit=7" if "limit" not in query else f"/api/events?{query}")
    assert answer.status_code == 422
    assert query.split("=")[1] not in answer.json()["error"] or query.split("=")[1] in ("0", "-1", "x", "nan")


def test_whoever_waits_for_an_event_hears_of_it_when_it_comes(stage: Stage) -> None:
    stage.happen(bare_head())
    threading.Timer(0.3, stage.happen, [bare_head(0)]).start()
    began = time.monotonic()
    told = stage.browser().get("/api/events?after=1&wait=20").json()
    assert [event["seq"] for event in told["events"]] == [2]
    assert time.monotonic() - began < 10


def test_waiting_ends_without_an_event(stage: Stage) -> None:
    told = stage.browser().get("/api/events?after=0&wait=0.2").json()
    assert told == {"events": [], "next": 0}


def test_watching_is_false_as_soon_as_the_news_are_old(stage: Stage) -> None:
    browser = stage.browser()
    assert browser.get("/api/status").json()["watching"] is True
    assert (browser.get("/readyz").status_code, browser.get("/healthz").status_code) == (200, 200)
    old = status_of()
    stage.tell(replace(old, monotonic=old.monotonic - 3.5))
    told = browser.get("/api/status").json()
    assert (told["watching"], told["fresh"]) == (False, False) and told["age_seconds"] > 3
    assert [browser.get(path).status_code for path in ("/readyz", "/healthz", "/metrics")] == [503, 503, 503]


def test_one_blind_camera_is_not_ready_but_alive(stage: Stage) -> None:
    stage.tell(status_of([live_camera("Gate 2", standing="blind", cause="covered")], watching=False))
    browser = stage.browser()
    assert (browser.get("/readyz").status_code, browser.get("/healthz").status_code) == (503, 200)


def test_cameras_are_told_without_their_addresses_and_passwords(stage: Stage) -> None:
    text = stage.browser().get("/api/cameras").text + stage.browser().get("/api/status").text
    cameras = stage.browser().get("/api/cameras").json()["cameras"]
    assert [camera["name"] for camera in cameras] == ["Gate 2", "三号巷道"]
    assert cameras[1]["zones"][0]["points"] == [[0.1, 0.5], [0.5, 0.5], [0.5, 0.9]]
    assert not any(secret in text for secret in ("geheim", "camera.example", "rtsp"))


def test_an_acknowledgement_is_a_row_of_the_audit_and_stays_with_the_incident(stage: Stage) -> None:
    stage.happen(bare_head())
    told = stage.browser().tell("/api/events/1/acknowledge", {"name": " Li\n Na ", "remark": "sent\x00 him out"}).json()
    assert (told["acknowledged"]["who"], told["acknowledged"]["remark"]) == ("Li Na", "sent him out")
    assert [row.action for row in stage.store.audits(1)] == ["acknowledged"]


@pytest.mark.parametrize(("path", "told", "status"), [
    ("/api/events/9/acknowledge", {"name": "x"}, 404), (f"/api/events/{10**30}/acknowledge", {"name": "x"}, 404),
    ("/api/events/2/acknowledge", {"name": "x"}, 404), ("/api/events/1/acknowledge", {"remark": "no name"}, 422),
    ("/api/events/1/acknowledge", {"name": "\ud800\u202e"}, 422), ("/api/events/1/acknowledge", {"name": 7}, 422),
    ("/api/events/1/acknowledge", ["x"], 422)])
def test_what_cannot_be_acknowledged_is_told_so(stage: Stage, path: str, told: Any, status: int) -> None:
    first = bare_head()
    stage.happen(first, end_of(first))
    assert stage.browser().tell(path, told).status_code == status
    assert stage.store.audits() == []


def test_snapshots_come_whole_and_in_ranges(stage: Stage) -> None:
    stage.happen(bare_head())
    content = snapshot_jpeg()
    stage.keep(1, "snapshot", content)
    browser = stage.browser()
    whole = browser.get("/media/1/snapshot.jpg")
    assert (whole.content, whole.headers["content-type"]) == (content, "image/jpeg")
    part = browser.get("/media/1/snapshot.jpg", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert browser.get("/media/1/clip.mp4").status_code == 404


def test_the_description_names_every_route_for_programs_and_no_other(stage: Stage) -> None:
    described = {(re.sub(r"\{(\w+)\}", r"{\1}", path), method.upper())
                 for path, methods in _description(stage)["paths"].items() for method in methods}
    there = {(re.sub(r"\{(\w+):int\}", r"{\1}", route.path), method)
             for route in stage.app.routes for method in getattr(route, "methods", None) or ()
             if route.path.startswith(("/api/", "/healthz", "/readyz", "/metrics", "/media/")) and method != "HEAD"}
    assert described == there


def test_any_request_that_the_description_allows_or_forbids_gets_an_answer_of_it(stage: Stage) -> None:
    """G3: about a hundred generated requests, a first taste of `make soak`'s five minutes."""
    assert _driven(stage, 10) > 60


@pytest.mark.soak
def test_thousands_of_generated_requests_get_no_server_error(stage: Stage, figure: Callable[[str, str], None]) -> None:
    """G3: five minutes of generated requests."""
    began, requests = time.monotonic(), 0
    while time.monotonic() - began < 300:
        requests += _driven(stage, 200)
    figure("G3", f"0 answers 5xx to {requests} requests in {time.monotonic() - began:.0f} s, all as described")


def _driven(stage: Stage, examples: int) -> int:
    """How many generated requests, sensible and senseless ones, were answered as the description says."""
    first = bare_head()
    stage.happen(first, end_of(first), bare_head(camera="三号巷道"))
    stage.keep(1, "snapshot", snapshot_jpeg())
    answered = 0

    def ask(case: schemathesis.Case) -> None:
        nonlocal answered
        stage.tell()
        if "wait" in case.query:
            case.query["wait"] = 0
        case.validate_response(case.call(base_url=HOST), checks=CHECKS)
        answered += 1

    few = settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
                   suppress_health_check=list(HealthCheck))
    schema = schemathesis.openapi.from_dict(_description(stage))
    schema.app = stage.app
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            if mode is schemathesis.GenerationMode.POSITIVE or operation.path_parameters or operation.query:
                given(case=operation.as_strategy(generation_mode=mode))(few(lambda case: ask(case)))()
    return answered


def _description(stage: Stage) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(stage.browser().get("/api/openapi.json").text)
    return described
