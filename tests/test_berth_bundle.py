"""Does jetson/bundle.py write a whole, signed bundle of what a target needs, or nothing at all?"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import astuple, replace
from datetime import datetime, timezone
from importlib.metadata import version as version_of
from pathlib import Path

import pytest
from conftest import ROOT
from doors import through
from minehat import MineHatError
from minewatch.berth import manifest, signing
from minewatch.berth.bundling import contents, resolving
from minewatch.berth.bundling.fetching import _megabytes, fetch
from minewatch.berth.bundling.making import make_bundle
from minewatch.berth.bundling.packing import listed, pack
from minewatch.berth.bundling.resolving import Wanted, resolve, tags_of, wanted_of
from minewatch.berth.bundling.wheels import needs, read_wheel
from minewatch.berth.errors import Refused
from minewatch.berth.manifest import Manifest
from minewatch.berth.targets import TARGETS, target_of
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from wheel_index import served, stored, wheel, wheels_of_the_watch

DOOR = "jetson/bundle.py"
PROJECT = ROOT / "pyproject.toml"
NOW = datetime(2026, 11, 22, 13, 45, tzinfo=timezone.utc)
JP6 = TARGETS["jp6"]


@pytest.fixture
def only(monkeypatch):
    """only(index): uv knows no other index, and what it learnt from another one."""
    def ask(index, tmp_path):
        for name in [name for name in os.environ if name.startswith("UV_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.address}/simple/")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return ask


def unpacked(tar, folder):
    """The bundle's own folder, unpacked by the tar command as a technician would."""
    folder.mkdir()
    subprocess.run(["tar", "xf", tar, "-C", folder], check=True)
    top, = folder.iterdir()
    return top


def wanted(index, file):
    """What the resolver would say of a served wheel."""
    raw = index.files[file]
    name, version = parse_wheel_filename(file)[:2]
    return Wanted(name, str(version), file, f"{index.address}/files/{file}", hashlib.sha256(raw).hexdigest(), len(raw))


# The door, from an index of small wheels to a tar.

def test_one_command_writes_a_signed_bundle_for_another_machine(only, tmp_path, capsys):
    with served(wheels_of_the_watch()) as index:
        only(index, tmp_path)
        assert through(DOOR, "--target", "jp6", "--new-key", tmp_path / "site.key", "--out", tmp_path / "out",
                       "--cache", tmp_path / "cache") == 0
        told, fetched = capsys.readouterr().out, dict(index.asked)
        assert through(DOOR, "--target", "jp6", "--key", tmp_path / "site.key", "--out", tmp_path / "again",
                       "--cache", tmp_path / "cache") == 0
        assert dict(index.asked) == fetched  # nothing comes twice
    tar, = (tmp_path / "out").iterdir()
    assert str(tar) in told and signing.fingerprint(tmp_path / "site.key.pem") in told
    folder = unpacked(tar, tmp_path / "box")
    signing.verify(folder / manifest.NAME, folder / manifest.SIGNATURE, tmp_path / "site.key.pem")
    read = manifest.read(folder)
    manifest.verify(folder, read)
    release, version = manifest.release_of(read), version_of("minehat")
    assert tar.name == f"minehat-{version}-jp6-{read.build}.tar" and folder.name == f"minehat-{version}-jp6"
    assert (release.python, release.arch, release.glibc) == ("3.10", "aarch64", "2.35")
    assert {one.name: one.unless for one in release.wheels if one.unless} == {"opencv-python-headless": "cv2"}
    assert [one.version for one in release.wheels if one.name == "numpy"] == ["1.26.4"]
    assert [one.file for one in release.wheels if one.name == "numpy"] == [
        "wheels/numpy-1.26.4-cp310-cp310-manylinux_2_17_aarch64.whl"]
    assert {"pip", "minehat", "av", "onnx", "cuda-bindings"} <= {one.name for one in release.wheels}
    assert sum(fetched.values()) == len(release.wheels) - 1
    for part in ("install.sh", "signer.pem", "berth/manifest.py", "berth/installing/command.py", "sbom.cdx.json",
                 "units/minewatch.service", "nginx/minewatch.conf", "kernels/letterbox.cu", "minewatch.example.yaml",
                 "models/helmet-nano/helmet-nano.onnx", "licences/minehat/LICENSE", "licences/pip-24.1/LICENSE"):
        assert (folder / part).stat().st_size, part
    again, = (tmp_path / "again").iterdir()
    assert manifest.read(unpacked(again, tmp_path / "second")).files.keys() == read.files.keys()
    assert not (folder / "berth/bundling").exists() and os.access(folder / "install.sh", os.X_OK)


