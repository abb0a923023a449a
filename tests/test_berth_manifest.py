"""Is a bundle taken for what was signed only when every byte of it is?"""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
import sys

import pytest
from conftest import ROOT
from minewatch.berth import manifest, signing
from minewatch.berth.errors import Refused
from minewatch.berth.manifest import NAME, SIGNATURE, Listed, Manifest, Wheel

BERTH = ROOT / "jetson/minewatch/berth"
MORE = {"target": "jp6", "python": "3.10", "arch": "aarch64", "glibc": "2.35", "bytes_installed": 5,
        "wheels": [{"name": "a", "version": "1", "file": "wheels/a.whl", "unless": "cv2"}]}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with two pairs of keys, `site` and `other`."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("site", "other"):
        signing.new_key(folder / name, folder / f"{name}.pem")
    return folder


@pytest.fixture(scope="module")
def signed(keys, tmp_path_factory):
    """A small unpacked bundle, signed."""
    folder = tmp_path_factory.mktemp("signed") / "bundle"
    for path, content in (("wheels/a.whl", b"wheel"), ("install.sh", b"echo"), ("models/头盔.onnx", bytes(2 << 20))):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / NAME).write_bytes(manifest.to_bytes(
        Manifest("release", "minehat", "0.1.0", "20261122T000000Z", manifest.hashed(folder), MORE)))
    signing.sign(folder / NAME, folder / SIGNATURE, keys / "site")
    return folder


@pytest.fixture
def bundle(signed, tmp_path):
    return shutil.copytree(signed, tmp_path / "bundle")


def tree_of(bundle):
    return json.loads((bundle / NAME).read_bytes())


def test_what_was_written_is_what_is_read(bundle):
    read = manifest.read(bundle)
    assert manifest.to_bytes(read) == (bundle / NAME).read_bytes()
    assert read.files.keys() == {"wheels/a.whl", "install.sh", "models/头盔.onnx"}
    release = manifest.release_of(read)
    assert release.wheels == (Wheel("a", "1", "wheels/a.whl", "cv2"),)
    assert (release.target, release.python, release.arch, release.glibc) == ("jp6", "3.10", "aarch64", "2.35")


def test_a_whole_bundle_is_verified_file_by_file(bundle, keys):
    signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")
    told = []
    manifest.verify(bundle, manifest.read(bundle), lambda path, size: told.append((path, size)))
    assert dict(told) == {"wheels/a.whl": 5, "install.sh": 4, "models/头盔.onnx": 2 << 20}


