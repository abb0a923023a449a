"""`minewatch setup`: at a terminal and from a file of answers; what it writes, and that it else writes nothing."""

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from conftest import ROOT
from minebench.lab.ports import free_port
from minehat.errors import ManyFaults, MineHatError
from minewatch.cli import main
from minewatch.config.load import read_config
from minewatch.config.passwords import agrees
from minewatch.config.schema import Config
from minewatch.config.secrets import revealed
from minewatch.setup import models
from minewatch.setup.drafts import complaint, read_answers
from minewatch.setup.writing import ASIDE, laid_aside, layout, put_in_place
from typist import Typist
from watching import bare_clip

AUDITED = """
import socket
import sys
def told(event, args):
    sent = event in ("socket.sendto", "socket.connect", "socket.sendmsg")
    if sent and args[0].family in (socket.AF_INET, socket.AF_INET6):
        with open(sys.argv[0], "a") as log:
            print(event, args[1:], file=log)
sys.argv = sys.argv[1:]
sys.addaudithook(told)
from minewatch.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bare_clip(tmp_path_factory.mktemp("clip") / "gallery.mp4", seconds=0.8)


@pytest.fixture
def box(tmp_path, clip):
    """A folder for a configuration, and beside it a model and a file of answers that can be changed."""
    bright_onnx(tmp_path / "bright.onnx")
    (tmp_path / "etc").mkdir()
    return Box(tmp_path, clip)


class Box:
    def __init__(self, home, clip):
        self.home, self.etc, self.config, self.clip = home, home / "etc", home / "etc" / "minewatch.yaml", clip
        self.told = {"state": str(home / "state"), "model": {"file": str(home / "bright.onnx")},
                     "cameras": [{"name": "Gate", "url": str(clip)}], "web": {"listen": f"127.0.0.1:{free_port()}"}}

    def answers(self, **parts):
        path = self.home / "answers.yaml"
        path.write_text(json.dumps({**self.told, **parts}, ensure_ascii=False, indent=1))
        path.chmod(0o600)
        return path

    def setup(self, *words, **parts):
        return minewatch("setup", self.config, "--answers", self.answers(**parts), *words)

    def files(self):
        return sorted(path.name for path in self.etc.iterdir())


def minewatch(*words):
    """Exit code, and what it said."""
    heard = io.StringIO()
    with contextlib.redirect_stderr(heard), contextlib.redirect_stdout(heard):
        code = main([str(word) for word in words])
    return code, heard.getvalue()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# At a terminal


def test_a_technician_is_asked_and_what_is_written_passes_the_check(box):
    """Wrong answers are told why; passwords are not shown, and lie in files of their own; no packet leaves."""
    log = box.home / "sent.txt"
    with Typist(log, "setup", box.config, cwd=box.home, program=("-c", AUDITED)) as somebody:
        somebody.answer("Name of this site [mine]", "Nordschacht 三号")
        somebody.answer(f"[{box.etc / 'state'}]", str(box.home / "state"))
        somebody.answer("Camera 1:", "http://192.0.2.1/")
        somebody.wait_for("wanted rtsp:// or rtsps://")
        somebody.answer("Camera 1:", str(box.clip))
        somebody.answer("begin it anew when it ends? [Y/n]")
        somebody.wait_for("96x96")
        somebody.answer("Name [camera 1]", "a/b")
        somebody.wait_for("wanted a name without /")
        somebody.answer("Name [camera 1]", "Gate")
        somebody.answer("Camera 2 [no more]:", f"rtsp://127.0.0.1:{free_port()}/stream")
        somebody.answer("User [none]", "watch")
        somebody.answer("Password (not shown):", "Gl\u00fcck auf 42")
        somebody.wait_for("nobody listens there")
        somebody.answer("(again, keep, new) [again]", "k")
        somebody.answer("Name [camera 2]", "gate")
        somebody.wait_for("a second time")
        somebody.answer("Name [camera 2]", "Shaft 2")
        somebody.answer("Camera 3 [no more]:")
        somebody.answer("Model: a number", str(box.home / "bright.onnx"))
        somebody.answer("[127.0.0.1:8787]", "0.0.0.0:80")
        somebody.wait_for("which others can reach")
        somebody.answer("[127.0.0.1:8787]", box.told["web"]["listen"])
        somebody.answer("Shall others open it", "y")
        somebody.answer("Names or addresses", "watch.mine.example 192.0.2.7")
        somebody.answer("Name of the first user [admin]")
        somebody.answer("Role (viewer, operator, admin) [admin]")
        somebody.answer("Password (not shown):", "page-one")
        somebody.answer("once more (not shown):", "page-two")
        somebody.wait_for("the two differ")
        somebody.answer("Password (not shown):", "page-word")
        somebody.answer("once more (not shown):", "page-word")
        somebody.answer("Another user? [y/N]")
        somebody.answer("MQTT broker [none]", "192.0.2.20")
        somebody.answer("By TLS? [y/N]")
        somebody.answer("Port [1883]", "0")
        somebody.wait_for("wanted at least 1")
        somebody.answer("Port [1883]")
        somebody.answer("User [none]", "box")
        somebody.answer("Password (not shown):", "broker-word")
        somebody.answer("Webhook", "https://192.0.2.30/alarms")
        somebody.answer("Enter makes one", "")
        somebody.answer("Siren", "/bin/true --loud")
        somebody.answer(f"Write {box.config}? [Y/n]")
        assert somebody.ended() == 0, somebody.shown
    for secret in ("Gl\u00fcck", "page-one", "page-word", "broker-word", "scrypt"):
        assert secret not in somebody.shown
    config = read_config(box.config)
    gate, shaft = config.cameras
    assert (config.site, gate.repeat, shaft.user) == ("Nordschacht 三号", True, "watch")
    assert revealed(shaft.password) == "Gl\u00fcck auf 42" and revealed(config.sinks.mqtt.password) == "broker-word"
    assert len(revealed(config.sinks.webhooks[0].secret)) >= 32
    assert agrees("page-word", config.web.users[0].password_hash)
    assert config.sinks.siren.command == ("/bin/true", "--loud")
    assert box.files() == ["minewatch.yaml", "mqtt.password", "shaft-2.password", "webhook.secret"]
    assert {mode(path) for path in box.etc.iterdir()} == {0o600}
    assert "auf 42" not in box.config.read_text() and "broker-word" not in box.config.read_text()
    assert minewatch("check", box.config)[0] == 0
    assert not log.exists(), log.read_text()


def walk(somebody, box):
    """Up to the last question, by defaults where they will do."""
    somebody.answer("Name of this site")
    somebody.answer("Folder for events", str(box.home / "state"))
    somebody.answer("Camera 1:", str(box.clip))
    somebody.answer("begin it anew", "n")
    somebody.answer("Name [camera 1]")
    somebody.answer("Camera 2")
    somebody.answer("Model", str(box.home / "bright.onnx"))
    somebody.answer("[127.0.0.1:8787]", box.told["web"]["listen"])
    somebody.answer("Shall others open it")
    somebody.answer("MQTT broker")
    somebody.answer("Webhook")
    somebody.answer("Siren")


@pytest.mark.parametrize("where", ["Password (not shown):", "Write "])
def test_ctrl_c_leaves_nothing(box, where):
    """At a password, and when all is laid out already."""
    with Typist("setup", box.config, cwd=box.home) as somebody:
        if where == "Write ":
            walk(somebody, box)
        else:
            somebody.answer("Name of this site")
            somebody.answer("Folder for events")
            somebody.answer("Camera 1:", "rtsp://192.0.2.1/stream")
            somebody.answer("User [none]", "watch")
        somebody.press(where, "\x03")
        assert somebody.ended() == 130
    assert "Traceback" not in somebody.shown and box.files() == []


def test_a_terminal_that_is_closed_is_one_line(box):
    with Typist("setup", box.config, cwd=box.home) as somebody:
        somebody.press("Name of this site", "\x04")
        assert somebody.ended() == 2
    assert "the terminal was closed. Nothing was written" in somebody.shown and box.files() == []


def test_a_configuration_that_is_there_is_asked_about_and_kept(box):
    box.config.write_text("site: old\n")
    with Typist("setup", box.config, cwd=box.home) as somebody:
        somebody.answer("is there already. Make a new one?")
        assert somebody.ended() == 2
    assert box.config.read_text() == "site: old\n" and box.files() == ["minewatch.yaml"]
    with Typist("setup", box.config, cwd=box.home) as somebody:
        somebody.answer("is there already. Make a new one?", "y")
        walk(somebody, box)
        somebody.answer("Write ")
        assert somebody.ended() == 0
    backup = next(path for path in box.etc.iterdir() if path != box.config)
    assert backup.read_text() == "site: old\n" and mode(backup) == 0o600
    assert read_config(box.config).cameras[0].name == "camera 1"


def test_without_a_terminal_nobody_is_asked():
    done = subprocess.run([sys.executable, "-m", "minewatch", "setup", "/absent/minewatch.yaml"], capture_output=True,
                          text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "--answers" in done.stderr and len(done.stderr.splitlines()) == 1


# From a file of answers


def test_answers_become_a_configuration_that_passes_the_check(box):
    """Its cameras are opened and told; passwords, of URLs too, get files of their own."""
    users = [{"name": "boss", "role": "admin", "password": "the page's"}]
    hidden = {"name": "Shaft", "url": "rtsp://watch:camera-word@192.0.2.9/s", "enabled": False}
    code, said = box.setup(cameras=[*box.told["cameras"], hidden], web={**box.told["web"], "users": users})
    assert code == 0, said
    assert "ok   camera: Gate: 96x96" in said
    config = read_config(box.config)
    assert config.cameras[1].url == "rtsp://192.0.2.9:554/s" and config.cameras[1].user == "watch"
    assert revealed(config.cameras[1].password) == "camera-word" and config.cameras[1].password.value is None
    assert agrees("the page's", config.web.users[0].password_hash)
    assert "camera-word" not in said + box.config.read_text()
    assert minewatch("check", box.config)[0] == 0


def test_a_camera_that_gives_no_picture_is_told_and_nothing_is_written(box):
    """Unless it is wished for: then the exit code tells."""
    dark = {"name": "Shaft", "url": f"rtsp://127.0.0.1:{free_port()}/s", "user": "u", "password": "camera-word"}
    code, said = box.setup(cameras=[*box.told["cameras"], dark])
    assert code == 2 and "BAD  camera: Shaft: refused" in said and box.files() == []
    code, said = box.setup("--unseen", cameras=[dark])
    assert code == 3 and box.files() == ["minewatch.yaml", "shaft.password"]


def test_what_the_check_finds_bad_is_not_written(box):
    camera = {**box.told["cameras"][0], "enabled": False}
    code, said = box.setup(model={"file": str(box.home / "absent.onnx")}, cameras=[camera])
    assert code == 2 and "no such file" in said and box.files() == []


def test_a_configuration_that_is_there_stays_unless_it_is_wished(box):
    """And nobody's old password is written over."""
    box.config.write_text("site: old\n")
    (box.etc / "shaft.password").write_text("of the old one\n")
    dark = {"name": "Shaft", "url": "rtsp://192.0.2.9/s", "user": "u", "password": "new-word", "enabled": False}
    code, said = box.setup(cameras=[dark])
    assert code == 2 and "--replace" in said and box.config.read_text() == "site: old\n"
    assert box.setup("--replace", cameras=[dark])[0] == 0
    assert (box.etc / "shaft.password").read_text() == "of the old one\n"
    assert revealed(read_config(box.config).cameras[0].password) == "new-word"
    assert any(path.read_text() == "site: old\n" for path in box.etc.glob("minewatch.yaml.*"))