def test_nothing_is_packed_when_a_wheel_is_not_what_the_index_says(only, tmp_path, capsys):
    with served(wheels_of_the_watch()) as index:
        only(index, tmp_path)
        file = "numpy-2.2.6-cp310-cp310-manylinux_2_17_x86_64.whl"
        index.instead[file] = index.files[file].replace(b"cp310-cp310", b"XX310-cp310")  # a wheel still, and as long
        assert through(DOOR, "--target", "cpu", "--python", "3.10", "--unsigned", "--out", tmp_path / "out",
                       "--cache", tmp_path / "cache") == 2
    assert "it was changed or harmed on its way" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_plan_names_wheels_and_fetches_none(only, tmp_path, capsys):
    with served(wheels_of_the_watch()) as index:
        only(index, tmp_path)
        assert through(DOOR, "--target", "jp6", "--plan", "--cache", tmp_path / "cache") == 0
    told = capsys.readouterr().out
    assert "numpy-1.26.4-cp310-cp310-manylinux_2_17_aarch64.whl" in told and "x86_64" not in told
    assert not (tmp_path / "cache").exists()


def test_the_targets_are_listed(capsys):
    assert through(DOOR, "--list") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == [*TARGETS] == ["jp6", "jp7", "x86-cu13", "cpu"]


@pytest.mark.parametrize(("arguments", "says"), [
    ((), "--target"),
    (("--target", "cpu"), "--unsigned"),
    (("--target", "cpu", "--key", "a", "--unsigned"), "not allowed"),
])
def test_an_unsigned_bundle_is_never_made_unasked(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        through(DOOR, *arguments)
    assert ended.value.code == 2 and says in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "says"), [
    (("--target", "jp5", "--unsigned"), "Choose one of jp6, jp7"),
    (("--target", "cpu", "--python", "3.9", "--unsigned"), "no Python that MineHat runs on"),
    (("--target", "cpu", "--python", "3.12.1", "--unsigned"), "no Python that MineHat runs on"),
    (("--target", "cpu", "--key", "{folder}/absent"), "is no private Ed25519 key"),
    (("--new-key", "{folder}/there"), "is there already"),
])
def test_what_the_user_can_mend_is_one_line(arguments, says, tmp_path, capsys):
    (tmp_path / "there").write_text("mine")
    assert through(DOOR, *(part.format(folder=tmp_path) for part in arguments)) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1
    assert stored(tmp_path) == ["there"] and (tmp_path / "there").read_text() == "mine"


def test_a_key_is_made_without_a_bundle(tmp_path, capsys):
    assert through(DOOR, "--new-key", tmp_path / "site.key") == 0
    assert stored(tmp_path) == ["site.key", "site.key.pem"]
    assert signing.fingerprint(tmp_path / "site.key.pem") in capsys.readouterr().out


# Resolving.

@pytest.mark.slow
@pytest.mark.parametrize(("name", "python"), [*((name, None) for name in TARGETS), ("cpu", "3.13")])
def test_each_target_resolves_completely(name, python):
    """Against the real index: every requirement has one wheel, and all of them run on the target."""
    target = target_of(name, python)
    try:
        found = {one.name: one for one in resolve(PROJECT, target)}
    except MineHatError as exc:
        if "does not answer" not in str(exc):
            raise
        pytest.skip(str(exc))
    tags = set(tags_of(target))
    for one in found.values():
        assert parse_wheel_filename(one.file)[3] & tags, one.file
        assert len(one.sha256) == 64 and one.bytes > 0 and one.url
    for line in target.wants:
        want = Requirement(line)
        assert want.specifier.contains(found[want.name].version)
    assert {"numpy", "av", "onnxruntime", "pydantic-core", "uvicorn", "opencv-python-headless"} <= found.keys()
    foreign = {"aarch64": "x86_64", "x86_64": "aarch64"}[target.arch]
    assert not [one.file for one in found.values() if foreign in one.file]
    assert not {"tensorrt", "torch", "onnxruntime-gpu"} & found.keys()
    if target.arch == "aarch64":
        assert int(found["numpy"].version[0]) == 1  # JetPack's OpenCV is built against it


