"""The page's process, as the watch holds it: started, told, heard, replaced; and its words, zones and filters."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hand_clock import HandClock
from minebench.lab.ports import free_port
from minehat.errors import MineHatError
from minewatch.clock import SystemClock
from minewatch.config.load import read_config
from minewatch.config.schema import ZonePart
from minewatch.events.event import Kind
from minewatch.events.store import Store
from minewatch.outlook import OLD
from minewatch.status import DetectorStatus, SinkStatus
from minewatch.web.board import Board
from minewatch.web.messages import Live, News, Reload, setup_of
from minewatch.web.server import SILENT_SECONDS, Page
from minewatch.web.words import FOLDER, LANGUAGES, all_words
from minewatch.web.zones import write_zones
from page_stage import YAML, Stage, bare_head, config_at, end_of, jpeg_of, live_camera, status_of

CLOCK = SystemClock()
SQUARE = ((0.1, 0.1), (0.6, 0.1), (0.6, 0.6), (0.1, 0.6))


def _until(page: Page, is_so: Callable[[], object], seconds: float = 40.0) -> None:
    """Turn the page, as the watch's loop would, until something is so."""
    end = CLOCK.monotonic() + seconds
    while not is_so():
        assert CLOCK.monotonic() < end, f"not within {seconds:g} s; the page: {page.fault or page.url or 'silent'}"
        threading.Event().wait(0.02)
        page.turn(CLOCK.monotonic())


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    config, path = config_at(tmp_path, listen=f"127.0.0.1:{free_port()}")
    config = config.model_copy(update={"state": tmp_path / "state"})
    Store.writer(config.state).close()
    page = Page(config, CLOCK, path)
    yield page
    page.stop()
    page.kill()


def test_the_page_starts_shows_what_it_is_told_and_tells_who_looks(page: Page) -> None:
    _until(page, lambda: page.url)
    picture = jpeg_of(3)
    with httpx.Client(base_url=page.url, trust_env=False, timeout=20) as client:
        def is_ready() -> bool:
            page.publish(status_of(), b"up 1\n")
            return client.get("/readyz").status_code == 200

        _until(page, is_ready)
        assert client.get("/camera/Gate 2/picture.jpg").status_code == 204
        _until(page, lambda: page.viewed == {"Gate 2"})
        page.picture("Gate 2", picture)
        _until(page, lambda: client.get("/camera/Gate 2/picture.jpg").content == picture)


def test_a_page_that_is_killed_is_started_again(page: Page) -> None:
    _until(page, lambda: page.url)
    os.kill(_pid(page), signal.SIGKILL)
    _until(page, lambda: not page.url)
    assert page.fault == "the page's process ended"
    _until(page, lambda: page.url)
    assert page.started == 2


def test_a_page_that_hangs_blocks_nobody_and_is_replaced(page: Page) -> None:
    _until(page, lambda: page.url)
    os.kill(_pid(page), signal.SIGSTOP)
    began = CLOCK.monotonic()
    big = b"x" * 1_000_000
    for _ in range(200):
        page.publish(status_of(), b"")
        page.picture("Gate 2", big)
        page.turn(CLOCK.monotonic())
    assert CLOCK.monotonic() - began < SILENT_SECONDS / 2, "the watch waited for the page"
    later = CLOCK.monotonic() + SILENT_SECONDS + 1
    page.turn(later)
    assert page.fault == "the page's process hung" and page.url == ""
    page.turn(later + 2)
    _until(page, lambda: page.url)


def test_a_place_that_is_taken_is_told_and_tried_again(page: Page) -> None:
    port = int(page._setup.web.listen.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        _until(page, lambda: "already in use" in page.fault)
    _until(page, lambda: page.url)


def test_a_reload_is_told_and_another_address_moves_the_page(page: Page, tmp_path: Path) -> None:
    _until(page, lambda: page.url)
    page.publish(status_of(), b"")
    before, config = page.url, config_at(tmp_path)[0].model_copy(update={"state": tmp_path / "state"})
    renamed = config.model_copy(update={"web": page._setup.web, "site": "South mine"})
    page.replace(renamed)
    _until(page, lambda: "South mine" in httpx.get(before, trust_env=False, timeout=30).text)
    assert page.started == 1
    page.replace(renamed.model_copy(update={"web": config.web.model_copy(
        update={"listen": f"unix:{tmp_path / 'page.sock'}"})}))
    _until(page, lambda: page.url.startswith("unix:"))
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "page.sock")), timeout=30) as client:
        assert client.get("http://localhost/healthz").json()["alive"] is False
    with pytest.raises(MineHatError, match="network"):
        page.replace(config.model_copy(update={"web": config.web.model_copy(update={"listen": "0.0.0.0:80"})}))


