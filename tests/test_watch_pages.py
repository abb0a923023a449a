"""The page in a real Chromium: what people see, click and draw, and that it asks nobody but the box."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdriver
from minebench.lab.ports import free_port
from minewatch.clock import SystemClock
from minewatch.config.load import read_config
from minewatch.events.event import Event
from minewatch.events.records import Media, media_path
from minewatch.events.store import Store
from minewatch.status import Status, TrackStatus
from minewatch.web.messages import Reload, Request
from minewatch.web.server import Page
from page_stage import bare_head, clip_mp4, config_at, jpeg_of, live_camera, scene, snapshot_jpeg, status_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(webdriver.DRIVER is None or webdriver.CHROMIUM is None,
                       reason="Chromium is not here: apt install chromium chromium-driver")]
SIDES = ("", "events", "events/1", "camera/Gate%202", "health", "audit", "zones/Gate%202")


class Watch:
    """A page with a watch behind it, in a thread, that says ten times a second what the test lets it say."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        config, self.path = config_at(folder, listen=f"127.0.0.1:{port}")
        self.path.write_text(self.path.read_text().replace("8787", str(port)))
        self.folder = folder / "state"
        self.store = Store.writer(self.folder)
        self.status: Status | None = status_of()
        self._requests: queue.Queue[Request] = queue.Queue()
        self._page = Page(config.model_copy(update={"state": self.folder}), SystemClock(), self.path)
        self._pictures = {camera.name: jpeg_of(2) for camera in config.cameras}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is, when it is there."""
        clock = SystemClock()
        end = clock.monotonic() + 40
        while not self._page.url:
            assert clock.monotonic() < end, self._page.fault
            threading.Event().wait(0.02)
        return self._page.url

    def happen(self, event: Event) -> int:
        """An event with a snapshot is committed; its number."""
        kept = self.store.append(event)
        path = media_path(kept, "snapshot")
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(snapshot_jpeg(2))
        self.store.set_media(Media(kept.seq, "snapshot", "kept", path, 9))
        return kept.seq

    def film(self, seq: int, content: bytes) -> None:
        """The event has a clip."""
        kept = self.store.event(seq)
        assert kept is not None
        path = media_path(kept, "clip")
        (self.folder / path).write_bytes(content)
        self.store.set_media(Media(seq, "clip", "kept", path, len(content)))

    def heard(self) -> Request:
        """The next thing that the page asks of the watch."""
        return self._requests.get(timeout=30)

    def stop(self) -> None:
        """All is gone afterwards."""
        self._over.set()
        self._thread.join()
        self._page.stop()
        self._page.kill()
        self.store.close()

    def _run(self) -> None:
        clock = SystemClock()
        while not self._over.wait(0.05):
            for request in self._page.turn(clock.monotonic()):
                self._requests.put(request)
            if self.status is not None:
                newest = self.store.newest()
                storage = replace(self.status.storage, seq=newest.seq if newest else 0)
                now = replace(self.status, wall=clock.wall(), monotonic=clock.monotonic(), storage=storage)
                self._page.publish(now, b"")
            for name in self._page.viewed:
                self._page.picture(name, self._pictures[name])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Browser]:
    with webdriver.chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    watch = Watch(tmp_path_factory.mktemp("watch"))
    try:
        yield watch
    finally:
        watch.stop()


@pytest.fixture
def watch(running: Watch, browser: webdriver.Browser) -> Watch:
    """All is well again, and one alarm is not acknowledged."""
    running.status = status_of()
    for kept in running.store.latest():
        running.store.acknowledge(kept.seq, "the next test")
    running.happen(bare_head(120))
    browser.size(1400, 900)
    browser.open(running.url + "?lang=en&theme=dark")
    browser.wait("document.querySelector('.bar.well')")
    for kind in ("browser", "performance"):
        browser.log(kind)
    return running


def _asked_of(browser: webdriver.Browser) -> set[str]:
    """The origins of all that the browser asked for since this was asked last."""
    log = "".join(one["message"] for one in browser.log("performance"))
    urls = re.findall(r'"url":"((?:https?|wss?|ftp):[^"]*)"', log)
    return {"/".join(url.split("/")[:3]) for url in urls}


def test_every_page_loads_without_a_complaint_and_asks_nobody_else(watch: Watch, browser: webdriver.Browser) -> None:
    for side in SIDES:
        browser.open(watch.url + side)
        browser.wait("document.readyState === 'complete' && !document.querySelector('.bar.alarm:not([hidden])')")
    browser.open(watch.url)
    browser.wait("document.querySelectorAll('img.there').length === 2")
    assert browser.run("return document.querySelector('img.there').naturalWidth") > 0
    assert [one["message"] for one in browser.log("browser")] == []
    assert _asked_of(browser) == {watch.url.rstrip("/")}


def test_a_new_event_comes_by_itself_and_is_acknowledged_by_hand(watch: Watch, browser: webdriver.Browser) -> None:
    browser.open(watch.url + "events")
    before = browser.run("return document.querySelectorAll('.row').length")
    seq = watch.happen(bare_head(1, "三号巷道", zone="belt"))
    browser.wait(f"document.querySelectorAll('.row').length === {before + 1}")
    assert "三号巷道 · belt" in browser.text(".row") and "2 alarms not acknowledged" in browser.text("#alarms")
    browser.click(".row a")
    browser.wait("document.querySelector('form.acknowledge') && document.querySelector('.snapshot').naturalWidth > 0")
    browser.type("form.acknowledge input[name=name]", "Wang Lei")
    browser.type("form.acknowledge textarea", "told him")
    browser.click("form.acknowledge button")
    browser.wait("document.querySelector('.done')")
    assert "Acknowledged by Wang Lei" in browser.text(".done") and "told him" in browser.text(".done")
    assert [(row.who, row.action, row.remark) for row in watch.store.audits(seq)] == [
        ("Wang Lei", "acknowledged", "told him")]
    browser.wait("document.querySelector('#alarms').innerText.includes('1 alarm not')")


def test_all_that_are_listed_are_acknowledged_together(watch: Watch, browser: webdriver.Browser) -> None:
    for at in (9, 6, 3):
        watch.happen(bare_head(at))
    browser.open(watch.url + "events?seen=no")
    browser.wait("document.querySelector('form.all button').innerText.includes('all 4 listed')")
    assert browser.run("return document.querySelectorAll('.row').length") == 4
    browser.run("document.querySelector('form.all [name=name]').value = 'Li Na'")
    browser.click("form.all button")
    browser.wait("location.search === '' && document.querySelector('form.all button').disabled")
    assert all(one.acknowledged for one in watch.store.incidents(limit=9))


def test_keys_lead_to_the_newest_alarm_and_send_the_form(watch: Watch, browser: webdriver.Browser) -> None:
    seq = watch.happen(bare_head(1))
    browser.wait(f"document.querySelector('[data-key=a]')?.getAttribute('href') === '/events/{seq}'")
    browser.type("body", "a")
    browser.wait(f"location.pathname === '/events/{seq}' && document.querySelector('form.acknowledge')")
    browser.type("body", "a")
    browser.wait("document.activeElement.name === 'name'")
    browser.run("document.activeElement.value = ''")
    browser.type("form.acknowledge input[name=name]", "Li Na\ue009\ue007")  # Ctrl+Enter
    browser.wait("document.querySelector('.done')")
    assert watch.store.audits(seq)[0].who == "Li Na"


def test_a_watch_that_falls_silent_is_shown_as_not_watching(watch: Watch, browser: webdriver.Browser) -> None:
    browser.wait("document.querySelector('.bar.well')")
    watch.status = None
    browser.wait("document.querySelector('.bar.alarm:not([hidden])')?.innerText.includes('NOT WATCHING')")
    browser.wait("document.querySelectorAll('.veil').length === 2")


def test_a_page_without_its_box_says_so(watch: Watch, browser: webdriver.Browser) -> None:
    browser.wait("document.querySelector('.bar.well')")
    browser.ask("POST", "/chromium/network_conditions", network_conditions={
        "offline": True, "latency": 0, "download_throughput": 0, "upload_throughput": 0})
    try:
        browser.wait("!document.getElementById('lost').hidden && document.getElementById('bar').hidden")
        assert "What it shows is old" in browser.text("#lost")
    finally:
        browser.ask("DELETE", "/chromium/network_conditions")
    browser.wait("document.getElementById('lost').hidden")
    browser.log("browser")  # the requests that failed meanwhile


def test_a_blind_camera_is_covered_and_an_alarm_is_marked(watch: Watch, browser: webdriver.Browser) -> None:
    track = TrackStatus(7, (0.4, 0.3, 0.5, 0.5), "bare", True)
    assert watch.status is not None
    watch.status = replace(watch.status, watching=False, cameras=(
        live_camera("Gate 2", tracks=(track,), open_incidents=1),
        live_camera("三号巷道", standing="blind", cause="covered", age_ms=None)))
    browser.wait("document.querySelector('.plate.fault') && document.querySelector('.plate.alarm')")
    assert "NOT WATCHED" in browser.text("#veil-1") and "blind: covered" in browser.text("#veil-1")
    over = browser.run("const box = document.querySelector('#veil-1 .veil').getBoundingClientRect();"
                       "const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 3);"
                       "return top.closest('.veil') !== null && box.width > 200")
    assert over, "the old picture lies above the veil"
    assert browser.run("return [...document.querySelectorAll('.plate')].map((one) => one.innerText.trim())"
                       )[0].startswith("Gate 2")


def test_a_new_alarm_sounds_where_sound_was_switched_on(watch: Watch, browser: webdriver.Browser) -> None:
    browser.run("window.beeps = 0; window.beep = () => { window.beeps += 1; }")
    watch.happen(bare_head(2))
    browser.wait("document.querySelector('#alarms').innerText.includes('2 alarms')")
    assert browser.run("return window.beeps") == 0
    browser.click("#sound")
    assert browser.text("#sound") == "Sound on" and browser.run("return window.beeps") == 1, "it shows how it sounds"
    seq = watch.happen(bare_head(1))
    browser.wait("window.beeps === 2")
    watch.happen(bare_head(1, loud=False))
    browser.wait(f"Number(document.querySelector('#alarms').dataset.newest) === {seq}")
    browser.open(watch.url)
    browser.wait("document.querySelector('.bar.well')")
    assert browser.text("#sound") == "Sound off", "a page that nobody touched is mute, and says so"
    browser.run("localStorage.clear()")


def test_a_clip_plays(watch: Watch, browser: webdriver.Browser, tmp_path: Path) -> None:
    seq = watch.happen(bare_head(3))
    watch.film(seq, clip_mp4(tmp_path / "clip.mp4"))
    browser.open(f"{watch.url}events/{seq}")
    browser.wait("document.querySelector('video.clip')?.readyState >= 2")
    assert browser.run("return [document.querySelector('video').duration, document.querySelector('video').error]") == [
        pytest.approx(2.0, abs=0.2), None]


def test_zones_are_drawn_by_clicks_and_saved_as_drawn(watch: Watch, browser: webdriver.Browser) -> None:
    browser.open(watch.url + "zones/Gate%202")
    browser.wait("document.querySelector('img.there')")
    drawn = [(0.2, 0.3), (0.7, 0.3), (0.7, 0.8), (0.3, 0.85)]
    browser.press("#sheet", (0.1, 0.1))
    browser.type("body", "\ue009z\ue009")  # Ctrl+Z
    browser.press("#sheet", *drawn, drawn[0])
    browser.wait("document.querySelectorAll('#zones li').length === 1")
    browser.run("const name = document.querySelector('#zones .name'); name.value = '门口';"
                "name.dispatchEvent(new Event('change'))")
    browser.run("const rule = document.querySelector('#zones .rule'); rule.value = 'no_entry';"
                "rule.dispatchEvent(new Event('change'))")
    browser.click("#save")
    browser.wait("document.getElementById('told').innerText.includes('Saved')")
    zone, = read_config(watch.path).cameras[0].zones
    assert (zone.name, zone.rule) == ("门口", "no_entry")
    np.testing.assert_allclose(zone.points, drawn, atol=0.004)
    assert watch.heard() == Reload()
    browser.press("#sheet", (0.05, 0.05), (0.1, 0.05), (0.05, 0.1), (0.12, 0.1), (0.05, 0.05))  # it crosses itself
    browser.click("#save")
    browser.wait("document.getElementById('told').innerText.includes('Not saved')")
    browser.log("browser")  # the refusal
    assert len(read_config(watch.path).cameras[0].zones) == 1
    browser.run("past.length = 0")  # it may be left without being asked


def test_chinese_is_chinese_and_stays_so(watch: Watch, browser: webdriver.Browser) -> None:
    browser.open(watch.url + "?lang=zh")
    browser.wait("document.querySelector('.bar.well')")
    assert "2 个摄像机均在监视中" in browser.text("#bar")
    assert browser.run("return document.documentElement.lang") == "zh-CN"
    newest = watch.store.newest()
    assert newest is not None
    browser.open(f"{watch.url}events/{newest.seq}")
    assert all(word in browser.text() for word in ("未戴安全帽", "确认", "您的姓名"))
    english = re.findall(r"[A-Za-z]{3,}", browser.text("main"))
    assert set(english) <= {"Gate", "UTC", "Ctrl", "Enter"}, english


def test_dark_and_light_are_so_and_words_stand_out_in_both(watch: Watch, browser: webdriver.Browser) -> None:
    assert watch.status is not None
    watch.status = replace(watch.status, watching=False, cameras=(
        live_camera("Gate 2", open_incidents=1), live_camera("三号巷道", standing="waiting", cause="auth")))
    for theme, dark in (("dark", True), ("light", False)):
        browser.open(watch.url + f"?lang=en&theme={theme}")
        browser.wait("document.querySelector('.plate.fault')")
        ground = _colour(browser, "body", "backgroundColor")
        assert (sum(ground) < 200) == dark
        for selector in (".bar.alarm b", ".bar.notice b", ".plate.alarm b", ".plate.fault b", "nav a", ".clock",
                         ".tool", ".veil span"):
            contrast = browser.run(CONTRAST, selector)
            assert contrast >= 4.5, (theme, selector, contrast)


CONTRAST = """
const found = document.querySelector(arguments[0]);
const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (rgb) => rgb.slice(0, 3).map((part) => part / 255).map((part) =>
    part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
let ground = null;
for (let one = found; one; one = one.parentElement) {
    const colour = numbers(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0.9) { ground = colour; break; }
}
const pair = [light(numbers(getComputedStyle(found).color)), light(ground)].sort((a, b) => b - a);
return (pair[0] + 0.05) / (pair[1] + 0.05);
"""


def _colour(browser: webdriver.Browser, selector: str, name: str) -> list[int]:
    text: Any = browser.run("return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector,
                            name)
    return [int(part) for part in re.findall(r"\d+", text)[:3]]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_phone_shows_every_page_without_scrolling_sideways(watch: Watch, browser: webdriver.Browser,
                                                             language: str) -> None:
    browser.size(360, 740)
    browser.open(watch.url + f"?lang={language}")
    for side in SIDES:
        browser.open(watch.url + side)
        assert browser.run("return document.documentElement.scrollWidth") <= 360, side


def test_a_picture_of_the_scene_is_what_is_shown(watch: Watch, browser: webdriver.Browser) -> None:
    browser.wait("document.querySelector('img.there')?.naturalWidth > 0")
    told = browser.run("const image = document.querySelector('img.there'), sheet = new OffscreenCanvas(32, 18);"
                       "const brush = sheet.getContext('2d'); brush.drawImage(image, 0, 0, 32, 18);"
                       "return [...brush.getImageData(0, 0, 32, 18).data]")
    import cv2

    shown = np.reshape(told, (18, 32, 4))[..., 2::-1].astype(float)
    wanted = cv2.resize(scene(2).frame, (32, 18), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(shown - wanted).mean() < 12
