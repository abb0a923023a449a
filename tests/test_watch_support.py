"""Does the support bundle hold what helps, no secret, and never too much?"""

import json
import os
import stat
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hand_clock import NOON, HandClock
from minehat.errors import MineHatError
from minewatch import support
from minewatch.events.event import Event
from minewatch.events.store import Store
from minewatch.support import ABOUT, support_bundle
from test_watch_redact import CONFIG, SECRETS, URL_FORMS, tells


@pytest.fixture
def page():
    """A page that tells all secrets in all forms."""
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            raw = json.dumps({"path": self.path, "told": everything()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def everything():
    return "\n".join(form(word) for word in SECRETS for form in URL_FORMS.values())


@pytest.fixture
def watch(tmp_path, monkeypatch, page):
    """A configuration with a log, a store and a page behind it."""
    monkeypatch.setenv("FORTUNA_SIX", "Fortuna-Six")
    path = tmp_path / "watch.yaml"
    path.write_text(f"# Fortuna-Nine was the old one\n{CONFIG}\nlog: {{file: watch.log}}\nweb: {{listen: '{page}'}}\n")
    path.chmod(0o600)
    (tmp_path / "watch.log").write_text(everything() + "\nthe last line\n")
    (tmp_path / "state").mkdir()
    with Store.writer(tmp_path / "state") as store:
        store.append_all([Event("watch_began", NOON - 3 * 86400, remark="three days ago"),
                          Event("config_refused", NOON - 60, remark=everything())])
    return path


def parts_of(bundle):
    with tarfile.open(bundle) as opened:
        assert all(member.isfile() and member.name.startswith("minewatch-support/") for member in opened)
        return {member.name.partition("/")[2]: opened.extractfile(member).read().decode() for member in opened}


def test_the_bundle_holds_what_it_says_and_no_secret(watch, tmp_path):
    """G1: the configuration, the log, the page, the events: 0 occurrences in any form."""
    out = tmp_path / "out" / "bundle.tar.gz"
    names = support_bundle(watch, out, HandClock())
    parts = parts_of(out)
    assert list(parts) == names and set(names) == {"about.txt", *ABOUT}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600 and os.listdir(out.parent) == ["bundle.tar.gz"]
    for word in SECRETS:
        for name, text in parts.items():
            assert not any(tells(line, word) for line in text.splitlines()), (word, name)
    assert all(f"{name}: " in parts["about.txt"] for name in ABOUT)


def test_the_bundle_holds_what_helps(watch, tmp_path):
    support_bundle(watch, tmp_path / "b.tar.gz", HandClock())
    parts = parts_of(tmp_path / "b.tar.gz")
    config = json.loads(parts["config.json"])
    assert config["cameras"][0] == {"name": "a", "url": "rtsp://10.0.0.1/live", "user": "admin", "password": "***"}
    assert config["cameras"][5]["password"] == {"env": "FORTUNA_SIX"}
    assert parts["mistakes.txt"] == "none" and parts["log.txt"].endswith("the last line\n")
    assert json.loads(parts["status.json"])["path"] == "/api/status"
    events = [json.loads(line) for line in parts["events.jsonl"].splitlines()]
    assert [event["kind"] for event in events] == ["config_refused"] and events[0]["seq"] == 2
    assert json.loads(parts["versions.json"])["pydantic"]
    machine = json.loads(parts["machine.json"])
    assert machine["disks"][str(tmp_path / "state")]["free_bytes"] > 0 and "MemTotal" in machine["memory"]
    assert any(size > 0 for size in machine["state"].values())


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root reads what is closed to the watch")
def test_root_bundles_no_log_that_the_watch_s_user_could_not_read(watch, tmp_path):
    """Whoever writes the configuration says which file is the log."""
    log = tmp_path / "watch.log"
    log.chmod(0o600)
    os.chown(tmp_path, 12345, 12345)
    support_bundle(watch, tmp_path / "bundle.tar.gz", HandClock())
    parts = parts_of(tmp_path / "bundle.tar.gz")
    assert "the last line" not in parts["log.txt"]
    assert os.geteuid() == 0


def test_a_wrong_configuration_is_bundled_too(watch, tmp_path):
    """Its mistakes are told, and what stands at misspelt keys is hidden all the same."""
    text = watch.read_text().replace("{host: broker, user: u, password:", "{host: broker, user: u, pasword:")
    watch.write_text(text.replace("transport", "transprot").replace("version: 1", "version: 7"))
    support_bundle(watch, tmp_path / "b.tar.gz", HandClock())
    parts = parts_of(tmp_path / "b.tar.gz")
    assert "did you mean 'password'?" in parts["mistakes.txt"] and "version: found 7" in parts["mistakes.txt"]
    assert json.loads(parts["config.json"])["sinks"]["mqtt"]["pasword"] == "***"
    assert not any("Fortuna" in text for text in parts.values())
    assert "config_refused" in parts["events.jsonl"]


def test_what_is_no_yaml_is_not_shown(watch, tmp_path):
    watch.write_text(watch.read_text() + "\n  x: [Fortuna-Two\n")
    assert support_bundle(watch, tmp_path / "b.tar.gz", HandClock()) == ["about.txt", "mistakes.txt", "versions.json"]
    assert "Fortuna" not in "".join(parts_of(tmp_path / "b.tar.gz").values())


def test_a_watch_that_is_not_there_is_told_and_no_obstacle(watch, tmp_path):
    for gone in ("watch.log", "state"):
        (tmp_path / gone).rename(tmp_path / f"{gone}.gone")
    watch.write_text(watch.read_text().replace("127.0.0.1:", "127.0.0.1:1 #"))
    watch.write_text(watch.read_text().replace("1 #", "1'} #"))
    support_bundle(watch, tmp_path / "b.tar.gz", HandClock())
    parts = parts_of(tmp_path / "b.tar.gz")
    assert parts["status.json"].startswith("could not be told: the page does not answer")
    assert parts["events.jsonl"].startswith("could not be told: ") and parts["log.txt"] == ""


def test_a_bundle_is_bounded(watch, tmp_path, monkeypatch):
    """However long the log is: its end, from the beginning of a line on."""
    monkeypatch.setattr(support, "MOST_BYTES", 10_000)
    (tmp_path / "watch.log").write_text("".join(f"line {number:06d} Fortuna-One\n" for number in range(100_000)))
    support_bundle(watch, tmp_path / "b.tar.gz", HandClock())
    parts = parts_of(tmp_path / "b.tar.gz")
    assert all(len(text) <= 10_000 for text in parts.values())
    assert parts["log.txt"].startswith("line ") and parts["log.txt"].endswith("line 099999 ***\n")


def test_a_bundle_that_cannot_be_written_leaves_nothing(watch, tmp_path):
    (tmp_path / "wall").write_text("a file")
    with pytest.raises(MineHatError, match="is a file, not a folder"):
        support_bundle(watch, tmp_path / "wall" / "b.tar.gz", HandClock())
    with pytest.raises(MineHatError, match="No such file"):
        support_bundle(tmp_path / "none.yaml", tmp_path / "b.tar.gz", HandClock())
    assert not (tmp_path / "b.tar.gz").exists()