def test_the_best_wheel_of_the_target_is_taken():
    def lock(*files):
        rows = ",".join(f'{{ url = "https://index/{file}", size = 7, hashes = {{ sha256 = "{"0" * 64}" }} }}'
                        for file in files)
        return f'lock-version = "1.0"\n[[packages]]\nname = "a-b"\nversion = "1.0"\nwheels = [{rows}]\n'

    old, new, abi3, pure = (f"a_b-1.0-{tag}.whl" for tag in (
        "cp310-cp310-manylinux2014_aarch64.manylinux_2_17_aarch64", "cp310-cp310-manylinux_2_35_aarch64",
        "cp39-abi3-manylinux_2_28_aarch64", "py3-none-any"))
    for files, best in (((old, new), new), ((pure, old), old), ((pure, abi3), abi3), ((pure,), pure)):
        assert [one.file for one in wanted_of(lock(*files), JP6)] == [best]
        assert [one.file for one in wanted_of(lock(*reversed(files)), JP6)] == [best]
    for foreign in ("cp310-cp310-manylinux_2_36_aarch64", "cp310-cp310-manylinux_2_17_x86_64", "cp311-cp311-any",
                    "cp310-cp310-musllinux_1_2_aarch64", "cp310-cp310-win_arm64", "py2-none-any", "cp311-abi3-any"):
        with pytest.raises(MineHatError, match="no wheel for Python"):
            wanted_of(lock(f"a_b-1.0-{foreign}.whl"), JP6)


def test_an_index_that_tells_no_hash_is_refused():
    with pytest.raises(MineHatError, match="tells no address"):
        wanted_of('[[packages]]\nname = "a"\nversion = "1"\nwheels = [{ url = "https://x/a-1-py3-none-any.whl" }]', JP6)


def test_what_does_not_resolve_is_said_in_one_line(only, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # a narrow terminal's
    files = wheels_of_the_watch()
    with served({file: raw for file, raw in files.items() if not file.startswith("numpy-1")}) as index:
        only(index, tmp_path)
        with pytest.raises(MineHatError, match=r"no set of wheels fits jp6 .*numpy") as refused:
            resolve(PROJECT, JP6)
    assert "\n" not in str(refused.value)


def test_without_a_network_there_is_one_line(only, tmp_path):
    with served({}) as index:
        only(index, tmp_path)
    with pytest.raises(MineHatError, match="the package index does not answer") as refused:
        resolve(PROJECT, JP6)
    assert "\n" not in str(refused.value)


def test_without_uv_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(MineHatError, match="`pip install uv`"):
        resolve(PROJECT, JP6)


# Fetching, over a line that breaks.

@pytest.fixture
def line():
    """An index with one wheel of half a megabyte, and what the resolver says of it."""
    with served({"big-1.0-py3-none-any.whl": wheel("big", "1.0", body=bytes(range(256)) * 2000)}) as index:
        yield index, wanted(index, "big-1.0-py3-none-any.whl")


def test_a_broken_line_is_gone_on_with_where_it_broke(line, tmp_path):
    index, big = line
    index.cut_at[big.file] = 300_000
    place = fetch([big], tmp_path, pause=0)[big.file]
    assert place.read_bytes() == index.files[big.file]
    assert index.asked[big.file] == 2 and index.sent[big.file] == big.bytes
    assert stored(tmp_path) == [place.name]


FETCH = """
import sys
from pathlib import Path
from minewatch.berth.bundling.fetching import fetch
from minewatch.berth.bundling.resolving import Wanted
fetch([Wanted(*sys.argv[2:-1], int(sys.argv[-1]))], Path(sys.argv[1]))
"""


def test_a_run_that_is_killed_in_the_middle_is_gone_on_with(line, tmp_path):
    index, big = line
    index.stall_at[big.file] = 300_000
    part = tmp_path / f"{big.sha256}.part"
    with subprocess.Popen([sys.executable, "-c", FETCH, tmp_path, *(str(one) for one in astuple(big))]) as running:
        end = time.monotonic() + 120
        while not (part.exists() and part.stat().st_size):
            assert running.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        running.kill()
    kept = part.stat().st_size
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]
    assert index.sent[big.file] == 300_000 + big.bytes - kept and stored(tmp_path) == [f"{big.sha256}.whl"]