def test_the_page_leaves_when_the_watch_is_killed(tmp_path: Path) -> None:
    program = (f"import sys; sys.path[:0] = {sys.path!r}\n"
               "from test_watch_web import *\n"
               "if __name__ == '__main__':\n"
               f"    config, path = config_at(Path({str(tmp_path)!r}), listen='unix:{tmp_path}/page.sock')\n"
               "    page = Page(config, CLOCK, path)\n"
               "    _ = [page.turn(CLOCK.monotonic())]\n"
               "    from test_watch_web import _pid, _until\n"
               "    _until(page, lambda: page.url)\n"
               "    print(_pid(page), flush=True)\n"
               "    threading.Event().wait(60)\n")
    (tmp_path / "watch.py").write_text(program)
    with subprocess.Popen([sys.executable, str(tmp_path / "watch.py")], stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        pid = int(watch.stdout.readline())
        watch.kill()
    end = CLOCK.monotonic() + 20
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert CLOCK.monotonic() < end, "the page outlived its watch"
        threading.Event().wait(0.05)


def _pid(page: Page) -> int:
    assert page._running is not None and page._running.process.pid is not None
    return page._running.process.pid


def test_every_word_is_there_in_every_language_and_every_key_that_templates_ask_for() -> None:
    english = all_words("en")
    for language in LANGUAGES:
        words = all_words(language)
        assert set(words) == set(english)
        for key, word in words.items():
            assert word.strip() and word.count("{}") == english[key].count("{}"), key
    sheets = "".join(path.read_text() for path in (FOLDER.parent / "templates").glob("*.html"))
    code = "".join(path.read_text() for path in FOLDER.parent.glob("*.py"))
    asked = set(re.findall(r"t\['(\w+)'\]", sheets)) | set(re.findall(r'words(?:\(request\))?\["(\w+)"\]', code))
    assert asked <= set(english), asked - set(english)
    chinese = [key for key, word in all_words("zh").items() if not re.search("[\u4e00-\u9fff]", word)]
    assert chinese == ["key_hint"], "these are not Chinese"


def test_there_is_a_word_for_every_kind_standing_and_cause() -> None:
    from typing import get_args

    from minewatch.cameras.messages import Cause
    from minewatch.status import CameraStanding

    english = all_words("en")
    wanted = [f"kind_{kind}" for kind in get_args(Kind)] + [f"cause_{cause}" for cause in get_args(Cause)]
    wanted += [f"standing_{standing}" for standing in get_args(CameraStanding)]
    wanted += [f"rule_{rule}" for rule in get_args(ZonePart.model_fields["rule"].annotation)]
    wanted += [f"cause_{fault}" for fault in ("dark", "glare", "blurred", "covered", "frozen", "moved")]
    assert [word for word in wanted if word not in english] == []


@pytest.mark.parametrize(("header", "query", "language"), [
    ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"), ("de,en;q=0.5,zh;q=0.4", "", "en"), ("", "", "en"),
    ("*;q=x,,;", "", "en"), ("en", "?lang=zh", "zh-CN"), ("zh", "?lang=xx", "zh-CN"), ("zh;q=0,en", "", "en")])
def test_the_language_is_the_one_that_somebody_wants(tmp_path: Path, header: str, query: str, language: str) -> None:
    with Stage(tmp_path) as stage:
        browser = stage.browser(**{"Accept-Language": header})
        assert f'<html lang="{language}"' in browser.get(f"/{query}").text
        assert f'<html lang="{language}"' in browser.get("/events").text, "it is forgotten on the next page"


def test_silence_is_never_shown_as_safety(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.board._news = None
        assert "NOT WATCHING" in stage.browser().get("/").text
        status = status_of()
        for told, shown in ((status, "All 2 cameras are watched"),
                            (replace(status, monotonic=status.monotonic - 3.5), "NOT WATCHING"),
                            (replace(status, watching=False), "NOT WATCHING"),
                            (status_of([live_camera("Gate 2", standing="waiting", cause="auth")], watching=False),
                             "wrong user or password"),
                            (replace(status, clock_suspect=True), "The clock is not synchronised"),
                            (replace(status, troubles=("something",)), "something")):
            stage.tell(told)
            page = stage.browser().get("/").text
            assert shown in page
            assert ('class="bar well"' in page) == (shown.startswith("All")), shown


def test_an_old_picture_is_not_shown_as_a_new_one(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.show("Gate 2", b"jpeg")
        first = stage.browser().get("/camera/Gate 2/picture.jpg")
        assert first.content == b"jpeg"
        live = stage.board._pictures["Gate 2"]
        stage.board.take(replace(live, moment=live.moment - 6))
        assert stage.browser().get("/camera/Gate 2/picture.jpg").status_code == 204
        assert stage.browser().get("/camera/nobody/picture.jpg").status_code == 404
        assert "nobody" not in stage.board.viewed()


def test_the_list_is_filtered_and_turned_page_by_page(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        first = bare_head(4000, "三号巷道")
        stage.happen(first, end_of(first), *(bare_head(3000 - at) for at in range(60)))
        stage.browser().post("/events/1/acknowledge", {"name": "Li"})
        browser = stage.browser()

        def numbers(query: str) -> list[int]:
            return [int(found) for found in re.findall(r'<a href="/events/(\d+)">\s*<span', browser.get(query).text)]

        newest = numbers("/events")
        older = re.search(r'href="(/events\?before=\d+)"', browser.get("/events").text)
        assert older is not None
        assert newest + numbers(older[1]) == [*range(62, 2, -1), 1]
        assert numbers("/events?camera=三号巷道") == [1] == numbers("/events?seen=yes")
        assert len(numbers("/events?show=all&kind=bare_head_ended")) == 1
        since = "2020-01-01T00:00"
        assert numbers(f"/events?until={since}") == [] and len(numbers(f"/events?since={since}")) == 40
        assert len(numbers("/events?since=nonsense&before=x&kind=nonsense&seen=x")) == 40
        rows = browser.get("/events.csv?camera=三号巷道").text.splitlines()
        assert len(rows) == 2 and ",Li," in rows[1]


def test_only_what_was_listed_is_acknowledged(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.happen(*(bare_head(at) for at in (9, 6, 3)))
        browser = stage.browser()
        assert 'name="listed" value="3,2,1"' in browser.get("/events").text
        stage.happen(bare_head(0))
        assert browser.post("/events/acknowledge", {"name": "Li", "listed": "3,2,1"}).status_code == 303
        assert [stage.store.incident(seq).acknowledged is not None for seq in (1, 2, 3, 4)] == [True] * 3 + [False]
        for listed in ("x", "1,", "-1", "1 2", ",".join("1" * 41), "9" * 30):
            assert browser.post("/events/acknowledge", {"name": "Li", "listed": listed}).status_code == 422
        assert browser.post("/events/acknowledge", {"listed": "4"}).status_code == 422


def test_zones_are_written_between_the_mines_own_words(tmp_path: Path) -> None:
    path = config_at(tmp_path)[1]
    write_zones(path, "三号巷道", (ZonePart(name="门口", points=SQUARE, rule="no_entry"),))
    write_zones(path, "Gate 2", (ZonePart(name="lamps", points=SQUARE, count=False),))
    text = path.read_text()
    assert all(word in text for word in ("# The mine's own words stay where they are.", "# by the lamp room", "geheim"))
    kept = [line for line in YAML.splitlines() if not line.startswith("    zones:") and not line.startswith("      ")]
    assert [line for line in text.splitlines() if line in kept] == kept, "other lines were written anew"
    config = read_config(path)
    assert [(zone.name, zone.rule, zone.points) for zone in config.cameras[1].zones] == [("门口", "no_entry", SQUARE)]
    assert config.cameras[0].zones[0].count is False and path.stat().st_mode & 0o777 == 0o600
    write_zones(path, "Gate 2", ())
    assert read_config(path).cameras[0].zones == ()


def test_zones_that_the_configuration_would_not_take_leave_it_as_it_was(tmp_path: Path) -> None:
    path = config_at(tmp_path)[1]
    with pytest.raises(MineHatError, match="no camera Nobody"):
        write_zones(path, "Nobody", ())
    broken = YAML.replace("version: 1", "version: one")
    path.write_text(broken)
    with pytest.raises(MineHatError):
        write_zones(path, "Gate 2", (ZonePart(name="a", points=SQUARE),))
    path.write_text("cameras: [")
    with pytest.raises(MineHatError, match="Mend it"):
        write_zones(path, "Gate 2", ())
    assert path.read_text() == "cameras: ["


def test_saved_zones_ask_for_a_reload_and_keep_a_zones_own_rules(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        page = stage.browser().get("/zones/三号巷道").text
        found = re.search(r'data-zones="([^"]*)"', page)
        assert found is not None
        zones = json.loads(found[1].replace("&#34;", '"'))
        assert zones[0]["rules"] == {"seconds": 2.5}
        answer = stage.browser().tell("/zones/三号巷道", {"zones": [*zones, {"name": "new", "points": SQUARE}]})
        assert (answer.status_code, stage.said) == (200, [Reload()])
        saved = read_config(stage.path).cameras[1].zones
        assert [zone.name for zone in saved] == ["belt", "new"] and saved[0].rules.seconds == 2.5
        one = {"name": "a", "points": SQUARE}
        for wrong in ({}, {"zones": 3}, {"zones": [{}] * 40}, {"zones": [one, one]}, {"zones": [{**one, "more": 1}]},
                      {"zones": [{**one, "points": [[0, 0], [1, 1]]}]}, {"zones": [{**one, "name": "\ud800"}]},
                      {"zones": [{**one, "points": [[0, 0], [2, 1], [1, 1]]}]}):
            answer = stage.browser().tell("/zones/三号巷道", wrong)
            assert answer.status_code == 422 and answer.json()["error"]
        assert stage.browser().tell("/zones/nobody", {"zones": []}).status_code == 404
        assert [row.action for row in stage.store.audits()] == ["zones_saved"]


def test_a_store_that_cannot_be_read_leaves_the_live_page_standing(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        for file in stage.folder.glob("events.db*"):
            file.unlink()
        page = stage.browser().get("/")
        assert page.status_code == 200 and "Events cannot be read now" in page.text
        assert stage.browser().get("/events").status_code == 503
        assert "Traceback" not in stage.browser().get("/events").text


def test_a_camera_whose_pictures_nobody_looks_at_is_not_shown_as_watched(tmp_path: Path) -> None:
    """D2: frames arrive, the newest result was a young one, and yet nobody has looked for seconds."""
    with Stage(tmp_path) as stage:
        unseen = live_camera("Gate 2", last_looked=OLD + 1, age_ms=80.0)
        stage.tell(status_of((unseen, live_camera("三号巷道")), watching=False))
        for page in ("/", "/camera/Gate 2", "/health"):
            assert stage.browser().get(page).text.count("no picture has been looked at for seconds") >= 1
        stage.tell(status_of((live_camera("Gate 2"), live_camera("三号巷道"))))
        assert "no picture has been looked at" not in stage.browser().get("/camera/Gate 2").text


def test_events_that_a_receiver_refused_are_counted_on_the_page(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.tell(status_of(sinks=(SinkStatus("webhook one", "well", skipped=3),)))
        assert "3 refused and passed over" in stage.browser().get("/health").text


def test_a_detector_that_fails_often_is_told_beside_other_troubles(tmp_path: Path) -> None:
    """D3: one trouble hides no other."""
    with Stage(tmp_path) as stage:
        stage.tell(status_of(detector=DetectorStatus("degraded", looking=True), clock_suspect=True))
        page = stage.browser().get("/").text
        assert "Detector: degraded" in page and "clock" in page


def test_what_is_known_grows_old(tmp_path: Path) -> None:
    config, path = config_at(tmp_path)
    clock = HandClock(100.0)
    board = Board(setup_of(config, path), clock)
    board.take(News(status_of(monotonic=100.0), b""))
    board.take(Live("Gate 2", b"jpeg", 100.0))
    assert board.glance("Gate 2") is not None and board.watching and board.viewed() == ("Gate 2",)
    clock.now += 3.1
    assert board.fresh is None and not board.watching and board.viewed() == ("Gate 2",)
    clock.now += 2.0
    assert board.viewed() == () and board.glance("Gate 2") is None
    board.take(setup_of(config.model_copy(update={"cameras": config.cameras[1:]}), path))
    assert board.setup.camera("Gate 2") is None