@pytest.mark.parametrize("text, told", [
    ("cameras:\n  - {name: Gate, ulr: clip.mp4}\n", [":2:18: cameras.0.ulr: no such key (did you mean 'url'?)"]),
    ("cameras:\n  - {name: Gate, url: c.mp4}\nweb:\n  users:\n    - {name: a, password: 1234}\n",
     [":5:27: web.users.0.password: found no text; wanted a password in quotes"]),
    ("cameras:\n  - {name: Gate, url: c.mp4}\nweb:\n  users:\n    - {name: a, password: '', role: boss}\n",
     [":5:27: web.users.0.password: found a password of 0 characters", ":5:37: web.users.0.role: found 'boss'"]),
    ("site: [1\n", ["never closed"]), ("", ["the file is empty"]),
    ("cameras: 7\nweb: {users: 5}\n", [":1:10: cameras", ":2:14: web.users"]),
    ("cameras: [3, {url: 'rtsp://a:b@'}]\n", [":1:11: cameras.0"])])
def test_each_mistake_of_the_answers_has_its_line(tmp_path, text, told):
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ManyFaults) as caught:
        read_answers(path, tmp_path)
    lines = "\n".join(caught.value.told())
    for word in told:
        assert f"{path}{word}" in lines or word in lines
    assert "minewatch check" not in lines  # which wants a configuration, and this is none


