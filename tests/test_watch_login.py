"""Who is let in to the page, what they may, and what becomes of those who guess, forge and borrow."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hand_clock import HandClock
from itsdangerous import URLSafeSerializer
from minewatch.config import passwords
from minewatch.config.passwords import hashed
from minewatch.web.attempts import FREE, LONGEST_WAIT, Attempts
from minewatch.web.people import LOCAL
from minewatch.web.sessions import COOKIE, SHIFT, Sessions
from page_stage import Browser, Stage, bare_head

PASSWORDS = {"ada": "admin's word", "oleg": "operator's word", "vera": "viewer's word"}
ROLES = {"ada": "admin", "oleg": "operator", "vera": "viewer"}
OPEN = {"/healthz", "/readyz", "/login", "/static"}


@pytest.fixture(scope="module")
def users() -> list[dict[str, str]]:
    """Their hashes are cheaper to try than those of real users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "COST", 10)
        return [{"name": name, "role": ROLES[name], "password_hash": hashed(word)}
                for name, word in PASSWORDS.items()]


@pytest.fixture
def stage(tmp_path: Path, users: list[dict[str, str]]) -> Iterator[Stage]:
    with Stage(tmp_path, users=users) as stage:
        stage.happen(bare_head())
        yield stage


def _in(stage: Stage, name: str) -> Browser:
    browser = stage.browser()
    answer = browser.post("/login", {"name": name, "password": PASSWORDS[name]})
    assert answer.status_code == 303, answer.text
    return browser


def _paths(stage: Stage) -> list[tuple[str, str]]:
    filled = {"{name}": "Gate 2", "{seq:int}": "1"}
    found = []
    for route in stage.app.routes:
        path = route.path
        for key, value in filled.items():
            path = path.replace(key, value)
        found += [(method, path) for method in getattr(route, "methods", None) or () if path not in OPEN]
    return found


def test_nothing_but_the_health_checks_and_the_form_answers_strangers(stage: Stage) -> None:
    """G5: every route, for somebody without a login: 401, or the way to the form."""
    for method, path in _paths(stage):
        answer = stage.browser().ask(method, path)
        assert answer.status_code in (401, 303), (method, path, answer.status_code)
        assert answer.status_code == 401 or answer.headers["location"].startswith("/login?next=")
    assert stage.browser().get("/healthz").status_code == 200


def test_each_role_may_what_it_may_and_no_more(stage: Stage) -> None:
    """G5: a viewer acknowledges nothing, an operator draws no zones; both are written down."""
    expected = {"vera": (200, 403, 403, 403), "oleg": (200, 303, 403, 403), "ada": (200, 303, 200, 200)}
    for name, codes in expected.items():
        browser = _in(stage, name)
        got = (browser.get("/events/1").status_code, browser.post("/events/1/acknowledge").status_code,
               browser.get("/zones/Gate 2").status_code, browser.get("/audit").status_code)
        assert got == codes, name
    rows = [(row.who, row.action) for row in stage.store.audits(limit=50)]
    assert rows.count(("vera", "forbidden")) == 3 and rows.count(("oleg", "forbidden")) == 2
    assert [row.who for row in stage.store.audits(1)] == ["ada", "oleg"]


def test_who_logged_in_cannot_sign_with_another_name(stage: Stage) -> None:
    _in(stage, "oleg").post("/events/1/acknowledge", {"name": "ada", "remark": "seen"})
    assert [(row.who, row.remark) for row in stage.store.audits(1)] == [("oleg", "seen")]


def test_after_five_wrong_passwords_each_try_waits_longer(stage: Stage) -> None:
    """G5: a hundred wrong logins: five are tried, the others are 429, all are in the audit up to 30 a minute."""
    browser = stage.browser()
    codes = []
    for _ in range(20):
        answer = browser.post("/login", {"name": "ada", "password": "guess"})
        codes.append(answer.status_code)
    assert codes == [401] * 5 + [429] * 15
    assert int(answer.headers["retry-after"]) >= 1
    actions = [row.action for row in stage.store.audits(limit=200)]
    assert actions.count("login_refused") == 5 and actions.count("login_too_soon") == 15


def test_the_right_password_waits_too_and_another_user_at_another_place_does_not(stage: Stage) -> None:
    for _ in range(6):
        stage.browser("10.0.0.9").post("/login", {"name": "ada", "password": "guess"})
    late = stage.browser("10.0.0.8").post("/login", {"name": "ada", "password": PASSWORDS["ada"]})
    same_place = stage.browser("10.0.0.9").post("/login", {"name": "vera", "password": PASSWORDS["vera"]})
    other = stage.browser("10.0.0.8").post("/login", {"name": "vera", "password": PASSWORDS["vera"]})
    assert (late.status_code, same_place.status_code, other.status_code) == (429, 429, 303)


def test_waits_rise_and_end() -> None:
    """G5: on a clock turned by hand."""
    attempts, now, waits = Attempts(), 0.0, []
    for _ in range(FREE + 9):
        waits.append(attempts.wait(("user ada",), now))
        now += waits[-1]
        attempts.wrong(("user ada",), now)
    assert waits[:FREE] == [0.0] * FREE and waits[FREE:] == sorted(waits[FREE:]) and waits[-1] == LONGEST_WAIT
    assert attempts.wait(("user ada",), now + 3601) == 0.0
    attempts.right(("user ada",))
    assert attempts.wait(("user ada",), now) == 0.0