def flipped(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("file", ["wheels/a.whl", "install.sh", "models/头盔.onnx"])
@pytest.mark.parametrize(("harm", "says"), [
    (flipped, "was changed"),
    (lambda path: os.truncate(path, path.stat().st_size - 1), "not whole"),
    (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "not whole"),
    (lambda path: path.unlink(), "is missing"),
    (lambda path: path.rename(path.with_name("b")), "is missing"),
    (lambda path: (shutil.copy(path, path.parent / "b"), path.unlink(), path.symlink_to("b")), "no links"),
    (lambda path: (path.unlink(), os.mkfifo(path)), "neither a file nor a folder"),
    (lambda path: (path.unlink(), path.mkdir(), (path / "x").write_text("x")), "is missing"),
    (lambda path: path.with_name("more.py").write_text("import os"), "not listed"),
])
def test_a_harmed_file_is_refused_by_name(bundle, file, harm, says):
    harm(bundle / file)
    with pytest.raises(Refused, match=says) as refused:
        manifest.verify(bundle, manifest.read(bundle))
    assert str(bundle) in str(refused.value) and "\n" not in str(refused.value)


def test_code_that_somebody_compiled_into_the_bundle_is_refused(bundle):
    (bundle / "berth/__pycache__").mkdir(parents=True)
    (bundle / "berth/__pycache__/manifest.cpython-310.pyc").write_bytes(b"code")
    with pytest.raises(Refused, match="not listed"):
        manifest.verify(bundle, manifest.read(bundle))


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(Refused, match=r"Is .* an unpacked bundle"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("change", [
    {"format": 2}, {"format": None}, {"kind": "toy"}, {"kind": ["release"]}, {"name": "../minehat"}, {"name": ""},
    {"version": "1/2"}, {"version": 1}, {"build": "a b"}, {"build": "-rf"}, {"files": {}}, {"files": []},
    *({"files": {path: {"sha256": "0" * 64, "bytes": 1}}} for path in (
        "../out", "/etc/passwd", "a//b", "a/./b", "a/../../b", "", ".", "a\\b", "a\nb", NAME, SIGNATURE, "signer.pem")),
    *({"files": {"a": about}} for about in (
        {"sha256": "0" * 63, "bytes": 1}, {"sha256": "G" * 64, "bytes": 1}, {"sha256": "A" * 64, "bytes": 1},
        {"sha256": "0" * 64, "bytes": -1}, {"sha256": "0" * 64, "bytes": True}, {"sha256": "0" * 64, "bytes": 1.0},
        {"sha256": "0" * 64}, {"sha256": "0" * 64, "bytes": 1, "mode": 1}, [], None)),
])
def test_a_manifest_that_is_not_sound_is_refused(bundle, change):
    with pytest.raises(Refused, match="not sound"):
        manifest.from_bytes(json.dumps({**tree_of(bundle), **change}).encode())


@pytest.mark.parametrize("change", [
    {"kind": "update"}, {"python": "3"}, {"python": 3.10}, {"python": "3.10; reboot"}, {"arch": None}, {"arch": "a b"},
    {"glibc": "new"}, {"bytes_installed": "much"}, {"bytes_installed": -1}, {"target": "../jp6"}, {"wheels": []},
    {"wheels": {}}, *({"wheels": [{**MORE["wheels"][0], **change}]} for change in (
        {"file": "wheels/b.whl"}, {"file": []}, {"unless": "os; reboot"}, {"unless": 1}, {"name": "-r"}, {"more": 1})),
])
def test_a_release_that_is_not_sound_is_refused(bundle, change):
    with pytest.raises(Refused, match="not sound"):
        manifest.release_of(manifest.from_bytes(json.dumps({**tree_of(bundle), **change}).encode()))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": 1, "format": 1}', b'{"a": NaN}',
                                 b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"])
def test_what_is_no_manifest_is_refused(raw):
    with pytest.raises(Refused):
        manifest.from_bytes(raw)


def test_a_manifest_without_end_is_not_read_to_its_end(tmp_path):
    with open(tmp_path / NAME, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Refused, match="more than"):
        manifest.read(tmp_path)


def test_links_are_not_packed(tmp_path):
    (tmp_path / "secret").symlink_to("/etc/shadow")
    with pytest.raises(Refused, match="no links"):
        manifest.hashed(tmp_path)


def test_no_byte_of_a_signed_manifest_can_be_changed(bundle, keys):
    raw, chance = (bundle / NAME).read_bytes(), random.Random(8)
    for place in [0, len(raw) - 1, *chance.sample(range(len(raw)), 10)]:
        changed = bytearray(raw)
        changed[place] ^= 1 << chance.randrange(8)
        (bundle / NAME).write_bytes(changed)
        with pytest.raises(Refused, match="is not what the owner"):
            signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")
    (bundle / NAME).write_bytes(raw + b" ")
    with pytest.raises(Refused, match="is not what the owner"):
        signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")


def test_another_owner_s_signature_is_refused(bundle, keys):
    with pytest.raises(Refused, match="signed by another"):
        signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "other.pem")
    signing.sign(bundle / NAME, bundle / SIGNATURE, keys / "other")
    with pytest.raises(Refused, match="signed by another"):
        signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")


@pytest.mark.parametrize("signature", [b"", b"\0" * 63, b"\0" * 65, b"\0" * 5000])
def test_what_is_no_signature_is_refused(bundle, keys, signature):
    (bundle / SIGNATURE).write_bytes(signature)
    with pytest.raises(Refused, match="signature"):
        signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")


def test_absent_files_are_refused_by_name(bundle, keys):
    for name in (NAME, SIGNATURE):
        (bundle / name).rename(bundle / "away")
        with pytest.raises(Refused, match=name):
            signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")
        (bundle / "away").rename(bundle / name)


def test_the_key_that_is_shown_is_the_key_that_counts(bundle, keys, tmp_path):
    """openssl reads the first key of a file; two in one file could show one and use the other."""
    site, other = (keys / "site.pem").read_bytes(), (keys / "other.pem").read_bytes()
    for content in (site + other, b"remark\n" + site, (keys / "site").read_bytes(), b"", site[:-30], b"x" * 5000):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(Refused, match=r"public key|too long"):
            signing.fingerprint(tmp_path / "key.pem")
        with pytest.raises(Refused, match=r"public key|too long"):
            signing.verify(bundle / NAME, bundle / SIGNATURE, tmp_path / "key.pem")


@pytest.mark.parametrize("kind", [("rsa", "rsa_keygen_bits:1024"), ("EC", "ec_paramgen_curve:P-256")])
def test_only_ed25519_is_taken(tmp_path, kind):
    subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out",
                    tmp_path / "key"], check=True, capture_output=True)
    with pytest.raises(Refused, match="no private Ed25519 key"):
        signing.public_of(tmp_path / "key")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(keys, tmp_path):
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", keys / "site", "-out", tmp_path / "closed", "-passout",
                    "pass:x"], check=True, capture_output=True)
    with pytest.raises(Refused, match="without a passphrase"):
        signing.public_of(tmp_path / "closed")