def test_answers_that_others_can_read_are_refused_where_a_password_is_in_them(box):
    path = box.answers(web={"users": [{"name": "a", "password": "word"}]})
    path.chmod(0o644)
    with pytest.raises(ManyFaults, match="everybody can read this file"):
        read_answers(path, box.etc)


def test_paths_of_the_answers_lie_beside_them_and_state_beside_the_configuration(box):
    path = box.home / "answers.yaml"
    path.write_text("model: {file: bright.onnx}\ncameras: [{name: a, url: clip.mp4}]\n")
    config = read_answers(path, box.etc)
    assert (config.model.file, config.cameras[0].url) == (box.home / "bright.onnx", str(box.home / "clip.mp4"))
    assert config.state == box.etc / "state"


# What is shipped, and the pieces


def test_the_shipped_model_for_the_cpu_is_offered_and_an_engine_of_the_same_network():
    found = models.shipped()
    best = models.for_cpu(found)[0]
    assert best.card.precision == "int8-cpu" and best.file.is_relative_to(ROOT / "models")
    engine = models.for_engine(best, found)
    assert (engine.card.precision, engine.card.size_text) == ("int8", best.card.size_text)
    wide = next(one for one in models.for_cpu(found) if one.card.width != one.card.height)
    assert models.for_engine(wide, found) is None
    part = models.part_of(best, engine)
    told = {"version": 1, "state": "s", "model": part, "cameras": [{"name": "a", "url": "rtsp://a"}]}
    assert Config.model_validate(told).model.engine.onnx == engine.file


