"""Does a configuration say every mistake at once and where, and can a hostile one do no harm?"""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat.doors import run_door
from minehat.errors import ManyFaults, MineHatError
from minewatch.config.check import check_config
from minewatch.config.diff import Changes, changes
from minewatch.config.load import MOST_BYTES, MOST_FAULTS, config_of, read_config
from minewatch.config.migrate import migrated
from minewatch.config.passwords import agrees, hashed, is_hash
from minewatch.config.positions import Unreadable, tree_of
from minewatch.config.rules import polygon
from minewatch.config.schema import VERSION, Config, Part
from minewatch.config.secrets import revealed
from pydantic import ValidationError
from ruamel.yaml import YAML

EXAMPLE = ROOT / "jetson" / "minewatch.example.yaml"
MODEL = ROOT / "models" / "helmet-nano" / "helmet-nano.int8-cpu.onnx"
GOOD = """\
version: 1
site: North
state: state
model:
  file: helmet.onnx
  conf: 0.3
detector:
  batch: 8
rules:
  seconds: 1.0
  frames: 5
cameras:
  - name: front
    url: rtsp://10.0.0.1/live
    user: watch
    password: "geheim"
    transport: tcp
    most_fps: 10
    zones:
      - name: gate
        points: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
        rule: helmet
  - name: back
    url: rtsp://10.0.0.2/live
sinks:
  mqtt:
    host: broker
    port: 1883
    topic: mine/watch
  webhooks:
    - name: room
      url: https://10.0.0.3/alarm
  siren:
    command: [/bin/true]
web:
  listen: 127.0.0.1:8787
log:
  level: info
"""
FRONT, BACK = "  - name: front\n", "  - name: back\n"
MISTAKES = [  # text to replace, by what, where it is told, and what must be in it
    ("transport: tcp", "transprot: tcp", "17:5: cameras.0.transprot: no such key", "did you mean 'transport'?"),
    ("version: 1", "version: 2", "1:10: version: found 2; wanted 1", "install a newer one"),
    ("version: 1", "version: one", "1:10: version: found 'one'; wanted 1", ""),
    ("version: 1\n", "", "1:1: version: is missing", "wanted 1"),
    ("version: 1", "versoin: 1", "1:1: versoin: no such key", "did you mean 'version'?"),
    ("site: North", "site: 7", "2:7: site: found 7; wanted a text", "in quotes"),
    ("site: North", "site: ''", "2:7: site: found an empty text", ""),
    ("state: state\n", "", "1:1: state: is missing", "a folder for events"),
    ("state: state", "state:", "3:1: state: found nothing; wanted the name of a file or folder", ""),
    ("state: state", "state: ''", "3:8: state: found no path", ""),
    ("state: state", "state: [a]", "3:8: state: found a list; wanted the name", ""),
    ("model:\n  file: helmet.onnx\n", "model:\n", "5:3: model.file: is missing", ".onnx or .engine"),
    ("  file: helmet.onnx", "  flie: helmet.onnx", "5:3: model.flie: no such key", "did you mean 'file'?"),
    ("conf: 0.3", "conf: 30", "6:9: model.conf: found 30; wanted at most 1", ""),
    ("conf: 0.3", "conf: -0.1", "6:9: model.conf: found -0.1; wanted at least 0", ""),
    ("conf: 0.3", "conf: .nan", "6:9: model.conf: found nan; wanted a number", ""),
    ("conf: 0.3", "conf: high", "6:9: model.conf: found 'high'; wanted a number", ""),
    ("conf: 0.3", "conf: 0,3", "6:9: model.conf: found '0,3'; wanted a number", ""),
    ("conf: 0.3", "backend: trt", "6:12: model.backend: found 'trt'; wanted auto or ort", ""),
    ("conf: 0.3", "backend: tensort", "6:12: model.backend: found 'tensort'", "did you mean 'tensorrt'?"),
    ("conf: 0.3", "seconds: 1", "6:3: model.seconds: no such key", "it belongs to 'rules'"),
    ("batch: 8", "batch: 0", "8:10: detector.batch: found 0; wanted at least 1", ""),
    ("batch: 8", "batch: 2.5", "8:10: detector.batch: found 2.5; wanted a whole number", ""),
    ("batch: 8", "batch: true", "8:10: detector.batch: found true; wanted a number", ""),
    ("batch: 8", "batch: 8\n  batch: 9", "9:3: detector.batch: stands twice", "line 8"),
    ("batch: 8", "batch: 99999999999999999999", "8:10: detector.batch: a number of more than 18 digits", ""),
    ("detector:\n  batch: 8", "detector: 8", "7:11: detector: found 8; wanted the keys batch, hang_seconds", ""),
    ("detector:\n  batch: 8", "detector:\n", "7:1: detector: found nothing; wanted the keys batch", ""),
    ("seconds: 1.0", "seconds: -1", "10:12: rules.seconds: found -1; wanted at least 0", ""),
    ("seconds: 1.0", "Seconds: 1.0", "10:3: rules.Seconds: no such key", "did you mean 'seconds'?"),
    ("frames: 5", "frames: five", "11:11: rules.frames: found 'five'; wanted a whole number", ""),
    ("frames: 5", "transport: tcp", "11:3: rules.transport: no such key", "it belongs to 'cameras.N'"),
    ("frames: 5", "qqqqqq: 5", "11:3: rules.qqqqqq: no such key", "known here: seconds, frames"),
    ("name: front", "name: 12", "13:11: cameras.0.name: found 12; wanted a text", "in quotes"),
    ("name: front", "name: a/b", "13:11: cameras.0.name: found 'a/b'; wanted a name without /", ""),
    ("name: front", "name: " + "x" * 65, "13:11: cameras.0.name: found a text of 65", "at most 64"),
    ("name: front", "nmae: front", "13:5: cameras.0.nmae: no such key", "did you mean 'name'?"),
    ("name: back", "name: Front", "23:11: cameras.1.name: found 'Front' a second time", "of its own"),
    ("url: rtsp://10.0.0.1/live", "url: rstp://10.0.0.1/live", "14:10: cameras.0.url: found rstp://",
     "did you mean 'rtsp'?"),
    ("url: rtsp://10.0.0.1/live", "url: http://10.0.0.1/live", "14:10: cameras.0.url: found http://", "rtsps://"),
    ("url: rtsp://10.0.0.1/live", "url: rtsp://10.0.0.1:99999/", "14:10: cameras.0.url: found port '99999'", "65535"),
    ("url: rtsp://10.0.0.1/live", "url: 'rtsp:///live'", "14:10: cameras.0.url: found '' as its host", "HOST"),
    ("url: rtsp://10.0.0.1/live", "url: rtsp://10.0.0.1/a b", "14:10: cameras.0.url: found a space", "%20"),
    ("url: rtsp://10.0.0.1/live", "url: rtsp://a:b@10.0.0.1/", "13:5: cameras.0: found a user both", "one of them"),
    ("url: rtsp://10.0.0.1/live", "url: /dev/video0", "13:5: cameras.0: user and password are of", "rtsp://"),
    ("    url: rtsp://10.0.0.1/live\n", "", "13:5: cameras.0.url: is missing", "what to open"),
    ("    user: watch\n", "", "13:5: cameras.0: a password without a user", "`user`"),
    ('password: "geheim"', "password: 4711", "16:15: cameras.0.password: found a number", "in quotes"),
    ('password: "geheim"', "password:", "16:5: cameras.0.password: found nothing", "a password in quotes"),
    ('password: "geheim"', "password: ''", "16:15: cameras.0.password.value: found an empty text", ""),
    ('password: "geheim"', "password: " + "x" * 300, "16:15: cameras.0.password.value: found a text of 300", "256"),
    ('password: "geheim"', 'password: "a\\nb"', "16:15: cameras.0.password: a control character", "one line"),
    ('password: "geheim"', "password: {}", "16:15: cameras.0.password: wanted exactly one of", "env"),
    ('password: "geheim"', "password: {file: a, env: B}", "16:15: cameras.0.password: wanted exactly one of", "env"),
    ('password: "geheim"', "password: {env: 7UP}", "16:21: cameras.0.password.env: found", "name of a variable"),
    ('password: "geheim"', "password: {env: NO_SUCH_THING}", "16:15: cameras.0.password: the environment has no",
     "NO_SUCH_THING"),
    ('password: "geheim"', "password: {file: nowhere}", "16:15: cameras.0.password: ", "nowhere cannot be read"),
    ("transport: tcp", "transport: tpc", "17:16: cameras.0.transport: found 'tpc'", "did you mean 'tcp'?"),
    ("most_fps: 10", "most_fps: 0", "18:15: cameras.0.most_fps: found 0; wanted at least 0.5", ""),
    ("zones:\n      - name: gate", "zones:\n        name: gate", "20:9: cameras.0.zones: found a mapping;",
     "wanted a list"),
    ("[0.9, 0.9]]", "[0.9, 90]]", "21:48: cameras.0.zones.0.points.2.1: found 90; wanted at most 1", ""),
    ("[0.9, 0.9]]", "[0.9]]", "21:42: cameras.0.zones.0.points.2.1: is missing", "x and y"),
    ("[0.9, 0.9]]", "[0.9, 0.9, 0]]", "21:42: cameras.0.zones.0.points.2: found 3 entries", "at most 2"),
    (", [0.9, 0.9]]", "]", "21:17: cameras.0.zones.0.points: found 2 entries; wanted at least 3", ""),
    ("[0.9, 0.9]]", "[0.5, 0.1]]", "21:17: cameras.0.zones.0.points: the side from point", "walks around"),
    ("[0.9, 0.9]]", "[0.9, 0.9], [0.1, 0.1]]", "21:17: cameras.0.zones.0.points: the last point repeats", "leave it"),
    ("[0.9, 0.9]]", "[0.1, 0.9], [0.9, 0.9]]", "21:17: cameras.0.zones.0.points: the side from point 1 crosses", ""),
    ("rule: helmet", "rule: no entry", "22:15: cameras.0.zones.0.rule: found 'no entry'", "did you mean 'no_entry'?"),
    ("rule: helmet", "count: often", "22:16: cameras.0.zones.0.count: found 'often'; wanted true or false", ""),
    ("host: broker", "host: mqtt://broker", "27:11: sinks.mqtt.host: found 'mqtt://broker'", "did you mean 'broker'?"),
    ("host: broker", "host: broker\n    ca: ca.pem", "27:5: sinks.mqtt: `ca` without `tls: true`", "both or none"),
    ("port: 1883", "port: 70000", "28:11: sinks.mqtt.port: found 70000; wanted at most 65535", ""),
    ("topic: mine/watch", "topic: mine/#", "29:12: sinks.mqtt.topic: found 'mine/#'", "without + and #"),
    ("topic: mine/watch", "topic: mine/", "29:12: sinks.mqtt.topic: found 'mine/'", "did you mean 'mine'?"),
    ("url: https://10", "url: ftp://10", "32:12: sinks.webhooks.0.url: found ftp://", "http:// or https://"),
    ("    command: [/bin/true]", "    seconds: 1", "34:5: sinks.siren: wanted either `command`", "gpio_line"),
    ("command: [/bin/true]", "command: /bin/true", "34:14: sinks.siren.command: found '/bin/true'; wanted a list", ""),
    ("command: [/bin/true]", "command: []", "34:14: sinks.siren.command: found no entries; wanted at least 1", ""),
    ("command: [/bin/true]", "gpio_chip: gpiochip0", "34:16: sinks.siren.gpio_chip: found 'gpiochip0'",
     "/dev/gpiochip0"),
    ("command: [/bin/true]", "command: [/bin/true]\n    kinds: [bare_heads]",
     "35:13: sinks.siren.kinds.0: found 'bare_heads'", "did you mean 'bare_head'?"),
    ("listen: 127.0.0.1:8787", "listen: 0.0.0.0:8787", "36:11: web.listen: found '0.0.0.0:8787'", "nginx"),
    ("listen: 127.0.0.1:8787", "listen: 8787", "36:11: web.listen: found 8787", "in quotes"),
    ("listen: 127.0.0.1:8787", "users: [{name: a, password_hash: secret}]",
     "36:36: web.users.0.password_hash: found no password hash", "hash-password"),
    ("level: info", "level: verbose", "38:10: log.level: found 'verbose'; wanted debug or info", ""),
    ("log:", "logg:", "37:1: logg: no such key", "did you mean 'log'?"),
    ("  frames: 5", "\tframes: 5", "11:1: a tab", "indent with spaces"),
    ("  frames: 5", "   frames: 5", "11:10: a `:` that cannot stand here", "indent"),
    ("  frames: 5", " frames: 5", "11:2: is indented otherwise", "neighbours"),
    ("level: info", 'level: "info', "38:10: a text whose quotation mark is never closed", ""),
    ("site: North", "site: *North", "2:7: site: refers to an anchor", "in quotes"),
    ("site: North", "site: @North", "2:7: a text that begins with this character", "in quotes"),
    ("site: North", "site: !!python/name:os.system x", "2:7: site: a tag", "in quotes"),
    ("site: North", "site: a: b", "2:8: a `:` that cannot stand here", "in quotes"),
    ("site: North", "site: No\x07rth", "2:9: an unprintable character (U+0007)", "take it out"),
    ("site: North", "---\nsite: North", "2:1: a second document", "single"),
    ("command: [/bin/true]", "command: [/bin/true", "34:14: a [ or { that is never closed", ""),
]


