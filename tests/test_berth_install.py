"""Does install.sh put a verified bundle beside what runs, and nothing else where anything is amiss?"""

import ast
import fcntl
import hashlib
import os
import pty
import shutil
import subprocess
import sys
import threading
import zipfile

import pytest
from minewatch.berth import manifest, signing
from minewatch.berth.errors import Refused
from minewatch.berth.installing import links
from minewatch.berth.installing.disk import bytes_of
from minewatch.berth.installing.layout import Layout
from minewatch.berth.installing.lock import locked
from minewatch.berth.installing.offer import verified
from minewatch.berth.installing.staging import stage
from small_bundles import JETSON, Maker, install

OLD, NEW = "1.0-20260101T000000Z", "2.0-20260201T000000Z"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and make namespaces")


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    return Maker(tmp_path_factory.mktemp("maker") / "keys")


@pytest.fixture(scope="module")
def old(maker, tmp_path_factory):
    return maker.bundle(tmp_path_factory.mktemp("old") / "bundle")


@pytest.fixture(scope="module")
def new(maker, tmp_path_factory):
    """Two of its wheels are for systems that lack a module; one of these is in every Python."""
    return maker.bundle(tmp_path_factory.mktemp("new") / "bundle", "2.0", "20260201T000000Z",
                        extra=[("json_wheel", "", "json"), ("no_such_module", "", "no_such_module")])


@pytest.fixture(scope="module")
def settled(maker, old, tmp_path_factory):
    """A root with the old release and somebody's command, for copies. It was installed without any network."""
    root = tmp_path_factory.mktemp("settled") / "root"
    for folder in ("opt", "usr/local/bin", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "usr/local/bin/other").write_text("another's")
    ran = install(old, "--root", root, "--accept-key", maker.fingerprint,
                  wrap=() if os.geteuid() else ("unshare", "--net"))
    assert ran.returncode == 0, ran.stderr
    return root


@pytest.fixture(scope="module")
def updated(settled, new, tmp_path_factory):
    """A root with the old release and the new one, which is current; for copies."""
    root = shutil.copytree(settled, tmp_path_factory.mktemp("updated") / "root", symlinks=True)
    ran = install(new, "--root", root)
    assert ran.returncode == 0, ran.stderr
    return root


@pytest.fixture
def both(updated, tmp_path):
    return shutil.copytree(updated, tmp_path / "both", symlinks=True)


@pytest.fixture
def root(settled, tmp_path):
    return shutil.copytree(settled, tmp_path / "root", symlinks=True)


@pytest.fixture
def copy(new, tmp_path):
    """The new bundle, to be harmed."""
    return shutil.copytree(new, tmp_path / "copy")


