"""Signed updates: which ones a box takes, what they make of its configuration, and when they are taken back."""

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from fleet_lab import NOW, SITE, Box, Keys, packed, signed_anew
from minehat.errors import MineHatError
from minewatch.berth.errors import Refused
from minewatch.berth.signing import fingerprint
from minewatch.config.load import config_of
from minewatch.fleet import config_file, ledger, trial
from minewatch.fleet.ledger import Ledger, alone, folder_of
from minewatch.fleet.merging import change_of, merged
from minewatch.fleet.packing import Wish, pack
from minewatch.fleet.refusal import NotTaken
from minewatch.fleet.release import release_here
from minewatch.fleet.report import name_of
from minewatch.fleet.sources import Folder, small
from minewatch.fleet.staging import lying_in
from minewatch.fleet.tasks import TRIES, asked
from minewatch.fleet.trial import PATIENCE, Trial, judged

DOOR = Path(__file__).parents[1] / "jetson" / "pack_update.py"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def box(tmp_path, keys):
    return Box(tmp_path / "box", keys)


def refusal(box, place, **more):
    """The one line that a look tells, and that it tells it once."""
    first = box.does("look", place, **more)
    assert not first.digest and len(first.refusals) == 1
    assert box.does("look", place, **more).refusals == ()
    assert box.config.read_text() == box.text and not config_file.marker_of(box.config)
    assert "\n" not in first.refusals[0][1]
    return first.refusals[0]


def test_an_update_is_laid_over_the_configuration_and_its_comments_stay(tmp_path, keys, box):
    new = bright_onnx(tmp_path / "new.onnx")
    made = packed(tmp_path / "update", keys, models={"file": new},
                  change="rules: {frames: 7}\ncameras: [{name: belt, most_fps: 5}]")
    box.takes(tmp_path / "update")
    config = box.reads()
    assert config.rules.frames == 7 and config.rules.seconds == 2
    assert [camera.most_fps for camera in config.cameras] == [None, 5]
    assert config.model.file == lying_in(box.state, made.digest) / "models" / "new.onnx"
    assert config.model.file.read_bytes() == new.read_bytes()
    assert "# of the north" in box.config.read_text() and "# as agreed" in box.config.read_text()
    assert box.config.stat().st_mode & 0o777 == 0o600
    assert box.ledger["running"] == made.digest and box.ledger["applied"][-1]["build"] == made.build
    assert box.does("look", tmp_path / "update") == type(box.does("look", tmp_path / "update"))()  # no news any more


def test_only_what_the_trusted_key_signed_is_taken(tmp_path, keys, box):
    other = Keys(tmp_path, "other")
    packed(tmp_path / "update", other)
    cause, text = refusal(box, tmp_path / "update")
    assert cause == "signature" and "signed" in text
    assert not (folder_of(box.state) / "files").exists()  # nothing is copied before the signature is right


def test_a_box_without_a_trusted_key_takes_nothing(tmp_path, keys, box):
    packed(tmp_path / "update", keys)
    assert refusal(box, tmp_path / "update", key=str(tmp_path / "none.pem"))[0] == "signature"


@pytest.mark.parametrize("spoil, cause, said", [
    (lambda f: (f / "MANIFEST.json").write_bytes((f / "MANIFEST.json").read_bytes() + b" "), "signature", "signed"),
    (lambda f: (f / "MANIFEST.sig").unlink(), "signature", "MANIFEST.sig"),
    (lambda f: (f / "MANIFEST.sig").write_bytes(b"x" * 64), "signature", "signed"),
    (lambda f: (f / "MANIFEST.sig").write_bytes(b"x" * 10_000), "source", "longer"),
    (lambda f: (f / "MANIFEST.json").write_bytes(b" " * (2 << 20)), "source", "longer"),
    (lambda f: (f / "change.yaml").unlink(), "source", "not whole"),
    (lambda f: (f / "change.yaml").write_text("rules: {frames: 8}"), "source", "not the file that was signed"),
    (lambda f: (f / "change.yaml").write_text("rules: {frames: 7}   "), "source", "more than"),
    (lambda f: (f / "change.yaml").write_text("rules"), "source", "ends before"),
    (lambda f: ((f / "change.yaml").unlink(), (f / "change.yaml").symlink_to("/etc/passwd")), "source", "links"),
    (lambda f: ((f / "change.yaml").unlink(), os.mkfifo(f / "change.yaml")), "source", "no regular file"),
    (lambda f: ((f / "MANIFEST.json").unlink(), (f / "MANIFEST.json").mkdir()), "source", "no regular file"),
], ids=["manifest", "unsigned", "noise", "long signature", "long manifest", "missing", "changed", "longer", "shorter",
        "link", "pipe", "folder"])
