"""Does a secret stay out of logs, tracebacks and other texts, in whatever form it comes?"""

import base64
import contextlib
import errno
import html
import json
import logging
import os
import pickle
import resource
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from minewatch import logs
from minewatch.config.load import config_of
from minewatch.config.passwords import hashed
from minewatch.config.schema import LogPart
from minewatch.log_file import PARTS, CappedFile
from minewatch.redact import SHORTEST, Redactor

WORD = "p@ss/w:rd?7&ü\"'"
CONFIG = """\
version: 1
state: state
model: {file: helmet.onnx}
cameras:
  - {name: a, url: "rtsp://10.0.0.1/live", user: admin, password: "Fortuna-One"}
  - {name: b, url: "rtsp://admin:Fortuna%20Two@10.0.0.2/live"}
  - {name: c, url: "rtsp://10.0.0.3/live?user=x&token=Fortuna3"}
  - {name: d, url: "rtsp://10.0.0.4/user=admin_password=Fortuna4_channel=1"}
  - {name: e, url: "rtsp://admin:For/tu@na5@10.0.0.5/live"}
  - {name: f, url: "rtsp://10.0.0.6/live", user: admin, password: {env: FORTUNA_SIX}}
sinks:
  mqtt: {host: broker, user: u, password: "Fortuna-Seven"}
  webhooks:
    - {name: w, url: "https://chat.example/robot/T0000/Fortuna8Fortuna8", secret: "Fortuna-Nine"}
    - {name: v, url: "https://chat.example/send?access_token=Fortuna10"}
"""
SECRETS = ("Fortuna-One", "Fortuna Two", "Fortuna%20Two", "Fortuna3", "Fortuna4", "For/tu@na5", "Fortuna-Six",
           "Fortuna-Seven", "Fortuna8Fortuna8", "Fortuna-Nine", "Fortuna10")
URL_FORMS = {  # of a secret that the redactor knows, in a line
    "userinfo": lambda word: f"opening rtsp://admin:{word}@10.0.0.1:554/live failed",
    "percent": lambda word: f"opening rtsp://admin:{quote(word, safe='')}@10.0.0.1/live failed",
    "lower percent": lambda word: f"opening rtsp://admin:{_lower(quote(word, safe=''))}@10.0.0.1/live failed",
    "all percent": lambda word: "rtsp://a:" + "".join(f"%{byte:02X}" for byte in word.encode()) + "@h/",
    "twice percent": lambda word: f"next=http%3A%2F%2Fa%3A{quote(quote(word, safe=''), safe='')}%40h",
    "query": lambda word: f"GET /stream?user=admin&pwd={quote_plus(word)}&x=1 HTTP/1.1",
    "bare query": lambda word: f"GET http://10.0.0.1/stream?password={word}",
    "old path": lambda word: f"rtsp://10.0.0.1/user=admin_password={word}_channel=1_stream=0.sdp",
    "basic": lambda word: "sent Authorization: Basic " + base64.b64encode(f"admin:{word}".encode()).decode(),
    "url-safe basic": lambda word: "cookie " + base64.urlsafe_b64encode(f"operator:{word}".encode()).decode(),
    "json": lambda word: json.dumps({"url": f"rtsp://admin:{word}@h/"}),
    "json in json": lambda word: json.dumps(json.dumps({"url": f"rtsp://admin:{word}@h/"})),
    "slashed json": lambda word: json.dumps({"u": f"rtsp://a:{word}@h/"}).replace("/", "\\/"),
    "repr": lambda word: repr([f"rtsp://admin:{word}@h/", ("x", word)]),
    "bytes": lambda word: repr(word.encode()),
    "html": lambda word: f'<img src="rtsp://admin:{html.escape(word)}@h/">',
    "plain": lambda word: f"the camera said {word} again",
}


def _lower(text):
    return "".join(part if not row or len(part) < 2 else part[:2].lower() + part[2:]
                   for row, part in enumerate(text.replace("%", "%\0").split("\0")))


def tells(text, word):
    """Whether a text gives a word away, in any form that this test knows, undone by the usual decoders."""
    seen = {text}
    for _ in range(3):
        seen |= {form for each in seen for form in _undone(each)}
    return any(word in each for each in seen)