def tree(folder):
    """Everything under a folder: links by target, files by content."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            for path in sorted(folder.rglob("*"))}


def runs(root, command="minewatch"):
    """What the installed command says."""
    return subprocess.run([root / "usr/local/bin" / command, "now"], capture_output=True, text=True, check=True).stdout


def refused(ran, *words):
    """It was refused in one clear line with these words, without a traceback."""
    assert ran.returncode == 2, ran.stderr
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("install.sh: "), ran.stderr
    for word in words:
        assert word in lines[0], lines[0]


def test_a_first_installation_runs_and_the_same_again_changes_nothing(settled, old, maker):
    assert runs(settled) == "minehat 1.0 now\n" == runs(settled, "minehat")
    assert (settled / "opt/minehat/current/models/helmet.onnx").read_text() == "a model of 1.0"
    assert (settled / "etc/minewatch/trusted.pem").read_bytes() == maker.public.read_bytes()
    assert (settled / "etc/systemd/system/minewatch.service").is_file()
    before = tree(settled)
    assert install(old, "--root", settled).returncode == 0
    assert tree(settled) == before


def test_an_update_goes_forth_and_back_and_an_older_one_only_when_asked_for(both, maker, tmp_path):
    assert runs(both) == "minehat 2.0 now\n"
    for wanted in ("1.0", "2.0", "1.0"):
        assert install(both / "opt/minehat/current", "--root", both, "--rollback").returncode == 0
        assert runs(both) == f"minehat {wanted} now\n"
    oldest = maker.bundle(tmp_path / "oldest", "0.9", "20251201T000000Z")
    refused(install(oldest, "--root", both), "20251201T000000Z", "1.0", "--older")
    assert install(oldest, "--root", both, "--older", "--dry-run").returncode == 0


def test_releases_that_no_link_points_at_any_more_go(both, new):
    releases = both / "opt/minehat/releases"
    shutil.copytree(releases / OLD, releases / "0.5-20251101T000000Z", symlinks=True)
    assert install(new, "--root", both).returncode == 0
    assert sorted(os.listdir(releases)) == [OLD, NEW]


def test_the_systems_own_module_stays_and_the_bundle_brings_it_where_it_is_absent(updated):
    packages = next((updated / "opt/minehat/current/venv/lib").glob("python*/site-packages"))
    assert (packages / "no_such_module.py").is_file() and not (packages / "json_wheel.py").exists()


def test_it_leaves_nothing_but_data_and_what_was_there(root, old):
    (root / "etc/minewatch/minewatch.yaml").write_text("version: 1")
    (root / "var/lib/minewatch/events.db").write_text("events")
    (root / "var/cache/minewatch").mkdir(parents=True, exist_ok=True)
    assert install(root / "opt/minehat/current", "--root", root, "--uninstall").returncode == 0
    assert {path for path in tree(root) if (root / path).is_file()} == {
        "etc/minewatch/minewatch.yaml", "etc/minewatch/trusted.pem", "usr/local/bin/other",
        "var/lib/minewatch/events.db"}
    assert not (root / "opt/minehat").exists() and not (root / "etc/systemd").exists()
    ran = install(old, "--root", root, "--uninstall")
    assert ran.returncode == 0 and "nothing is installed" in ran.stdout


def test_a_turn_that_was_cut_short_remembers_how_the_links_were(both):
    """So that a release with which the watch does not become ready is turned back from after a power cut too."""
    layout = Layout(both)
    assert links.settled(layout) == links.Links(NEW, OLD)
    links.turn_to(layout, OLD)
    links.turn_to(layout, NEW)
    assert links.settled(layout) == links.Links(NEW, OLD) and layout.unsettled.exists()
    links.turn_to(layout, OLD)
    links.turn_back(layout, links.settled(layout))
    assert links.links(layout) == links.Links(NEW, OLD)


def test_there_is_no_way_back_from_the_first_release(root, old):
    before = tree(root)
    refused(install(old, "--root", root, "--rollback"), "no release before", OLD)
    assert tree(root) == before


def test_a_dry_run_tells_and_changes_nothing(root, new):
    before = tree(root)
    ran = install(new, "--root", root, "--dry-run")
    assert ran.returncode == 0 and NEW in ran.stdout and "nothing was changed" in ran.stdout
    for what in ("--rollback", "--uninstall"):
        install(new, "--root", root, what, "--dry-run")
    assert tree(root) == before


def harm(path, change):
    path.write_bytes(change(path.read_bytes()))


def flip(raw):
    return raw[:-1] + bytes([raw[-1] ^ 1])


def half(raw):
    return raw[:len(raw) // 2]


HARMED = {
    "a changed model": (lambda at: harm(at / "models/helmet.onnx", flip), ("helmet.onnx", "changed")),
    "a changed manifest": (lambda at: harm(at / "MANIFEST.json", lambda raw: raw.replace(b'"cpu"', b'"jp6"')),
                           ("MANIFEST.json", "changed", "trusted.pem")),
    "a changed signature": (lambda at: harm(at / "MANIFEST.sig", flip), ("MANIFEST.json", "signed")),
    "half a signature": (lambda at: harm(at / "MANIFEST.sig", half), ("MANIFEST.sig", "64 bytes")),
    "half a wheel": (lambda at: harm(next(at.glob("wheels/minehat*")), half), ("wheels/minehat", "not whole")),
    "no wheel": (lambda at: next(at.glob("wheels/minehat*")).unlink(), ("wheels/minehat", "missing")),
    "half a manifest": (lambda at: harm(at / "MANIFEST.json", half), ("not whole", "Copy it again")),
    "no manifest": (lambda at: (at / "MANIFEST.json").unlink(), ("MANIFEST.json", "Unpack the whole bundle")),
    "half an installer": (lambda at: harm(at / "berth/installing/steps.py", half), ("steps.py", "in part")),
    "no installer": (lambda at: shutil.rmtree(at / "berth"), ("not whole", "berth/")),
    "a file too many": (lambda at: (at / "models/more.onnx").write_text("mine"), ("more.onnx", "not listed")),
    "a link": (lambda at: (at / "models/link.onnx").symlink_to("/etc/passwd"), ("link.onnx", "link")),
}


@pytest.mark.parametrize("case", HARMED)
def test_a_bundle_that_is_not_whole_or_was_changed_is_refused_before_anything_is_written(case, copy, settled):
    """I6: half copied, tampered with, signed by nobody or another."""
    change, words = HARMED[case]
    change(copy)
    before = tree(settled)
    refused(install(copy, "--root", settled), *words)
    assert tree(settled) == before


UNFIT = {
    "another processor": ({"arch": "riscv64"}, ("riscv64", os.uname().machine)),
    "another Python": ({"python": "3.5"}, ("Python 3.5", f"Python 3.{sys.version_info[1]}")),
    "a newer C library": ({"glibc": "9.41"}, ("glibc 9.41",)),
    "a disk too small": ({"bytes_installed": 10 ** 15}, ("10000000", "MB are wanted", "free")),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_bundle_that_does_not_fit_the_box_is_refused_before_anything_is_written(case, copy, settled, maker):
    """I6: another processor, Python, C library; too little room."""
    changes, words = UNFIT[case]
    maker.change(copy, **changes)
    before = tree(settled)
    refused(install(copy, "--root", settled), *words)
    assert tree(settled) == before


def test_only_the_pinned_key_opens_the_door_until_another_is_named(both, copy, tmp_path):
    stranger = Maker(tmp_path / "stranger")
    stranger.sign(copy, manifest.read(copy))
    refused(install(copy, "--root", both), "trusted.pem", "signed by another")
    refused(install(copy, "--root", both, "--accept-key", stranger.fingerprint), "trusted.pem")
    assert install(copy, "--root", both, "--key", stranger.public).returncode == 0
    assert (both / "etc/minewatch/trusted.pem").read_bytes() == stranger.public.read_bytes()


def test_another_release_of_a_name_that_is_installed_is_refused(both, copy, maker):
    maker.change(copy, bytes_installed=9001)
    refused(install(copy, "--root", both), NEW, "Pack this one again")


def test_a_first_bundle_is_trusted_only_when_somebody_compared_its_key(tmp_path, old, maker):
    (tmp_path / "root").mkdir()
    refused(install(old, "--root", tmp_path / "root"), maker.fingerprint, "--accept-key")
    refused(install(old, "--root", tmp_path / "root", "--accept-key", maker.fingerprint[:-1] + "g"), maker.fingerprint)
    assert not list((tmp_path / "root").iterdir())


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("y", 2)])
def test_at_a_terminal_somebody_is_asked_whether_the_key_is_the_right_one(tmp_path, old, maker, answer, code):
    ours, theirs = pty.openpty()
    (tmp_path / "root").mkdir()
    with subprocess.Popen(["sh", old / "install.sh", "--root", tmp_path / "root", "--dry-run"], stdin=theirs,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ran:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        told = ran.communicate(timeout=60)[0]
    os.close(ours)
    assert ran.returncode == code and maker.fingerprint in told and "trusted from now on" in told
    assert not list((tmp_path / "root").iterdir())


def test_a_pinned_key_that_others_could_have_changed_is_not_believed_until_it_is_named_again(root, new, maker):
    if os.geteuid():
        pytest.skip("only root may give files away")
    pinned = root / "etc/minewatch/trusted.pem"
    os.chown(pinned, 12345, 12345)
    refused(install(new, "--root", root), "trusted.pem", "12345", "--key")
    assert install(new, "--root", root, "--key", maker.public).returncode == 0
    assert pinned.stat().st_uid == 0 and pinned.read_bytes() == maker.public.read_bytes()


@pytest.mark.parametrize("changed", [manifest.NAME, "trusted.pem"])
def test_what_is_changed_after_it_was_looked_at_is_not_what_is_installed(root, copy, maker, monkeypatch, changed):
    """Who can write to the bundle, or is the watch's user, waits for the moment."""
    right, verify = manifest.read(copy), signing.verify
    path = root / "etc/minewatch" / changed if changed == "trusted.pem" else copy / changed

    def meanwhile(*told):
        if changed == "trusted.pem":
            path.write_text("another's")
        found = verify(*told)
        path.write_bytes(path.read_bytes().replace(b"20260201T", b"20300201T"))
        return found

    monkeypatch.setattr(signing, "verify", meanwhile)
    offer = verified(Layout(root), copy, None, None, False)
    assert offer.manifest == right and offer.trust.pem == maker.public.read_bytes()