def test_a_spoiled_copy_is_refused_in_one_line_and_told_once(tmp_path, keys, box, spoil, cause, said):
    packed(tmp_path / "update", keys)
    spoil(tmp_path / "update")
    found = refusal(box, tmp_path / "update")
    assert found[0] == cause and said in found[1], found


@pytest.mark.parametrize("edit, cause, said", [
    (lambda told: told.update(site="South shaft"), "site", "'South shaft'"),
    (lambda told: told.update(kind="release"), "unsound", "sudo sh install.sh"),
    (lambda told: told.update(config_version=2), "config", "version 2"),
    (lambda told: told.update(build="tomorrow"), "unsound", "pack it again"),
    (lambda told: told["files"].update({"../../minewatch.yaml": {"sha256": "0" * 64, "bytes": 1}}), "unsound", "path"),
    (lambda told: told["files"].update({"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}), "unsound", "path"),
    (lambda told: told["files"].update({"run.py": {"sha256": "0" * 64, "bytes": 1}}), "unsound", "pack it again"),
    (lambda told: told["files"]["change.yaml"].update(bytes=10 << 30), "unsound", "at most"),
    (lambda told: told["files"]["change.yaml"].update(bytes=-1), "unsound", "length"),
    (lambda told: told.update(model={"file": "models/none.onnx"}), "unsound", "pack it again"),
    (lambda told: told.update(model={"state": "change.yaml"}), "unsound", "pack it again"),
], ids=["site", "release", "version", "build", "parent", "root", "stranger", "10 GB", "negative", "no model", "no key"])
def test_what_is_signed_and_yet_not_for_this_box_is_refused(tmp_path, keys, box, edit, cause, said):
    """Even a manifest of the right key is not believed: no path leads out, no file is larger than may be."""
    packed(tmp_path / "update", keys)
    signed_anew(tmp_path / "update", keys, edit)
    found = refusal(box, tmp_path / "update")
    assert found[0] == cause and said in found[1], found


def test_an_update_for_another_box_of_the_site_is_no_news(tmp_path, keys, box):
    packed(tmp_path / "update", keys, boxes=("north-2",))
    found = box.does("look", tmp_path / "update")
    assert not found.digest and not found.refusals
    packed(tmp_path / "update", keys, boxes=("north-2", "north-1"))
    assert box.does("look", tmp_path / "update").digest


def test_an_older_update_is_a_replay_unless_it_is_signed_as_going_back(tmp_path, keys, box):
    box.takes(packed(tmp_path / "a", keys) and tmp_path / "a")
    newer = packed(tmp_path / "b", keys, 60, change="rules: {frames: 8}")
    box.takes(tmp_path / "b")
    packed(tmp_path / "old", keys, 30, change="rules: {frames: 3}")
    box.text = box.config.read_text()
    cause, text = refusal(box, tmp_path / "old")
    assert cause == "older" and newer.build in text and "--instead-of" in text
    packed(tmp_path / "back", keys, 30, change="rules: {frames: 7}", instead_of=newer.build)
    box.takes(tmp_path / "back")
    assert box.reads().rules.frames == 7
    box.text = box.config.read_text()
    assert not box.does("look", tmp_path / "a", tmp_path / "b", tmp_path / "back").digest  # each ran: none is news
    packed(tmp_path / "again", keys, 30, change="rules: {frames: 2}", instead_of=newer.build)
    assert refusal(box, tmp_path / "again")[0] == "older"  # what it may replace runs no more
    packed(tmp_path / "between", keys, 45)
    assert refusal(box, tmp_path / "between")[0] == "older"  # going back opens no door to what lies between
    packed(tmp_path / "next", keys, 61)
    assert box.does("look", tmp_path / "next").digest


def test_an_update_from_before_the_release_that_runs_is_refused(tmp_path, keys, box):
    packed(tmp_path / "update", keys)
    assert refusal(box, tmp_path / "update", release="20261122T120001Z")[0] == "older"


def test_the_release_is_that_of_the_venv(tmp_path):
    assert release_here(str(tmp_path / "venv")) == ""
    told = {"format": 1, "kind": "release", "name": "minehat", "version": "0.1.0", "build": "20261122T120000Z",
            "files": {"install.sh": {"sha256": "0" * 64, "bytes": 1}}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(told))
    assert release_here(str(tmp_path / "venv")) == "20261122T120000Z"


def test_a_stick_that_is_out_is_no_fault_and_one_pulled_out_in_the_middle_goes_on_where_it_stopped(tmp_path, keys, box):
    stick = tmp_path / "stick"
    assert box.does("look", stick).refusals == ()
    made = packed(stick, keys, models={"file": bright_onnx(tmp_path / "new.onnx")})
    whole = (stick / "models/new.onnx").read_bytes()
    (stick / "models/new.onnx").write_bytes(whole[:1000])
    assert "kept" in refusal(box, stick)[1]
    part = lying_in(box.state, made.digest) / "models/new.onnx.part"
    assert part.read_bytes() == whole[:1000]
    (stick / "models/new.onnx").write_bytes(b"X" * 1000 + whole[1000:])  # what is there already is not read again
    assert box.does("look", stick).digest == made.digest
    assert part.with_suffix("").read_bytes() == whole and not part.exists()


def test_a_disk_that_fails_while_it_is_read_is_told():
    """/proc/self/mem gives a real input/output error at its beginning."""
    with pytest.raises(NotTaken, match="cannot be read to its end: Input/output error"):
        small(Folder(Path("/proc/self")), "mem", 10)


def test_a_socket_and_a_link_in_the_path_are_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(str(tmp_path / "socket"))
        for path in ("link/file", "socket"):
            with pytest.raises(NotTaken):
                small(Folder(tmp_path), path, 10)
    assert small(Folder(tmp_path), "real/file", 10) == b"x" and small(Folder(tmp_path), "real/none", 10) is None


def test_events_keep_their_room(tmp_path, keys, box):
    packed(tmp_path / "update", keys)
    cause, text = refusal(box, tmp_path / "update", disk_share=0.0)
    assert cause == "place" and "needed for events" in text
    assert box.does("look", tmp_path / "update", disk_share=1.0).digest  # and is taken as soon as there is room


def test_the_next_source_is_looked_at_where_one_fails(tmp_path, keys, box):
    packed(tmp_path / "bad", Keys(tmp_path, "other"))
    good = packed(tmp_path / "good", keys)
    found = box.does("look", tmp_path / "none", tmp_path / "bad", tmp_path / "good")
    assert found.digest == good.digest and [cause for cause, _ in found.refusals] == ["signature"]


def test_what_is_well_again_is_told_anew_when_it_fails_again(tmp_path, keys, box):
    packed(tmp_path / "spoiled", keys)
    (tmp_path / "spoiled/MANIFEST.sig").write_bytes(b"")
    source = tmp_path / "source"
    for _ in range(2):
        shutil.copytree(tmp_path / "spoiled", source)
        assert [cause for cause, _ in box.does("look", source).refusals] == ["signature"]
        shutil.rmtree(source)
        assert not box.does("look", source).refusals


def test_a_configuration_that_would_be_wrong_here_is_refused_for_good(tmp_path, keys, box):
    made = packed(tmp_path / "update", keys, change="cameras: [{name: new one, most_fps: 5}]")  # and no url
    found = box.does("look", tmp_path / "update")
    refused = box.does("apply", digest=found.digest)
    assert not refused.digest and refused.refusals[0][0] == "config" and "url" in refused.refusals[0][1]
    assert box.config.read_text() == box.text and not config_file.marker_of(box.config)
    assert made.digest in box.ledger["refused"] and not lying_in(box.state, made.digest).exists()
    assert not box.does("look", tmp_path / "update").digest  # never twice the same


def test_over_a_configuration_that_is_wrong_itself_nothing_is_laid(tmp_path, keys, box):
    packed(tmp_path / "update", keys)
    found = box.does("look", tmp_path / "update")
    box.config.write_text(box.text + "nonsense: 1\n")
    refused = box.does("apply", digest=found.digest)
    assert refused.refusals[0][0] == "place" and "nonsense" in refused.refusals[0][1]
    box.config.write_text(box.text)
    assert box.does("apply", digest=found.digest).digest  # when it is mended the update is taken


def test_what_was_taken_back_is_never_tried_again(tmp_path, keys, box):
    found = packed(tmp_path / "update", keys)
    box.does("look", tmp_path / "update")
    box.does("apply", digest=found.digest)
    assert box.config.read_text() != box.text
    undone = box.does("undo", digest=found.digest, cause="model", text="it sees nobody")
    assert undone.refusals == (("model", "it sees nobody"),) and box.config.read_text() == box.text
    assert not box.does("look", tmp_path / "update").digest
    assert box.ledger["refused"] == {found.digest: "it sees nobody"}
    packed(tmp_path / "update", keys, 1)  # packed anew it is another one
    assert box.does("look", tmp_path / "update").digest


def test_a_power_cut_in_a_trial_leaves_the_configuration_of_before(tmp_path, keys, box):
    found = packed(tmp_path / "update", keys)
    for _ in range(TRIES):
        assert box.does("look", tmp_path / "update").digest == found.digest
        assert box.does("apply", digest=found.digest).digest
        assert (config_file.marker_beside(box.config).stat().st_mode & 0o777) == 0o600
        assert found.build in config_file.recover(box.config)  # as the watch does when it begins
        assert box.config.read_text() == box.text and config_file.recover(box.config) == ""
    box.does("look", tmp_path / "update")
    assert box.does("apply", digest=found.digest).refusals[0][0] == "interrupted"
    assert not box.does("look", tmp_path / "update").digest


@pytest.mark.parametrize("cut", ["the marker", "the file", "the keeping"])
def test_wherever_the_power_goes_it_is_as_before_or_as_after(tmp_path, keys, box, cut, monkeypatch):
    found = packed(tmp_path / "update", keys)
    box.does("look", tmp_path / "update")

    def fail(*_):
        raise KeyboardInterrupt

    if cut == "the marker":
        monkeypatch.setattr(config_file, "write_whole", fail)
        with pytest.raises(KeyboardInterrupt):
            box.does("apply", digest=found.digest)
        monkeypatch.undo()
        assert config_file.recover(box.config) and box.config.read_text() == box.text
    else:
        box.does("apply", digest=found.digest)
        if cut == "the keeping":
            monkeypatch.setattr("minewatch.fleet.tasks.write_ledger", fail)
            with pytest.raises(KeyboardInterrupt):
                box.does("keep", digest=found.digest)
            monkeypatch.undo()
            assert config_file.recover(box.config) == "" and box.reads().rules.frames == 7
        else:
            assert config_file.recover(box.config) and box.config.read_text() == box.text
    box.takes(tmp_path / "update")  # it is found again, and goes its way
    assert box.reads().rules.frames == 7 and box.ledger["running"] == found.digest


def test_a_disk_that_takes_no_more_does_not_keep_the_watch_from_beginning(tmp_path, keys, box, monkeypatch):
    """It goes by the text of before; the update is put back when there is room, and before another is laid over it."""
    found = packed(tmp_path / "update", keys)
    box.does("look", tmp_path / "update")
    box.does("apply", digest=found.digest)

    def full(path, _):
        raise MineHatError(f"{path} cannot be written: No space left on device.")

    with monkeypatch.context() as there:
        there.setattr(config_file, "write_whole", full)
        config, told = config_file.first_read(box.config)
        assert config == config_of(box.text, box.config) and "No space left" in told and found.build in told
        with pytest.raises(MineHatError, match="No space left"):
            box.does("apply", digest=found.digest)
    assert box.reads().rules.frames == 7 and box.does("apply", digest=found.digest).digest
    assert config_file.marker_of(box.config).before == box.text
    config, told = config_file.first_read(box.config)
    assert box.config.read_text() == box.text and config == box.reads() and "was on trial" in told
    config_file.marker_beside(box.config).write_text("{")
    config, told = config_file.first_read(box.config)
    assert config == box.reads() and "cannot be read" in told


def test_an_update_that_was_kept_while_another_watch_came_to_begin_stays(tmp_path, keys, box, monkeypatch):
    found, lock = packed(tmp_path / "update", keys), config_file.owned
    box.does("look", tmp_path / "update")
    box.does("apply", digest=found.digest)

    @contextmanager
    def waited_for(state):
        box.does("keep", digest=found.digest)
        with lock(state):
            yield

    monkeypatch.setattr(config_file, "owned", waited_for)
    assert config_file.recover(box.config) == "" and box.reads().rules.frames == 7


def test_what_a_person_writes_while_an_update_is_laid_over_it_is_not_lost(tmp_path, keys, box, monkeypatch):
    found, wrote = packed(tmp_path / "update", keys), "# zones of today\n"
    box.does("look", tmp_path / "update")

    def slow(text, *more):
        if not text.endswith(wrote):
            box.config.write_text(text + wrote)
        return merged(text, *more)

    monkeypatch.setattr("minewatch.fleet.tasks.merged", slow)
    done = box.does("apply", digest=found.digest)
    assert done.refusals[0][0] == "place" and "was changed while" in done.refusals[0][1]
    assert box.config.read_text() == box.text + wrote and not config_file.marker_of(box.config)
    box.takes(tmp_path / "update")
    assert box.config.read_text().endswith(wrote) and box.reads().rules.frames == 7


@pytest.mark.parametrize(("change", "where"), [
    ("cameras: [{name: gate, password: geheim}]", "cameras.0.password"),
    ("cameras: [{name: gate, url: 'rtsp://me:geheim@192.0.2.1/live'}]", "cameras.0.url"),
    ("sinks: {webhooks: [{name: room, secret: geheim}]}", "sinks.webhooks.0.secret"),
    ("cameras: [{name: gate, url: 'rtsp://192.0.2.1/live', password: {file: gate.password}}]", "")])
def test_a_password_does_not_travel_in_an_update(tmp_path, keys, change, where):
    """Whoever has the stick could read it."""
    if not where:
        packed(tmp_path / "update", keys, change=change)
        return
    with pytest.raises(MineHatError, match=where) as told:
        packed(tmp_path / "update", keys, change=change)
    assert "geheim" not in str(told.value) and not (tmp_path / "update").exists()


def test_of_a_file_that_a_person_changed_meanwhile_the_model_alone_is_put_back(tmp_path, keys, box):
    """What they wrote stays, and the watch never begins with a model that was refused."""
    found = packed(tmp_path / "update", keys, models={"file": bright_onnx(tmp_path / "new.onnx")},
                   change="rules: {frames: 7}")
    box.does("look", tmp_path / "update")
    box.does("apply", digest=found.digest)
    box.config.write_text(box.config.read_text().replace("frames: 7", "frames: 9"))
    undone = box.does("undo", digest=found.digest, cause="model", text="it sees nobody")
    assert "by hand" in undone.refusals[0][1]
    assert box.reads().model.file == box.model and box.reads().rules.frames == 9
    assert not config_file.marker_of(box.config) and "# as agreed" in box.config.read_text()


def test_what_a_person_made_no_configuration_of_stays(tmp_path, keys, box):
    found = packed(tmp_path / "update", keys)
    box.does("look", tmp_path / "update")
    box.does("apply", digest=found.digest)
    for mine in ("[1, 2", "- 1\n", "just words"):
        box.config.write_text(mine)
        assert not config_file.put_back(box.config, config_file.marker_for("", "", box.state, box.text, "x"))
        assert box.config.read_text() == mine


def test_an_update_whose_files_were_spoiled_in_its_trial_goes(tmp_path, keys, box):
    found = packed(tmp_path / "update", keys, models={"file": bright_onnx(tmp_path / "new.onnx")})
    box.does("look", tmp_path / "update")
    box.does("apply", digest=found.digest)
    (lying_in(box.state, found.digest) / "models/new.onnx").write_bytes(b"")
    kept = box.does("keep", digest=found.digest)
    assert not kept.digest and "spoiled" in kept.refusals[0][1] and box.config.read_text() == box.text


def test_what_is_put_back_is_put_back_to_the_byte(tmp_path, keys, box):
    raw = b"\xef\xbb\xbf" + box.text.replace("\n", "\r\n").encode()
    box.config.write_bytes(raw)
    found = packed(tmp_path / "update", keys)
    box.does("look", tmp_path / "update")
    assert box.does("apply", digest=found.digest).digest and box.reads().rules.frames == 7
    box.does("undo", digest=found.digest, cause="watching", text="it went dark")
    assert box.config.read_bytes() == raw


def test_the_door_packs_what_a_box_takes(tmp_path, keys, box):
    change = tmp_path / "change.yaml"
    change.write_text("rules: {frames: 7}")

    def door(*more):
        return subprocess.run([sys.executable, DOOR, tmp_path / "update", "--site", SITE, *more], capture_output=True,
                              text=True, check=False)

    ran = door("--key", keys.public, "--change", change)
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1 and "no private" in ran.stderr
    ran = door("--key", keys.private, "--change", change, "--box", "north-1", "--note", "more frames")
    assert ran.returncode == 0 and "north-1 of North shaft" in ran.stdout and fingerprint(keys.public) in ran.stdout
    assert "more frames" in box.takes(tmp_path / "update").told
    assert box.reads().rules.frames == 7


def test_files_that_nobody_names_any_more_go(tmp_path, keys, box):
    first = packed(tmp_path / "a", keys, models={"file": bright_onnx(tmp_path / "a.onnx")})
    second = packed(tmp_path / "b", keys, 1, models={"file": bright_onnx(tmp_path / "b.onnx")})
    third = packed(tmp_path / "c", keys, 2)
    for place in "abc":
        box.takes(tmp_path / place)
    there = {one.name for one in (folder_of(box.state) / "files").iterdir()}
    assert there == {lying_in(box.state, one.digest).name for one in (second, third)}, first


def test_two_at_once_do_not_meet(box, monkeypatch):
    monkeypatch.setattr(ledger, "PATIENCE", 0.3)
    with alone(box.state), pytest.raises(MineHatError, match="another process"):
        box.does("look")


def test_a_spoiled_ledger_is_told_and_nothing_is_done(box, tmp_path, keys):
    packed(tmp_path / "update", keys)
    folder_of(box.state).mkdir()
    (folder_of(box.state) / "ledger.json").write_text("{")
    with pytest.raises(MineHatError, match=r"ledger\.json"):
        box.does("look", tmp_path / "update")


def test_the_report_says_how_it_stands_and_no_secret(tmp_path, keys, box):
    reports = tmp_path / "reports"
    about = {"site": SITE, "watching": False, "text": "gate: rtsp://watch:geheimnis@192.0.2.1/live is refused"}
    packed(tmp_path / "update", keys)
    (tmp_path / "update/MANIFEST.sig").unlink()
    box.does("look", tmp_path / "update", report=str(reports), about=about)
    assert not reports.exists()  # a stick that is out
    reports.mkdir()
    box.does("look", tmp_path / "update", report=str(reports), about=about)
    text = (reports / name_of(SITE, "north-1")).read_text()
    told = json.loads(text)
    assert told["watching"] is False and "geheimnis" not in text and "is refused" in told["text"]
    assert "MANIFEST.sig" in told["updates"]["troubles"][str(tmp_path / "update")]
    assert told["versions"]["python"] and told["time"] == "2026-11-22T12:00:00.000Z"
    assert (folder_of(box.state) / "report.json").read_text() == text


@pytest.mark.parametrize("site, name", [("North shaft", "North_shaft-b.json"), ("../../etc", "etc-b.json"),
                                        ("北井", "北井-b.json"), ("/", "_-b.json")])
def test_reports_have_names_that_stay_in_their_folder(site, name):
    assert name_of(site, "b") == name


# what a change makes of a configuration


CONFIG = """version: 1
state: state
model: {file: old.onnx, card: old.json, engine: {onnx: old-trt.onnx, target: rtx}}  # mine
cameras:
  - {name: a, url: clip.mp4, most_fps: 5}
  - name: b
    url: clip.mp4
    zones:
      - name: door
        points: [[0, 0], [1, 0], [1, 1]]
web:
  listen: 127.0.0.1:0
"""


def laid(change, model=None, text=CONFIG):
    return config_of(merged(text, change_of(change), model or {}), Path("/etc/w.yaml"))


def test_named_things_are_found_by_their_names_and_the_rest_is_replaced():
    config = laid("cameras: [{name: b, zones: [{name: door, rule: ignore}, {name: new, points: [[0,0],[1,0],[0,1]]}]}, "
                  "{name: c, url: other.mp4}]\nweb: {hosts: [a.mine, b.mine]}")
    assert [camera.name for camera in config.cameras] == ["a", "b", "c"]
    assert [(zone.name, zone.rule) for zone in config.cameras[1].zones] == [("door", "ignore"), ("new", "helmet")]
    assert config.web.hosts == ("a.mine", "b.mine") and config.web.listen == "127.0.0.1:0"


def test_null_takes_a_key_out_and_a_missing_part_is_made():
    config = laid("cameras: [{name: a, most_fps: null}]\nrules: {seconds: 3}\nlog: null")
    assert config.cameras[0].most_fps is None and config.rules.seconds == 3


def test_a_new_model_takes_the_card_and_engine_of_the_old_one_away():
    config = laid("rules: {frames: 2}", {"file": Path("/s/new.onnx")})
    assert config.model.file == Path("/s/new.onnx") and config.model.card is None and config.model.engine is None
    config = laid("rules: {frames: 2}", {"file": Path("/s/new.onnx"), "engine": Path("/s/trt.onnx")})
    assert config.model.engine.onnx == Path("/s/trt.onnx") and config.model.engine.target == "rtx"


def test_a_configuration_in_json_can_be_changed_too():
    text = json.dumps({"version": 1, "state": "s", "model": {"file": "m.onnx"},
                       "cameras": [{"name": "a", "url": "c.mp4"}]})
    config = laid("rules: {frames: 2}\ncameras: [{name: a, widest: 640, rules: {gap: 2}}]", text=text)
    assert config.rules.frames == 2 and config.cameras[0].widest == 640 and config.cameras[0].rules.gap == 2


@pytest.mark.parametrize("change, said", [
    ("rulez: {frames: 2}", "rulez"), ("rules: {frame: 2}", "frames"), ("cameras: [{name: a, most_fsp: 2}]", "most_fps"),
    ("site: other", "no update changes it"), ("state: /tmp", "no update changes it"), ("version: 2", "no update"),
    ("[1, 2]", "no keys"), ("rules: {frames: 2", "change.yaml:"), ("a: &x 1\nb: *x", "change.yaml")])
def test_a_change_that_no_configuration_could_take_is_refused_when_it_is_packed(tmp_path, keys, change, said):
    file = tmp_path / "change.yaml"
    file.write_text(change)
    with pytest.raises(MineHatError, match=said):
        pack(tmp_path / "update", Wish(SITE, change=file), keys.private, NOW)
    assert not (tmp_path / "update").exists() and list(tmp_path.iterdir()) == [file]


def test_packing_refuses_what_no_box_could_use(tmp_path, keys):
    one = bright_onnx(tmp_path / "one.onnx")
    (tmp_path / "other").mkdir()
    twin = shutil.copy(one, tmp_path / "other/one.onnx")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("x")
    for wish, out, said in ((Wish(SITE), "u", "would do nothing"),
                            (Wish(SITE, models={"file": tmp_path / "none.onnx"}), "u", "no such file"),
                            (Wish(SITE, models={"file": one, "fallback": Path(twin)}), "u", "one name"),
                            (Wish(SITE, models={"file": one}), "full", "no update")):
        with pytest.raises(MineHatError, match=said):
            pack(tmp_path / out, wish, keys.private, NOW)
    with pytest.raises(Refused):
        pack(tmp_path / "u", Wish(SITE, models={"file": one}), keys.public, NOW)
    assert not (tmp_path / "u").exists() and (tmp_path / "full/mine.txt").exists()


# the trial, on a clock of the test's


def test_an_update_stays_when_it_went_well_for_so_long():
    begun = trial.reloaded(Trial(75, True, 0.0), "", 10.0)
    assert judged(begun, True, "", 84.0)[1] == "" and judged(begun, True, "", 85.0)[1] == "stays"


def test_a_model_is_waited_for_and_then_has_its_time():
    begun = trial.reloaded(Trial(75, True, 0.0), "/new.onnx", 0.0)
    assert judged(begun, True, "", 300.0)[1] == ""
    assert trial.heard(begun, "swapped", "/other.onnx", "", 300.0) == begun
    swapped = trial.heard(begun, "swapped", "/new.onnx", "", 300.0)
    assert judged(swapped, True, "", 374.0)[1] == "" and judged(swapped, True, "", 375.0)[1] == "stays"
    failed = trial.heard(swapped, "refused", "/new.onnx", "it failed within 60 s", 350.0)
    assert judged(failed, True, "", 350.0) == (failed, "goes") and failed.cause == "model"
    assert judged(begun, True, "", trial.LOADING + 1)[1] == "goes"


def test_an_update_after_which_not_all_is_watched_goes():
    begun = trial.reloaded(Trial(75, True, 0.0), "", 0.0)
    assert judged(begun, False, "gate is blind", 75 + PATIENCE)[1] == ""  # cameras may take their time
    assert judged(begun, True, "", 75 + PATIENCE)[1] == "stays"
    gone, verdict = judged(begun, False, "gate is blind", 76 + PATIENCE)
    assert verdict == "goes" and gone.cause == "watching" and "gate is blind" in gone.fault


def test_where_not_all_was_watched_before_the_update_is_not_to_blame():
    begun = replace(trial.reloaded(Trial(75, True, 0.0), "", 0.0), watched=False)
    assert judged(begun, False, "gate is blind", 75.0)[1] == "stays"


def test_a_configuration_that_the_watch_refuses_goes_at_once():
    begun = trial.config_refused(Trial(75, True, 0.0), "web.listen is taken")
    gone, verdict = judged(begun, True, "", 0.0)
    assert verdict == "goes" and gone.cause == "config"


def test_an_empty_ledger_knows_nothing():
    assert not Ledger().knows("") and not Ledger().knows("0" * 64)
    assert asked(Path("/s")) == Path("/s/updates/asked")