def _undone(text):
    yield unquote(text)
    yield unquote_plus(text)
    yield html.unescape(text)
    yield text.replace("\\/", "/")
    with contextlib.suppress(ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that are none
        yield json.dumps(json.loads(text), ensure_ascii=False)
        plain = text.encode("latin-1", "backslashreplace").decode("unicode_escape")
        yield plain
        yield plain.encode("latin-1").decode()
    for token in text.replace("-", "+").replace("_", "/").split():
        with contextlib.suppress(ValueError):
            yield base64.b64decode(token + "=" * (-len(token) % 4)).decode("utf-8", "replace")


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setenv("FORTUNA_SIX", "Fortuna-Six")
    return Redactor.of(config_of(CONFIG, Path("watch.yaml")))


@pytest.mark.parametrize("form", URL_FORMS.values(), ids=URL_FORMS)
def test_the_test_would_see_a_secret(form):
    assert tells(form(WORD), WORD) or tells(form("Fortuna-One"), "Fortuna-One")


@pytest.mark.parametrize("form", URL_FORMS.values(), ids=URL_FORMS)
def test_a_form_of_a_secret_is_hidden(form):
    """G1: the forms in which URLs carry secrets, through the redactor itself."""
    for word in (WORD, "Fortuna-One", "密码口令安全", "a\\b\\c d", "ends in space ", "x😀y😀"):
        shown = Redactor([word])(form(word))
        assert not tells(shown, word) and "***" in shown, shown


def test_every_secret_of_a_configuration_is_known(known):
    """G1: passwords of cameras in all their places, of the broker, of webhooks, users' hashes."""
    for word in SECRETS:
        for name, form in URL_FORMS.items():
            assert not tells(known(form(word)), word), (name, word)


LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=SHORTEST, max_size=24)


@settings(max_examples=60, deadline=None)
@given(word=LETTERS, before=st.text(max_size=20), after=st.text(max_size=20),
       form=st.sampled_from([name for name in URL_FORMS]))
@example("****", "*", "*", "plain")
@example("00%00%", "", "0", "percent")
@example("+   ", "", "", "query")
def test_no_text_around_it_lets_a_secret_through(word, before, after, form):
    """G1: any secret of four letters and more, in any form, within any text."""
    shown = Redactor([word])(before + URL_FORMS[form](word) + after)
    assert word not in shown and quote(word, safe="") not in shown and json.dumps(word)[1:-1] not in shown


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=300))
def test_a_text_without_secrets_and_urls_stays_as_it_is(text):
    shown = Redactor(["Fortuna-One"])(text)
    assert shown == text or "://" in text or "authorization" in text.lower()


def test_urls_and_headers_of_nobody_we_know_are_hidden_as_well():
    """G1: a redirect or an answer may tell a secret that stands in no configuration."""
    hide = Redactor()
    assert hide("to rtsp://u:s3@10.0.0.1/x?sig=abc.") == "to rtsp://***@10.0.0.1/x?sig=***"
    assert hide("Authorization: Bearer abc.def") == "Authorization: Bearer ***"
    assert hide("{'authorization': 'Basic eHk6eno='}") == "{'authorization': 'Basic ***'}"
    assert hide('Digest user="a", response="' + "0a" * 16 + '", nc=1') == 'Digest user="a", response="***", nc=1'
    assert hide("http://h/" + "a" * 3000) == "http://***"


def test_short_secrets_are_hidden_where_urls_carry_them_alone():
    assert Redactor(["ab"])("about rtsp://a:ab@h/ab?key=ab") == "about rtsp://***@h/ab?key=***"


def test_of_a_secret_that_begins_with_another_nothing_is_left():
    """G1: a new password that is the old one with something after it."""
    known = Redactor(["Fortuna", "FortunaHuc"])
    assert known("was Fortuna, is FortunaHuc now") == "was ***, is *** now"


def test_the_hash_of_a_password_is_a_secret(monkeypatch):
    """G1: whoever has it may guess at home."""
    kept = hashed("Fortuna-Eleven")
    monkeypatch.setenv("FORTUNA_SIX", "Fortuna-Six")
    users = f"web:\n  users: [{{name: Li, role: admin, password_hash: '{kept}'}}]\n"
    known = Redactor.of(config_of(CONFIG + users, Path("watch.yaml")))
    assert known(f"a line with {kept} in it") == "a line with *** in it"


def test_a_redactor_travels_and_learns(known):
    """After a reload whoever holds it hides the new secrets as well as the old ones."""
    again = pickle.loads(pickle.dumps(known))
    assert again.secrets == known.secrets and again("Fortuna-One") == "***"
    known.learn(config_of(CONFIG.replace("Fortuna-One", "Another"), Path("w")))
    assert known("Fortuna-One, Another") == "***, ***" and again("Another") == "Another"