def test_a_wheel_that_is_changed_after_it_was_looked_at_is_not_run(root, copy, tmp_path):
    offer = verified(Layout(root), copy, None, None, False)
    pip = copy / next(wheel.file for wheel in offer.release.wheels if wheel.name == "pip")
    with zipfile.ZipFile(pip, "w") as made:
        made.writestr("pip/__main__.py", f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with locked(Layout(root)) as lock, pytest.raises(Refused, match="read otherwise"):
        stage(Layout(root), offer, lock)
    assert not (tmp_path / "ran").exists() and not (root / "opt/minehat/releases" / offer.name).exists()


def test_commands_of_another_installation_are_not_written_over(tmp_path, old, maker):
    commands = tmp_path / "root/usr/local/bin"
    commands.mkdir(parents=True)
    (commands / "minewatch").write_text("pip's")
    refused(install(old, "--root", tmp_path / "root", "--accept-key", maker.fingerprint), "minewatch", "pip uninstall")
    assert (commands / "minewatch").read_text() == "pip's" and not (tmp_path / "root/opt").exists()


def test_a_release_whose_commands_do_not_run_is_not_turned_to(root, maker, tmp_path):
    before = tree(root)
    broken = maker.bundle(tmp_path / "broken", "3.0", "20260301T000000Z", code=1)
    refused(install(broken, "--root", root), "minehat --help", "does not run")
    assert tree(root) == before


@ROOT_ONLY
def test_a_disk_that_fills_up_meanwhile_leaves_the_old_release(tmp_path, settled, maker):
    """I6: the manifest asks for less than the wheel takes, as if somebody took the room after it was looked for."""
    disk = tmp_path / "disk"
    disk.mkdir()
    bundle = maker.bundle(tmp_path / "bundle", "2.0", "20260201T000000Z", extra=[("large", "#" * 50_000_000, None)])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], check=True)
    try:
        root = shutil.copytree(settled, disk / "root", symlinks=True)
        before = tree(root)
        refused(install(bundle, "--root", root), "No space left")
        assert tree(root) == before and runs(root) == "minehat 1.0 now\n"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_one_installation_waits_for_the_other(root, old):
    with open(root / "opt/minehat/.lock", "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(["sh", old / "install.sh", "--root", root], stdout=subprocess.PIPE, text=True) as ran:
            assert any("waiting" in line for line in iter(ran.stdout.readline, ""))
            assert ran.poll() is None
            fcntl.flock(held, fcntl.LOCK_UN)
            assert ran.wait(120) == 0


def test_who_waited_for_an_uninstallation_does_not_go_on_beside_others(root, monkeypatch):
    lock = root / "opt/minehat/.lock"
    with open(lock, "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def uninstalled(_):
            lock.unlink()
            fcntl.flock(held, fcntl.LOCK_UN)

        monkeypatch.setattr("minewatch.berth.installing.lock.time.sleep", uninstalled)
        with pytest.raises(Refused, match="same again"), locked(Layout(root)):
            pass


def test_an_installed_release_verifies_the_next_bundle_and_is_none_itself(both, new):
    current = both / "opt/minehat/current"
    assert install(current, "--root", both, "--rollback").returncode == 0
    refused(install(current, "--root", both), "is an installed release", "--bundle")
    refused(install(current, "--root", both, "--bundle", both / "minehat.tar"), "tar xf", "--bundle FOLDER")
    assert install(current, "--root", both, "--bundle", new).returncode == 0
    assert runs(both) == "minehat 2.0 now\n"


@pytest.mark.parametrize("out", [">&-", ">/dev/full", "| true", "<&- >&- 2>&-"])
def test_it_ends_well_though_nobody_can_be_told(root, old, out):
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", f'sh "$0" --root "$1" {out}', old / "install.sh", root],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=50)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_asking_for_what_is_not_there_leaves_no_trace(tmp_path, old):
    for what in ("--rollback", "--uninstall"):
        install(old, "--root", tmp_path, what)
        assert not list(tmp_path.iterdir())


def test_room_is_counted_while_the_pip_of_a_killed_installer_is_still_at_work(tmp_path):
    """It writes each compiled file aside and renames it, and holds the lock; the room is looked at before that."""
    aside, ended = tmp_path / "a.pyc.1", threading.Event()

    def work():
        while not ended.is_set():
            aside.write_bytes(b"1")
            aside.rename(tmp_path / "a.pyc")

    pip = threading.Thread(target=work)
    pip.start()
    try:
        for _ in range(3000):
            bytes_of(tmp_path)
    finally:
        ended.set()
        pip.join()


def test_what_travels_in_a_bundle_needs_python_alone():
    """install.sh runs before anything of ours is installed."""
    berth = JETSON / "minewatch/berth"
    for file in (*(berth / name for name in ("errors.py", "manifest.py", "signing.py")),
                 *(berth / "installing").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else \
                [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names, file


def test_the_script_is_sound_shell():
    subprocess.run(["shellcheck", JETSON / "install.sh"], check=True)