def test_a_complaint_is_of_its_place_alone(tmp_path):
    piece = {"site": "", "cameras": [{"name": "a", "url": "rtsp://a"}, {"name": "b\n", "url": "rtsp://b"}]}
    assert "without /" in complaint(piece, "cameras.1", tmp_path)
    assert complaint(piece, "cameras.0", tmp_path) == "" and complaint(piece, "site", tmp_path)


def made_by(box, **parts):
    config = Config.model_validate({"version": 1, "site": "mine", **box.told, **parts})
    return layout(config, box.config.name, lambda name: None)


def test_secrets_of_one_name_get_files_of_their_own(box):
    cameras = [{"name": name, "url": "rtsp://a", "user": "u", "password": f"{name}'s"} for name in ("a b", "A-B", "三")]
    with pytest.raises(ValueError, match="second time"):
        made_by(box, cameras=[*cameras, cameras[0]])
    made = made_by(box, cameras=cameras)
    assert list(made.files) == ["a-b.password", "a-b-2.password", "三.password", "minewatch.yaml"]
    assert made.files["a-b-2.password"] == "A-B's\n"


@pytest.fixture
def open_box(clip):
    """A box that others than root can reach: pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        bright_onnx(Path(home, "bright.onnx"))
        Path(home, "etc").mkdir()
        for folder in ("etc", "state"):
            Path(home, folder).mkdir(exist_ok=True)
            if os.geteuid() == 0:
                os.chown(Path(home, folder), 1234, 1234)
        yield Box(Path(home), shutil.copy(clip, home))


def test_what_root_writes_belongs_to_whom_the_folder_belongs(open_box):
    """Or else the watch, which is not root, could not read its passwords."""
    box = open_box
    code, said = box.setup("--unseen", cameras=[{"name": "a", "url": f"rtsp://127.0.0.1:{free_port()}/", "user": "u",
                                                 "password": "word"}])
    assert code == 3, said
    assert box.setup("--replace")[0] == 0
    assert len(box.files()) == 3
    assert {path.stat().st_uid for path in box.etc.iterdir()} == {box.etc.stat().st_uid}
    assert os.geteuid() == os.getuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root could write elsewhere")
def test_a_link_in_a_folder_of_the_watch_s_user_does_not_lead_root_elsewhere(open_box):
    box = open_box
    (box.home / "root").mkdir()
    precious = box.home / "root" / "precious"
    precious.write_text("as it was\n")
    box.config.symlink_to(precious)
    code, said = box.setup("--replace")
    assert code == 2 and "cannot be written to" in said
    assert precious.read_text() == "as it was\n" and [path.name for path in precious.parent.iterdir()] == ["precious"]


def test_a_move_that_fails_leaves_all_as_it_was(box):
    made = made_by(box, cameras=[{"name": "a", "url": "rtsp://a", "user": "u", "password": "word"}])
    box.config.mkdir()
    with contextlib.suppress(OSError, MineHatError), laid_aside(made, box.etc, box.etc) as aside:
        put_in_place(made, aside, box.etc, box.etc)
    assert box.files() == ["minewatch.yaml"] and box.config.is_dir()


def test_what_a_setup_that_was_killed_left_is_swept(box):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    for pid in (done.stdout.strip(), str(os.getpid())):
        (box.etc / f"{ASIDE}{pid}-x").mkdir()
        (box.etc / f"{ASIDE}{pid}-x" / "gate.password").write_text("word")
    with laid_aside(made_by(box), box.etc, box.etc):
        pass
    assert box.files() == [f"{ASIDE}{os.getpid()}-x"]