def test_forged_sessions_open_nothing(stage: Stage) -> None:
    """G5: a cookie under another key, of another kind, with a changed name, with a cut signature."""
    real = _in(stage, "vera").cookies[COOKIE]
    told = URLSafeSerializer("x").loads_unsafe(real)[1]
    other = str(URLSafeSerializer(b"another key", salt="minewatch session").dumps({**told, "user": "ada"}))
    body, _, signature = real.rpartition(".")
    changed = base64.urlsafe_b64encode(b'{"id":"1","user":"ada","began":9e9,"pin":""}').decode().rstrip("=")
    forged = [other, f"{changed}.{signature}", real[:-1], body, "", "null", "." * 5000, "é", real.swapcase()]
    for cookie in forged:
        answer = stage.browser().ask("GET", "/api/status", headers={b"Cookie": f"{COOKIE}={cookie}".encode()})
        assert answer.status_code == 401, cookie
    assert [row.action for row in stage.store.audits(limit=50)].count("session_refused") >= len(forged) - 1


def test_a_session_ends_with_the_shift_the_logout_and_the_password(stage: Stage, tmp_path: Path) -> None:
    """G5: an expired, an ended and an outlived session; what was ended stays so after a restart."""
    users = stage.config.web.users
    clock = HandClock()
    sessions = Sessions(tmp_path, clock)
    session, cookie = sessions.opened(users[0])
    assert sessions.read(cookie, users) == session
    changed = users[0].model_copy(update={"password_hash": hashed("another")})
    assert sessions.read(cookie, [changed]) is None and sessions.read(cookie, []) is None
    for away in (SHIFT + 1, -3600.0):
        clock.go(away)
        assert sessions.read(cookie, users) is None
        clock.go(-away)
    sessions.end(session)
    assert sessions.read(cookie, users) is None and Sessions(tmp_path, clock).read(cookie, users) is None


def test_a_copied_cookie_is_worth_nothing_after_the_logout(stage: Stage) -> None:
    browser, thief = _in(stage, "vera"), stage.browser()
    thief.cookies.set(COOKIE, browser.cookies[COOKIE], domain="localhost.local")
    assert thief.get("/api/status").status_code == 200
    assert browser.post("/logout").status_code == 303
    assert thief.get("/api/status").status_code == 401


def test_the_cookie_is_out_of_reach_and_the_key_is_the_owners(stage: Stage) -> None:
    answer = stage.browser().post("/login", {"name": "vera", "password": PASSWORDS["vera"]},
                                  headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.1.1"})
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "secure", "max-age"))
    assert stat.S_IMODE((stage.folder / "page.key").stat().st_mode) == 0o600


def test_logging_in_leads_back_to_this_page_and_to_no_other(stage: Stage) -> None:
    for path, target in (("/events?camera=x", "/events?camera=x"), ("//evil.example/", "/"), ("/\\evil.example", "/"),
                         ("https://evil.example", "/"), ("/a\r\nX: y", "/"), ("javascript:alert(1)", "/")):
        answer = stage.browser().post("/login", {"name": "vera", "password": PASSWORDS["vera"], "next": path})
        assert answer.headers["location"] == target


def test_forms_of_other_sites_and_sessions_do_nothing(stage: Stage) -> None:
    """G5: CSRF: no token, another session's token, another site's origin, for every route that changes something."""
    ada = _in(stage, "ada")
    other = stage.browser().get("/login").text.split('name="token" value="')[1].split('"')[0]
    posts = [path for method, path in _paths(stage) if method == "POST"] + ["/login"]
    assert len(posts) >= 4
    for path in posts:
        for headers, token in (({}, ""), ({}, other), ({"X-CSRF-Token": other}, other), ({"X-Minewatch": "1"}, ""),
                               ({"Origin": "http://evil.example"}, ""), ({"Origin": "null"}, ""),
                               ({"Sec-Fetch-Site": "cross-site"}, "")):
            content = {"data": {"token": token}} if "api" not in path and "zones" not in path else {"json": {}}
            answer = ada.ask("POST", path, headers=headers, **content)
            assert answer.status_code == 403, (path, headers, answer.status_code)
    assert stage.store.audits(1) == [] and stage.said == []


def test_programs_log_in_with_each_request(stage: Stage) -> None:
    def asks(name: str, password: str) -> Any:
        return stage.browser().get("/api/status", auth=(name, password))

    assert asks("vera", PASSWORDS["vera"]).status_code == 200
    assert asks("vera", "wrong").status_code == 401 and asks("nobody", "wrong").status_code == 401
    assert asks("vera", "wrong").headers["www-authenticate"].startswith("Basic")
    for broken in ("Basic", "Basic !!", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer x", ""):
        assert stage.browser().get("/api/status", headers={"Authorization": broken}).status_code == 401
    oleg = base64.b64encode(f"oleg:{PASSWORDS['oleg']}".encode()).decode()
    done = stage.browser().tell("/api/events/1/acknowledge", {"remark": "by a program"}, Authorization=f"Basic {oleg}")
    assert done.json()["acknowledged"]["who"] == "oleg"


def test_where_nobody_is_named_who_sits_at_the_box_is_let_in_and_no_proxy(tmp_path: Path) -> None:
    """G6: a proxy before a page without a login is refused with the cure."""
    with Stage(tmp_path) as stage:
        assert stage.browser().get("/audit").status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto"):
            answer = stage.browser().get("/", headers={header: "10.0.0.7"})
            assert answer.status_code == 403 and "password_hash" in answer.text
        assert stage.browser().get("/readyz", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 200
        stage.happen(bare_head())
        stage.browser().post("/events/1/acknowledge", {"name": "Li Na"})
        assert [row.who for row in stage.store.audits(1)] == ["Li Na"] and LOCAL not in stage.store.audits(1)[0].who