def test_a_part_is_gone_on_with(line, tmp_path):
    index, big = line
    (tmp_path / f"{big.sha256}.part").write_bytes(index.files[big.file][:400_000])
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]
    assert index.sent[big.file] == big.bytes - 400_000


@pytest.mark.parametrize("there", ["whole", "longer"])
def test_a_part_that_needs_nothing_more_or_has_too_much(line, tmp_path, there):
    index, big = line
    (tmp_path / f"{big.sha256}.part").write_bytes(index.files[big.file] + b"x" * (there == "longer"))
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]
    assert index.asked[big.file] == (there == "longer")


def test_a_server_that_knows_no_parts_begins_again(line, tmp_path):
    index, big = line
    index.ranges = False
    (tmp_path / f"{big.sha256}.part").write_bytes(b"x" * 1000)
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]


def test_what_is_in_the_cache_is_not_asked_for_unless_it_was_harmed(line, tmp_path):
    index, big = line
    place = fetch([big], tmp_path)[big.file]
    assert fetch([big], tmp_path)[big.file] == place and index.asked[big.file] == 1
    place.write_bytes(bytes(big.bytes))
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]
    assert index.asked[big.file] == 2


def test_a_changed_wheel_is_refused_and_not_kept(line, tmp_path):
    index, big = line
    index.instead[big.file] = bytes(big.bytes)
    with pytest.raises(MineHatError, match="changed or harmed on its way"):
        fetch([big], tmp_path)
    assert stored(tmp_path) == []
    index.instead.clear()
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]


def test_a_wheel_that_is_not_there_is_asked_for_once(line, tmp_path):
    index, big = line
    index.files.clear()
    with pytest.raises(MineHatError, match="could not be fetched: Not Found"):
        fetch([big], tmp_path, pause=0)
    assert index.asked[big.file] == 1 and stored(tmp_path) == []


def test_a_line_that_stays_broken_keeps_what_came(line, tmp_path):
    index, big = line
    fewer = replace(big, url=big.url.replace(index.address, "http://127.0.0.1:9"))
    (tmp_path / f"{big.sha256}.part").write_bytes(index.files[big.file][:1000])
    with pytest.raises(MineHatError, match="goes on there"):
        fetch([fewer], tmp_path, pause=0)
    assert (tmp_path / f"{big.sha256}.part").stat().st_size == 1000


def test_progress_counts_each_megabyte_once_however_often_the_line_breaks(tmp_path):
    files = {f"{name}-1.0-py3-none-any.whl": wheel(name, "1.0", body=bytes(2_700_000)) for name in ("one", "two")}
    with served(files) as index:
        both = [wanted(index, file) for file in files]
        index.cut_at.update({file: 1_500_000 for file in files})
        assert len([*_megabytes(both, tmp_path, pause=0)]) == sum(one.bytes for one in both) // 1_000_000 == 5
        assert len([*_megabytes(both, tmp_path, pause=0)]) == 5