def test_a_new_key_is_closed_to_others_and_never_written_over(tmp_path):
    private, public = tmp_path / "矿 key", tmp_path / "-key.pem"
    before = os.umask(0)
    try:
        shown = signing.new_key(private, public)
    finally:
        os.umask(before)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert shown == signing.fingerprint(public) == signing.fingerprint_of_private(private)
    kept = private.read_bytes()
    for one, other in ((private, tmp_path / "new"), (tmp_path / "new", public)):
        with pytest.raises(Refused, match="is there already"):
            signing.new_key(one, other)
    assert private.read_bytes() == kept and not (tmp_path / "new").exists()


def test_fingerprints_are_the_same_however_they_are_written(keys):
    shown, other = signing.fingerprint(keys / "site.pem"), signing.fingerprint(keys / "other.pem")
    assert signing.same_fingerprint(shown, shown) and not signing.same_fingerprint(shown, other)
    assert signing.same_fingerprint(shown, shown.replace("-", ":").upper())
    assert signing.same_fingerprint(shown, f" {shown.replace('-', ' ')}\n")
    assert not signing.same_fingerprint(shown[:-1], shown[:-1]) and not signing.same_fingerprint("", "")
    assert signing.same_key(keys / "site.pem", keys / "site.pem")
    assert not signing.same_key(keys / "site.pem", keys / "other.pem")


def test_without_openssl_nothing_counts_as_verified(bundle, keys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="openssl is missing"):
        signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")


@pytest.mark.parametrize("script", ["exit 1", "echo 'unknown option -rawin' >&2; exit 1"])
def test_an_openssl_that_cannot_do_it_is_not_taken_for_a_bad_signature(bundle, keys, monkeypatch, tmp_path, script):
    (tmp_path / "openssl").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Refused, match=r"3\.0 or later is wanted"):
        signing.verify(bundle / NAME, bundle / SIGNATURE, keys / "site.pem")


def test_what_travels_in_a_bundle_needs_nothing_but_python(bundle, keys, tmp_path):
    """Run apart from every installed package, the modules load nothing but their own kind and Python's library."""
    (tmp_path / "berth").mkdir()
    for name in ("__init__", "errors", "manifest", "signing"):
        shutil.copy(BERTH / f"{name}.py", tmp_path / "berth")
    script = ("import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
              "from berth import errors, manifest, signing\n"
              "signing.verify(*(Path(one) for one in sys.argv[2:5]))\n"
              "manifest.verify(Path(sys.argv[2]).parent, manifest.read(Path(sys.argv[2]).parent))\n"
              "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))")
    ran = subprocess.run([sys.executable, "-I", "-S", "-B", "-W", "error", "-c", script, tmp_path, bundle / NAME,
                          bundle / SIGNATURE, keys / "site.pem"], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) - {"__main__"} == {"berth"}


def test_the_same_files_give_the_same_manifest():
    files = {path: Listed("0" * 64, 1) for path in ("b", "a/c", "a")}
    forth, back = (Manifest("update", "x", "1", "2", dict(order), {"z": 1}) for order in
                   (files.items(), reversed(files.items())))
    assert manifest.to_bytes(forth) == manifest.to_bytes(back)