@pytest.fixture
def write(tmp_path):
    def write(text, mode=0o600, name="watch.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path
    return write


def lines_of(text, path="watch.yaml"):
    with pytest.raises(ManyFaults) as caught:
        config_of(text, Path(path))
    return list(caught.value.lines)


def test_the_good_one_is_read_and_its_paths_lie_beside_it(write):
    config = read_config(path := write(GOOD))
    assert config.state == path.parent / "state" and config.model.file == path.parent / "helmet.onnx"
    assert config.cameras[0].url == "rtsp://10.0.0.1/live" and revealed(config.cameras[0].password) == "geheim"
    assert "geheim" not in repr(config)


@pytest.mark.parametrize("old, new, told, hint", MISTAKES, ids=[each[2][:60] for each in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_its_cure(old, new, told, hint):
    """H1: each mistake by itself is one fault, at its line and column, with what is wanted."""
    assert old in GOOD
    lines = lines_of(GOOD.replace(old, new, 1))
    assert len(lines) == 1 and lines[0].startswith(f"watch.yaml:{told}") and hint in lines[0], lines


def test_there_are_enough_of_them():
    """H1: at least sixty."""
    assert len({(old, new) for old, new, _, _ in MISTAKES}) >= 60


def test_all_mistakes_are_told_at_once():
    """H1: of many mistakes in one file none hides another."""
    text, wanted = GOOD, {}
    for old, new, told, _ in MISTAKES:
        line, _, rest = told.partition(":")
        again = text.replace(old, new, 1)
        hides = re.search(r"second time|found a mapping|^\d+:1:", told)  # needs another's name, or has nothing within
        if old in text and line not in wanted and again.count("\n") == text.count("\n") and not hides:
            try:
                tree_of(again)
            except Unreadable:
                continue
            text, wanted[line] = again, rest.split(": ")[1]
    assert len(wanted) >= 20
    found = lines_of(text)
    for line, path in wanted.items():
        assert any(one.startswith(f"watch.yaml:{line}:") and f" {path}: " in one for one in found), (line, path, found)
    order = [tuple(map(int, one.split(":")[1:3])) for one in found]
    assert order == sorted(order)


def test_a_mistake_before_does_not_hide_what_is_judged_after_it():
    text = GOOD.replace("host: broker", "host: mqtt://broker\n    ca: x").replace("name: back", "name: FRONT")
    text = text.replace("name: front", "name: front\n    nonsense: 1").replace("version: 1", "version: 3")
    assert len(lines_of(text)) == 5


def test_the_door_prints_each_on_its_line_and_exits_with_2(write, capsys):
    path = write(GOOD.replace("transport: tcp", "transprot: tcp").replace("batch: 8", "batch: 0"))
    assert run_door(lambda _: check_config(path), [], "minewatch") == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3 and "2 mistakes" in told[2] and "minewatch check" in told[2]
    assert told[0].startswith(f"{path}:8:10: ")


@pytest.mark.parametrize("text, told", [
    ("", "1:1: the file is empty"), ("# only this\n", "1:1: the file is empty"), ("- a\n- b\n", "1:1: found no keys"),
    ("word", "1:1: found no keys"), ("null", "1:1: found no keys")])
def test_a_file_without_keys_is_told(text, told):
    assert lines_of(text)[0].startswith(f"watch.yaml:{told}")


def test_what_is_no_file_is_told(tmp_path):
    makers = {"No such file": lambda path: None, "is a folder": Path.mkdir, "no regular file": os.mkfifo}
    for told, make in makers.items():
        path = tmp_path / told.replace(" ", "")
        make(path)
        with pytest.raises(MineHatError, match=told):
            read_config(path)


def test_a_file_that_is_closed_to_us_is_told(write):
    path = write(GOOD, 0o000)
    if os.geteuid() == 0:  # the folders are ours alone, and root is closed out of nothing
        for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
            folder.chmod(0o755)
    code = f"""if True:
        import os
        from minewatch.config.load import read_config
        os.geteuid() or os.setuid(65534)
        read_config({str(path)!r})"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stderr
    assert "MineHatError" in told and "Permission denied" in told, told


def test_a_file_in_another_encoding_is_told_with_its_place(tmp_path):
    path = tmp_path / "watch.yaml"
    path.write_bytes("version: 1\nsite: Schürfe\n".encode("latin-1"))
    with pytest.raises(MineHatError, match=r"watch\.yaml:2:10: the file is not UTF-8"):
        read_config(path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "watch.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    path.chmod(0o600)
    assert read_config(path).cameras[1].name == "back"
    assert lines_of(GOOD.replace("batch: 8", "batch: 0").replace("\n", "\r\n"))[0].startswith("watch.yaml:8:10")


def test_no_fault_shows_a_secret():
    """G1: not even a fault in the secret itself."""
    for wrong in ('password: {vale: "Fortuna7"}', "password: [Fortuna7]", "password: *Fortuna7", "password: &Fortuna7",
                  'password: "Fortuna7', "password: {file: [Fortuna7]}", "password: {value: {a: Fortuna7}}",
                  "password: @Fortuna7", "pasword: Fortuna7", "password: !Fortuna7 x",
                  "password: Fortuna7: x", "password: {env: Fortuna7-x}"):
        assert "Fortuna7" not in " ".join(lines_of(GOOD.replace('password: "geheim"', wrong))), wrong
    for url in ("rtsp://u:Fortuna7@", "rstp://u:Fortuna7@10.0.0.1/", "rtsp://u:Fortuna7@10.0.0.1:99999/",
                "http://10.0.0.1/?token=Fortuna7", "rtsp://u:For tuna7@h/"):
        told = " ".join(lines_of(GOOD.replace("url: rtsp://10.0.0.1/live", f"url: '{url}'")))
        assert "Fortuna7" not in told and "tuna7" not in told, told


def test_anchors_and_merges_of_people_are_read():
    text = GOOD.replace("  - name: front", "  - &first\n    name: front").replace(
        BACK + "    url: rtsp://10.0.0.2/live", "  - <<: *first\n    name: back\n    url: rtsp://10.0.0.2/live")
    config = config_of(text, Path("watch.yaml"))
    assert config.cameras[1].most_fps == 10 and config.cameras[1].zones == config.cameras[0].zones
    assert config.cameras[1].url == "rtsp://10.0.0.2/live"


PLACES = st.lists(st.integers(0, 60), min_size=1, max_size=4)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 99999), st.floats(), st.sampled_from(
    ["", "x", "rtsp://h/", "a/b", "127.0.0.1:1", "/dev/x", "*", "http://h"]), st.lists(st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(["name", "url", "file", "env", "value", "x"]), st.text(max_size=3), max_size=2))


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(PLACES, st.one_of(st.just("gone"), VALUES)), min_size=1, max_size=5))
def test_whatever_is_wrong_it_is_told_or_read(changes):
    """H1: any values in any places: a Config, or faults with their places, never ours."""
    content = YAML(typ="safe", pure=True).load(GOOD)
    for places, value in changes:
        _change(content, places, value)
    text = json.dumps(content).replace("NaN", ".nan").replace("Infinity", ".inf")
    try:
        config_of(text, Path("watch.yaml"))
    except ManyFaults as exc:
        assert exc.lines and all(re.match(r"watch\.yaml:1:\d+: ([\w.]+: )?\S", line) for line in exc.lines)
        assert "stand-in" not in str(exc)


def _change(content, places, value):
    """Walk down by numbers, and change or take away what is there."""
    at, *below = places
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    if not keys:
        return
    key = keys[at % len(keys)]
    if below and isinstance(content[key], (dict, list)):
        _change(content[key], below, value)
    elif value == "gone":
        del content[key]
    else:
        content[key] = value


BOMBS = {
    "laughs": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "merges": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}, b: *a{n - 1}}}\n" for n in range(1, 60)),
    "deep lists": "a: " + "[" * 200_000,
    "deep maps": "".join(" " * n + "a:\n" for n in range(600)),
    "deep aliases": "a0: &a0 [[[[[[x]]]]]]\n" + "".join(f"a{n}: &a{n} [[[[[*a{n - 1}]]]]]\n" for n in range(1, 400)),
    "dashes": "- " * 200_000,
    "questions": "? " * 200_000,
    "many": "a: [" + "0, " * 160_000 + "0]",
    "many cameras": "cameras: [" + "0, " * 15_000 + "0]",
    "many keys": "".join(f"key{number}: 1\n" for number in range(15_000)),
    "many kinds": "sinks: {siren: {kinds: [" + "xy, " * 15_000 + "x]}}",
    "one key": "a: 1\n" * 15_000,
    "python": "a: !!python/object/apply:os.system [id]",
    "python key": "!!python/name:os.system : 1",
    "set": "a: !!set {x, y}",
    "tag directive": "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x",
    "huge int": "version: " + "9" * 100_000,
    "huge hex": "version: 0x" + "f" * 100_000,
    "own child": "a: &a [*a]",
    "nul": "a: \0",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_with_its_place(bomb):
    """G7: YAML bombs, aliases, tags, depth, huge numbers."""
    lines = lines_of(bomb[:MOST_BYTES])
    assert re.match(r"watch\.yaml:\d+:\d+: ", lines[0]) and len(lines) <= MOST_FAULTS


def test_bombs_take_little_time_and_memory(tmp_path):
    """G7: all bombs, and 10 MB of anything, read by a process that may take 50 MB and no more than seconds for each."""
    files = []
    for name, bomb in {**BOMBS, "10 MB": "a: 1\n" * 2_000_000}.items():
        files.append(str(tmp_path / f"{name}.yaml"))
        Path(files[-1]).write_text(bomb)
    code = """if True:
        import resource, sys
        from minehat.errors import MineHatError
        from minewatch.config.load import read_config
        for path in sys.argv[1:]:
            pages = int(open("/proc/self/statm").read().split()[0])
            spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
            for limit, most in ((resource.RLIMIT_AS, pages * resource.getpagesize() + 50_000_000),
                                (resource.RLIMIT_CPU, int(spent) + 4)):
                resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))
            try:
                read_config(path)
            except MineHatError:
                continue
            sys.exit(path + " was read")
    """
    ran = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("mode, well", [(0o600, True), (0o640, True), (0o644, False), (0o604, False)])
def test_a_file_with_secrets_must_be_closed_to_others(write, mode, well):
    """E8: start refused if a file with secrets is world-readable."""
    path = write(GOOD, mode)
    if well:
        assert read_config(path).site == "North"
        return
    with pytest.raises(ManyFaults, match=f"chmod 600 {path}"):
        read_config(path)


def test_a_file_without_secrets_may_be_read_by_all(write):
    """E8: and only then."""
    open_one = GOOD.replace('    password: "geheim"\n', "")
    assert read_config(write(open_one, 0o644)).site == "North"
    for url in ("rtsp://u:p@10.0.0.2/live", "rtsp://10.0.0.2/live?token=abc"):
        with pytest.raises(ManyFaults, match="chmod 600"):
            read_config(write(open_one.replace("rtsp://10.0.0.2/live", url), 0o644))
    with pytest.raises(ManyFaults, match="everybody can change this file"):
        read_config(write(open_one, 0o666))


def test_a_secret_of_its_own_file_must_be_closed_too(write, tmp_path, monkeypatch):
    """E8: the referenced file as well."""
    text = GOOD.replace('password: "geheim"', "password: {file: key}")
    (tmp_path / "key").write_text("from a file\nsecond line")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ManyFaults, match=r"16:15: cameras\.0\.password: everybody can read .*key; type `chmod 600"):
        read_config(write(text, 0o644))
    (tmp_path / "key").chmod(0o400)
    assert revealed(read_config(write(text, 0o644)).cameras[0].password) == "from a file"
    monkeypatch.setenv("CAM_WORD", "from a variable")
    config = read_config(write(GOOD.replace('"geheim"', "{env: CAM_WORD}"), 0o644))
    assert revealed(config.cameras[0].password) == "from a variable"


OLD = """\
# the old ones wrote it so
version: 0
state: state  # a folder
model: {file: helmet.onnx}
cameras:
  - name: front
    address: rtsp://10.0.0.1/live  # behind the gate
"""


def _of_zero(content):
    """A step as a release would bring one: a key gets another name."""
    for camera in content["cameras"]:
        camera.insert(list(camera).index("address"), "url", camera.pop("address"))


def test_an_older_version_is_migrated_beside_and_keeps_its_comments(write, tmp_path):
    """H3: config from version n-1."""
    path = write(OLD, 0o640)
    config = read_config(path, {0: _of_zero})
    copy = tmp_path / f"watch.v{VERSION}.yaml"
    assert config.cameras[0].url == "rtsp://10.0.0.1/live" and path.read_text() == OLD
    assert read_config(copy) == config and stat.S_IMODE(copy.stat().st_mode) == 0o640
    for comment in ("# the old ones wrote it so", "# a folder"):
        assert comment in copy.read_text()


def test_an_older_version_without_a_way_and_a_wrong_old_one_are_told(write):
    """H3: and nothing is written then."""
    for text, steps in ((OLD, {}), (OLD + "model: again\n", {0: _of_zero})):
        path = write(text)
        with pytest.raises(ManyFaults, match=r"version: found 0; wanted 1|stands twice"):
            read_config(path, steps)
        assert os.listdir(path.parent) == ["watch.yaml"]


def test_a_migration_leaves_the_present_version_as_it_is():
    assert config_of(migrated(GOOD), Path("watch.yaml")) == config_of(GOOD, Path("watch.yaml"))


def differing(*replaced):
    text = GOOD
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new, 1)
    return changes(config_of(GOOD, Path("watch.yaml")), config_of(text, Path("watch.yaml")))


@pytest.mark.parametrize("old, new, wanted", [
    ("site: North", "site: North", Changes()),
    ("name: back", "name: rear", Changes(added=("rear",), removed=("back",))),
    ("rtsp://10.0.0.2/", "rtsp://10.0.0.4/", Changes(reopened=("back",))),
    ('"geheim"', '"other"', Changes(reopened=("front",))),
    ("most_fps: 10", "most_fps: 5", Changes(rejudged=("front",))),
    ("[0.1, 0.1]", "[0.2, 0.1]", Changes(rejudged=("front",))),
    ("frames: 5", "frames: 6", Changes(rejudged=("front", "back"))),
    ("conf: 0.3", "conf: 0.4", Changes(model=True)),
    ("batch: 8", "batch: 4", Changes(detector=True)),
    ("host: broker", "host: other", Changes(sinks=True)),
    ("8787", "8788", Changes(web=True)),
    ("level: info", "level: debug", Changes(log=True)),
    ("log:", "keep: {media_gb: 1}\nclips: {before: 1}\nlog:", Changes(keep=True, clips=True)),
    ("state: state", "state: other", Changes(restart=("state",))),
    ("site: North", "site: South", Changes(restart=("site",))),
])
def test_a_reload_knows_what_is_different(old, new, wanted):
    found = differing((old, new))
    assert found == wanted and bool(found) == (wanted != Changes())
    assert found.told() == "nothing is different" or found


def test_the_example_loads_and_names_every_key(monkeypatch):
    for name in ("NORTH_GATE_PASSWORD", "MQTT_PASSWORD", "WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "x" * 8)
    assert read_config(EXAMPLE).cameras[0].zones[1].rule == "no_entry"
    text = EXAMPLE.read_text(encoding="utf-8")
    missing = [key for key in schema_keys(Config.model_json_schema()) if not re.search(rf"\b{key}:", text)]
    assert not missing


def test_what_the_example_comments_out_is_right_too(monkeypatch):
    """Each commented key, put in force by itself or in place of the one that it excludes."""
    for name in ("NORTH_GATE_PASSWORD", "MQTT_PASSWORD", "WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "x" * 8)
    text = EXAMPLE.read_text(encoding="utf-8")
    for line in re.findall(r"^ +# (?:card|conf|iou|fallback|threads|ca|client_id|file): .*$", text, re.MULTILINE):
        if "north-gate" not in line:
            config_of(text.replace(line, line.replace("# ", "", 1), 1), EXAMPLE)
    gpio = re.sub(r"^    command: .*\n", "", text, flags=re.MULTILINE)
    gpio = re.sub(r"^    # (gpio_|active_low)", r"    \1", gpio, flags=re.MULTILINE)
    assert config_of(gpio, EXAMPLE).sinks.siren.gpio_line == 12
    users = re.sub(r"^  # (users:|  - name|    role|    password_hash)", r"  \1", text, flags=re.MULTILINE)
    users = users.replace("what `minewatch hash-password` prints", hashed("x"))
    assert config_of(users, EXAMPLE).web.users[0].role == "operator"


def schema_keys(schema):
    return {key for part in [schema, *schema["$defs"].values()] for key in part.get("properties", {})}


def test_configs_made_in_code_are_judged_too(tmp_path):
    camera = {"name": "a", "url": "clip.mp4"}
    made = {"version": 1, "state": tmp_path, "model": {"file": MODEL}, "cameras": [camera]}
    assert Config.model_validate(made).cameras[0].url == "clip.mp4"  # as it is, where no file says beside what
    with pytest.raises(ValidationError):
        Config.model_validate({**made, "cameras": [camera, camera]})
    assert all(issubclass(kind, Part) for kind in (Config, type(Config.model_validate(made).web)))


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.0.0.1:8787", "[::1]:80", "localhost:1", "unix:/run/a.sock"])
def test_the_page_may_listen_on_this_machine(listen):
    assert config_of(GOOD.replace("127.0.0.1:8787", f'"{listen}"'), Path("w")).web.listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "192.168.1.2:80", "[::]:80", ":80", "mine.example:80", "unix:a.sock",
                                    "127.0.0.1:65536", "127.0.0.1", "[fe80::1]:80", "*:80"])
def test_the_page_may_not_listen_for_others(listen):
    """G6: LAN binding refuses to start."""
    assert "web.listen" in lines_of(GOOD.replace("127.0.0.1:8787", f'"{listen}"'))[0]


def test_polygons_as_people_draw_them():
    square = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
    comb = ((0, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0.2), (0.3, 0.2), (0.3, 1), (0, 1))
    for good in (square, square[::-1], comb, square[:3], ((0, 0), (0.5, 0), (1, 0), (1, 1))):
        assert polygon(good) == good
    bow, spike, flat = (square[0], square[2], square[1], square[3]), (*square[:2], (0.5, 0.1)), square[:2]
    for bad in (bow, spike, (*flat, (0.5, 0.1), (0.6, 0.1)), (*square, square[0]), (*square, square[1]),
                ((0, 0), (1e-3, 0), (0, 1e-3))):
        with pytest.raises(ValueError):
            polygon(bad)


def test_passwords_agree_with_their_hashes_alone():
    one, other = hashed("Glück auf"), hashed("Glück auf")
    assert one != other and is_hash(one) and agrees("Glück auf", one) and agrees("Glu\u0308ck auf", other)
    assert not agrees("Glück au", one) and not agrees("Glück auf", None)
    other = "A" if one[-9] != "A" else "B"  # not the last one, of which two bits are nobody's
    assert "Glück" not in one and not agrees("Glück auf", one[:-9] + other + one[-8:])


@pytest.mark.parametrize("text", ["", "plain", "scrypt$30$8$5$" + "A" * 22 + "$" + "A" * 43,
                                  "scrypt$14$99$5$" + "A" * 22 + "$" + "A" * 43, "scrypt$14$8$5$A$A",
                                  "scrypt$14$8$0$" + "A" * 22 + "$" + "A" * 43])
def test_what_is_no_hash_or_costs_too_much_agrees_with_nothing(text):
    assert not is_hash(text) and not agrees("x", text)


def test_a_password_has_some_letters_and_not_too_many():
    for password in ("", "x" * 1025):
        with pytest.raises(MineHatError, match="wanted 1 to 1024"):
            hashed(password)


def checked(path, capsys):
    code = run_door(lambda _: check_config(path), [], "minewatch")
    return code, capsys.readouterr().err


def test_check_says_what_would_be_watched(write, tmp_path, capsys):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"x")
    text = GOOD.replace("helmet.onnx", str(MODEL)).replace("rtsp://10.0.0.2/live", "film.mp4")
    code, told = checked(write(text.replace("127.0.0.1:8787", "127.0.0.1:0")), capsys)
    assert code == 0 and "BAD" not in told and "all is well" in told
    assert re.search(r"front +rtsp://10\.0\.0\.1/live +10 +gate", told)
    assert not (tmp_path / "state").exists()  # whoever checks need not be who watches
    assert "geheim" not in told


def test_check_names_each_thing_that_stands_in_the_way(write, tmp_path, capsys):
    (tmp_path / "state").write_text("a file")
    (tmp_path / "ca.pem").write_text("no certificate")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = GOOD.replace("127.0.0.1:8787", f"127.0.0.1:{taken.getsockname()[1]}")
        text = text.replace("rtsp://10.0.0.2/live", "film.mp4").replace("/bin/true", "/no/such/siren")
        text = text.replace("host: broker", "host: broker\n    tls: true\n    ca: ca.pem")
        code, told = checked(write(text), capsys)
    bad = [line.split(": ")[0] for line in told.splitlines() if line.startswith("BAD")]
    assert code == 2 and bad == ["BAD  model", "BAD  camera back", "BAD  state", "BAD  sinks.mqtt.ca",
                                 "BAD  sinks.siren", "BAD  web.listen"]
    assert "6 of it must be mended" in told


def test_check_refuses_a_model_that_knows_no_bare_heads(write, tmp_path, capsys):
    card = {"name": "cats", "classes": ["cat"], "height": 64, "width": 64}
    (tmp_path / "card.json").write_text(json.dumps(card))
    text = GOOD.replace("file: helmet.onnx", f"file: {MODEL}\n  card: card.json")
    code, told = checked(write(text), capsys)
    assert code == 2 and "knows cat, not helmet and head" in told


def test_check_opens_cameras_where_asked(write, tmp_path, capsys):
    """One gives pictures, one gives none, and one is off and left alone."""
    film(tmp_path / "film.mp4")
    (tmp_path / "torn.mp4").write_bytes(b"no film")
    cameras = """cameras:
  - {name: front, url: film.mp4}
  - {name: torn, url: torn.mp4}
  - {name: "off", url: nowhere.mp4, enabled: false}
"""
    path = write(f"version: 1\nstate: state\nmodel: {{file: '{MODEL}'}}\n{cameras}web: {{enabled: false}}\n")
    ran = subprocess.run([sys.executable, "-m", "minewatch", "check", "--cameras", path], capture_output=True,
                         text=True, timeout=100)
    told = ran.stderr
    assert ran.returncode == 2 and "ok   camera: front: 64x48" in told and "BAD  camera: torn: " in told, told
    assert "nowhere" not in told.replace(str(tmp_path / "nowhere.mp4"), "", 1)


def film(path):
    with av.open(str(path), "w") as made:
        stream = made.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for shade in range(20):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 10, np.uint8), "bgr24")))
        made.mux(stream.encode())