def test_a_full_disk_is_not_taken_for_a_broken_line(line, tmp_path):
    index, big = line
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(MineHatError, match="takes no more"):
            fetch([big], tmp_path, pause=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetch([big], tmp_path)[big.file].read_bytes() == index.files[big.file]
    assert index.asked[big.file] == 2


def test_two_at_once_fetch_a_wheel_once(line, tmp_path):
    index, big = line
    found, both = [], threading.Barrier(2)

    def one():
        both.wait()
        found.append(fetch([big], tmp_path)[big.file].read_bytes())

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [index.files[big.file]] * 2 and index.asked[big.file] == 1


# Is a set of wheels whole?

def packed(tmp_path, *wheels):
    """Wheels of (name, version, requirements), read back."""
    made = []
    for name, version, *requires in wheels:
        path = tmp_path / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        path.write_bytes(wheel(name, version, requires))
        made.append(read_wheel(path, path.name))
    return made


def told(found):
    return [(need.by, need.name) for need in found]


SMALL = replace(JP6, extras=("watch",), wants=("pip>=24",))
PIP = ("pip", "24.1")


def test_who_needs_whom_is_followed_on_the_target_not_here(tmp_path):
    found = needs(packed(tmp_path, PIP, ("minehat", "0.1", "a>=1", "b; extra == 'watch'", "torch; extra == 'train'"),
                         ("a", "1.5", "old; python_version < '3.11'", "win; sys_platform == 'win32'",
                          "arm; platform_machine == 'aarch64'", "b[more]"), ("arm", "1"), ("old", "2"),
                         ("b", "1", "c; extra == 'more'", "d; extra == 'other'"), ("c", "1", "a")), SMALL)
    assert told(found) == [("a", "arm"), ("a", "b"), ("a", "old"), ("b", "c"), ("c", "a"), ("minehat", "a"),
                           ("minehat", "b")]


@pytest.mark.parametrize(("wheels", "says"), [
    ([PIP, ("minehat", "0.1", "a")], "minehat asks for a"),
    ([PIP, ("minehat", "0.1", "a>=2"), ("a", "1")], "the wheel is 1"),
    ([PIP, ("minehat", "0.1", "a; extra == 'watch'")], "minehat asks for a"),
    ([("minehat", "0.1")], "the target asks for pip"),
    ([("pip", "23"), ("minehat", "0.1")], "the wheel is 23"),
])
def test_a_set_that_is_not_whole_is_refused(tmp_path, wheels, says):
    with pytest.raises(MineHatError, match=says):
        needs(packed(tmp_path, *wheels), SMALL)


@pytest.mark.parametrize("raw", [b"", b"no zip", None])
def test_what_is_no_wheel_is_refused(tmp_path, raw):
    path = tmp_path / "a-1-py3-none-any.whl"
    if raw is None:
        with zipfile.ZipFile(path, "w") as empty:
            empty.writestr("a.py", "")
    else:
        path.write_bytes(raw)
    with pytest.raises(MineHatError, match="is no wheel"):
        read_wheel(path, path.name)


# Packing.

def little(tmp_path, **changes):
    """Arguments of pack() for a bundle of three files."""
    big = tmp_path / "a.whl"
    big.write_bytes(b"wheel" * 1000)
    files = {"install.sh": b"echo", "models/矿.onnx": b"model", "wheels/a.whl": big, **changes}
    return {"out": tmp_path / "out" / "b.tar", "top": "minehat-1-cpu", "contents": files, "key": None,
            "manifest": Manifest("release", "minehat", "1", "2", listed(files), {})}


def test_the_same_input_gives_the_same_bytes(tmp_path):
    asked, found = little(tmp_path), set()
    for mode in (0o644, 0o600):
        (tmp_path / "a.whl").chmod(mode)
        pack(**asked, moment=1_000_000)
        found.add(hashlib.sha256(asked["out"].read_bytes()).hexdigest())
    assert len(found) == 1


def test_a_file_that_changes_while_it_is_packed_leaves_nothing(tmp_path):
    asked = little(tmp_path)
    (tmp_path / "a.whl").write_bytes(b"other" * 1000)
    with pytest.raises(MineHatError, match=r"wheels/a\.whl was changed while it was packed"):
        pack(**asked)
    assert stored(tmp_path / "out") == []


def test_a_key_that_does_not_serve_leaves_nothing_and_what_was_there(tmp_path):
    asked = little(tmp_path)
    pack(**asked)
    before = asked["out"].read_bytes()
    with pytest.raises(Refused, match="no private Ed25519 key"):
        pack(**{**asked, "key": tmp_path / "a.whl"})
    assert asked["out"].read_bytes() == before and stored(tmp_path / "out") == ["b.tar"]


def test_an_unsigned_bundle_has_no_signature_and_a_signed_one_bears_its_key(tmp_path):
    asked = little(tmp_path)
    pack(**asked)
    assert not {"MANIFEST.sig", "signer.pem"} & {*stored(unpacked(asked["out"], tmp_path / "unsigned"))}
    signing.new_key(tmp_path / "key", tmp_path / "key.pem")
    pack(**{**asked, "key": tmp_path / "key"})
    folder = unpacked(asked["out"], tmp_path / "signed")
    assert signing.same_key(folder / "signer.pem", tmp_path / "key.pem")
    signing.verify(folder / "MANIFEST.json", folder / "MANIFEST.sig", folder / "signer.pem")
    manifest.verify(folder, manifest.read(folder))
    assert b"PRIVATE" not in asked["out"].read_bytes()


def test_the_tar_holds_plain_files_of_nobody_in_one_folder(tmp_path):
    asked = little(tmp_path)
    pack(**asked)
    with tarfile.open(asked["out"]) as tar:
        members = tar.getmembers()
    assert all(one.isfile() and one.uid == one.gid == 0 and one.name.startswith("minehat-1-cpu/") for one in members)
    assert {one.name: one.mode for one in members if one.name.endswith(("install.sh", "a.whl"))} == {
        "minehat-1-cpu/install.sh": 0o755, "minehat-1-cpu/wheels/a.whl": 0o644}


def test_a_checkout_that_lacks_a_part_is_refused(tmp_path):
    with pytest.raises(MineHatError, match=r"has no jetson/install\.sh"):
        contents.taken(tmp_path)


def test_a_checkout_that_does_not_build_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'absent'\n")
    with pytest.raises(MineHatError, match="could not be built"):
        contents.own_wheel(tmp_path, tmp_path / "out")


# With the real wheels: minutes, and hundreds of megabytes.

@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("wheels")


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_each_target_is_packed_whole(name, kept, tmp_path):
    signing.new_key(tmp_path / "key", tmp_path / "key.pem")
    made = make_bundle(ROOT, TARGETS[name], tmp_path / "out", tmp_path / "key", kept, NOW)
    assert made.path.name == f"minehat-{version_of('minehat')}-{name}-20261122T134500Z.tar"
    folder = unpacked(made.path, tmp_path / "box")
    signing.verify(folder / manifest.NAME, folder / manifest.SIGNATURE, tmp_path / "key.pem")
    read = manifest.read(folder)
    manifest.verify(folder, read)
    tags = set(tags_of(TARGETS[name]))
    for one in manifest.release_of(read).wheels:
        assert parse_wheel_filename(Path(one.file).name)[3] & tags
        with zipfile.ZipFile(io.BytesIO((folder / one.file).read_bytes())) as whole:
            assert whole.testzip() is None
    bill = json.loads((folder / "sbom.cdx.json").read_bytes())
    assert len(bill["components"]) == len(made.wheels) - 1 + len(list(folder.glob("models/*/*.onnx")))


COMPILE = """
from minehat.cuda.compiled import KERNELS, compiled
import sys
for kernel in KERNELS.glob("*.cu"):
    assert compiled(kernel.stem, sys.argv[1]).startswith(b"\x7fELF"), kernel
"""


@pytest.mark.soak
@pytest.mark.parametrize(("name", "capabilities"), [("jp6", ["8.7"]), ("jp7", ["8.7", "11.0"])])
def test_the_versions_that_a_jetson_gets_work_here(name, capabilities, kept, tmp_path):
    """The same set of versions for this machine's processor, under the Jetson's Python, without a network: it finds
    helmets, and compiles the kernels to machine code of Orin (8.7) and Thor (11.0)."""
    target = replace(TARGETS[name], arch="x86_64")
    python = subprocess.run([resolving._found_uv(), "python", "find", "--no-python-downloads", target.python],
                            capture_output=True, text=True).stdout.strip()
    if not python:
        pytest.skip(f"Python {target.python} is not here")
    made = make_bundle(ROOT, target, tmp_path / "out", None, kept, NOW)
    folder = unpacked(made.path, tmp_path / "box")
    subprocess.run([python, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    wheels = sorted((folder / "wheels").iterdir())
    pip = next(one for one in wheels if one.name.startswith("pip-"))
    subprocess.run([tmp_path / "venv/bin/python", "-I", pip / "pip", "install", "--quiet", "--no-index", "--no-deps",
                    *wheels], check=True, env={"PATH": os.defpath, "PIP_CONFIG_FILE": os.devnull})
    model = folder / "models/helmet-nano/helmet-nano.int8-cpu.onnx"
    subprocess.run([*(["unshare", "--net"] if shutil.which("unshare") and not os.geteuid() else []),
                    tmp_path / "venv/bin/minehat", "detect", model, ROOT / "docs/scene.jpg", "--json",
                    tmp_path / "found.json"], check=True, env={"PATH": os.defpath})
    found = json.loads((tmp_path / "found.json").read_bytes())["images"][0]["detections"]
    assert [one["label"] for one in found if one["score"] > 0.6] == ["helmet", "helmet"]
    for capability in capabilities:
        subprocess.run([tmp_path / "venv/bin/python", "-I", "-c", COMPILE, capability], check=True,
                       env={"PATH": str(tmp_path)})  # no nvcc on it
    used = int(subprocess.run(["du", "-sk", tmp_path / "venv"], capture_output=True, text=True, check=True
                              ).stdout.split()[0]) * 1024
    assert 0.8 < made.bytes_installed / used < 1.3