def test_hostile_texts_take_no_long_time():
    """A process that may use 20 s of CPU gets through what would take hours, were its work squared."""
    code = """if True:
        import resource
        from minewatch.redact import Redactor
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        hide = Redactor(['Fortuna"One', '\\\\\\\\\\\\\\\\x', 'aaaaaaaaaa'])
        for piece in ('\\\\', '%25', '&amp;', 'a', 'a://', 'http://a_pas', '=', '/', '_pas', 'response=', '0', '"'):
            hide(piece * 20_000)
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, (ran.returncode, ran.stderr)


@pytest.fixture
def kept():
    """What set_up changes, put back."""
    root = logging.getLogger()
    before = root.level, root.handlers[:], sys.excepthook, threading.excepthook, warnings.showwarning
    yield
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    sys.excepthook, threading.excepthook, warnings.showwarning = before[2:]


def lines_in(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_no_secret_gets_into_a_log(tmp_path, known, kept, capsys):
    """G1: the forms times messages, values, keys, nested ones, library lines and exceptions: 0 occurrences."""
    path = tmp_path / "watch.log"
    with logs.set_up(LogPart(file=path, level="debug"), known):
        log = logs.logger("cameras")
        for word in SECRETS:
            for form in URL_FORMS.values():
                text = form(word)
                log.info(text, camera=text, more={text: [text, {"x": (text,)}]}, path=Path("/x"), raw=text.encode())
                logging.getLogger("uvicorn.error").warning("said %s to %r", text, [text])
                try:
                    raise OSError(text) from ValueError(text)
                except OSError:
                    log.exception("it broke")
    told = path.read_text(encoding="utf-8") + capsys.readouterr().err
    assert told.count("it broke") == 2 * len(SECRETS) * len(URL_FORMS)
    for word in SECRETS:
        for form in (word, quote(word, safe=""), json.dumps(word)[1:-1], base64.b64encode(word.encode()).decode()[:-4]):
            assert form not in told, form
    for line in lines_in(path):
        for value in _strings(line):
            assert not any(word in value for word in SECRETS)


def _strings(value):
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    else:
        yield str(value)


def test_a_line_says_when_who_and_what(tmp_path, kept, capsys):
    path = tmp_path / "watch.log"
    with logs.set_up(LogPart(file=path), str):
        logs.logger("cameras").warning("has stalled", camera="Stollen 3", seconds=2.4, time="mine", none=float("nan"))
        logs.logger("cameras").debug("is not told")
        logging.getLogger("paho").info("hello %d", 3)
        logging.getLogger("uvicorn.access").info("GET /")
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second, third = lines_in(path)
    assert {**first, "time": ""} == {"time": "", "level": "warning", "part": "cameras", "event": "has stalled",
                                     "camera": "Stollen 3", "seconds": 2.4, "none": "nan"}
    assert first["time"].endswith("Z") and second["part"] == "paho" and second["event"] == "hello 3"
    assert third["part"] == "py.warnings"
    assert capsys.readouterr().err == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask():
    before = os.umask(0)
    os.umask(before)
    return before


def test_on_a_terminal_a_line_is_one_line_whatever_it_holds(kept):
    """Nothing that a camera says can forge a line or move the cursor."""
    leader, follower = os.openpty()
    code = ("from minewatch import logs; from minewatch.config.schema import LogPart\n"
            "with logs.set_up(LogPart(), str):\n"
            "    logs.logger('cameras').warning('said\\n12:00:00 all is well\\x1b[2J', camera='Stollen 3')")
    with subprocess.Popen([sys.executable, "-c", code], stderr=follower) as child:
        os.close(follower)
        told = b""
        try:
            while piece := os.read(leader, 1000):
                told += piece
        except OSError as exc:
            assert exc.errno == errno.EIO  # how the end of a terminal's follower is told
        assert child.wait(60) == 0
    os.close(leader)
    assert told.count(b"\n") == 1 and b"\x1b" not in told and b"warning cameras: said" in told
    assert b"camera='Stollen 3'" in told


def test_a_crash_tells_no_secret(tmp_path):
    """G1: the traceback of what nobody catches, in the main thread and in others."""
    path = tmp_path / "watch.log"
    code = f"""if True:
        import threading
        from minewatch import logs
        from minewatch.config.schema import LogPart
        from minewatch.redact import Redactor
        logs.set_up(LogPart(file={str(path)!r}), Redactor(["Fortuna"]))
        def crash():
            raise ValueError("rtsp://a:For" + "tuna@h/")
        thread = threading.Thread(target=crash)
        thread.start()
        thread.join()
        crash()
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1 and "Fortuna" not in ran.stderr + path.read_text()
    assert [line["event"] for line in lines_in(path)] == ["ended by ValueError"] * 2
    assert "ValueError: rtsp://***@h/" in lines_in(path)[0]["exception"]


def test_the_file_never_grows_beyond_its_size(tmp_path):
    """What is oldest goes; every line that is left is whole."""
    file = CappedFile(path := tmp_path / "logs" / "watch.log", 50_000)
    for number in range(2000):
        file.write(json.dumps({"number": number, "more": "x" * 60}) + "\n")
    file.close()
    parts = sorted(path.parent.iterdir())
    assert len(parts) == PARTS and sum(part.stat().st_size for part in parts) <= 50_000
    numbers = [line["number"] for part in (*reversed(parts[1:]), path) for line in lines_in(part)]
    assert numbers == list(range(numbers[0], 2000)) and len(numbers) > 300 and file.lost == 0


def test_several_processes_share_a_file_and_one_caps_it(tmp_path):
    path = tmp_path / "watch.log"
    ours, childs = CappedFile(path, 5_000), CappedFile(path, 5_000, rotates=False)
    for number in range(300):
        (ours if number % 2 else childs).write(json.dumps({"number": number}) + "\n")
    ours.close()
    childs.close()
    parts = sorted(tmp_path.iterdir())
    numbers = sorted(line["number"] for part in parts for line in lines_in(part))
    assert numbers[-1] == 299 and numbers == list(range(numbers[0], 300)) and len(parts) == PARTS


def test_a_file_that_is_taken_away_is_made_anew(tmp_path):
    file = CappedFile(path := tmp_path / "watch.log", 5_000)
    file.write("one\n")
    path.rename(tmp_path / "taken.log")
    file.write("two\n")
    file.close()
    assert path.read_text() == "two\n"


def test_a_full_disk_loses_lines_and_ends_nothing(tmp_path):
    """E1: the log's part: no exception, no half line once there is room again, and what was lost is counted."""
    code = f"""if True:
        import resource, signal
        from minewatch.log_file import CappedFile
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (250, resource.RLIM_INFINITY))  # a write beyond it is cut short
        file = CappedFile(__import__("pathlib").Path({str(tmp_path / "watch.log")!r}), 10**6)
        for number in range(5):
            file.write("x" * 99 + chr(10))
        lost = file.lost
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        file.write("y" * 99 + chr(10))
        file.close()
        print(lost)
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "3\n", ran.stderr
    lines = (tmp_path / "watch.log").read_text().splitlines()
    assert lines[0] == lines[1] == "x" * 99 and lines[-1] == "y" * 99


def test_logs_go_on_where_their_file_cannot_be_written(tmp_path, kept, capsys):
    """E1, E6: a log that has no place is still heard on stderr."""
    (tmp_path / "wall").write_text("a file, not a folder")
    with logs.set_up(LogPart(file=tmp_path / "wall" / "watch.log"), str) as told:
        logs.logger("watch").warning("still here")
    assert "still here" in capsys.readouterr().err and told.lost == 1


def test_logs_survive_a_stderr_that_is_gone(tmp_path):
    """A closed pipe or descriptor ends nothing."""
    path = tmp_path / "watch.log"
    code = f"""if True:
        import os, sys
        from minewatch import logs
        from minewatch.config.schema import LogPart
        with logs.set_up(LogPart(file={str(path)!r}), str):
            os.close(2)
            logs.logger("watch").warning("still here")
        os._exit(0)
    """
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    assert lines_in(path)[0]["event"] == "still here"


def test_a_slow_disk_holds_up_nobody(kept, monkeypatch, tmp_path):
    """B6: lines wait, the newest beyond what may wait are dropped and counted; the caller never waits."""
    gate = threading.Event()
    monkeypatch.setattr(logs, "WAITING", 10)
    with logs.set_up(LogPart(file=tmp_path / "watch.log"), str) as told:
        monkeypatch.setattr(told, "_write", lambda *_: gate.wait(60))
        for number in range(100):
            logs.logger("watch").warning("line", number=number)
        assert 85 <= told.dropped <= 90
        gate.set()


def test_a_reload_changes_level_and_file(kept, tmp_path, capsys):
    with logs.set_up(LogPart(file=tmp_path / "one.log"), str) as told:
        logs.logger("watch").debug("not told")
        told.replace(LogPart(file=tmp_path / "two.log", level="debug"))
        logs.logger("watch").debug("told")
    assert not (tmp_path / "one.log").exists() and lines_in(tmp_path / "two.log")[0]["event"] == "told"
    assert capsys.readouterr().err.count("told") == 1


def test_what_cannot_be_told_is_said_to_be_so(kept, tmp_path):
    class Bad:
        def __str__(self):
            raise RuntimeError("no words")

    path = tmp_path / "watch.log"
    with logs.set_up(LogPart(file=path), str):
        logs.logger("watch").warning("look", thing=Bad())
    assert "RuntimeError" in lines_in(path)[0]["event"]


def test_a_child_writes_by_itself(kept, tmp_path):
    """No thread: a child may be killed at any time, and a fork has no threads."""
    before = threading.active_count()
    with logs.set_up(LogPart(file=tmp_path / "watch.log"), str, child=True):
        logs.logger("reader").info("here")
        assert threading.active_count() == before
        assert lines_in(tmp_path / "watch.log")[0]["event"] == "here"


def test_the_limit_of_file_sizes_is_there():
    """On which the full disk's test relies."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
