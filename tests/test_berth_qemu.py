"""The bundle for a Jetson in an aarch64 root under qemu: is it installed, and is the same found there as here?

It wants root, debootstrap and qemu-user-static, registered with the kernel: `mount -t binfmt_misc binfmt_misc
/proc/sys/fs/binfmt_misc && update-binfmts --enable qemu-aarch64`. Debian has no Python 3.10, so the bundle is jp6's for
Debian's own Python: other wheels than JetPack's, of the same versions. What a GPU does is not seen here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from minehat import scenes
from minewatch.berth import signing
from numpy.testing import assert_allclose
from PIL import Image
from test_berth_install_soak import BOOKWORM_PYTHON, inside, key, mounted  # noqa: F401

MODEL = "helmet-nano/helmet-nano.int8-cpu.onnx"
REGISTERED = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
pytestmark = [pytest.mark.soak, pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap") or not REGISTERED.exists(),
    reason="it wants root, debootstrap, and qemu-user-static registered with binfmt_misc")]


def test_a_jetson_s_bundle_is_installed_and_sees_alike_under_qemu(tmp_path, key, figure):  # noqa: F811
    """I5: by the processor alone; no board, no GPU."""
    packed, root = bundle(tmp_path / "out", key), tmp_path / "root"
    subprocess.run(["debootstrap", "--arch=arm64", "--variant=minbase", "--include=python3,ca-certificates", "bookworm",
                    root], check=True, stdout=subprocess.DEVNULL)
    stick = root / "media/stick"
    stick.mkdir()
    shutil.copy(packed, stick)
    Image.fromarray(scenes.picture(8, 640, 360).frame[..., ::-1]).save(stick / "scene.png")
    began = time.monotonic()
    with mounted(root):
        install = f"sh {packed.name.rpartition('-')[0]}/install.sh --accept-key {signing.fingerprint(key[1])}"
        assert inside(root, "/media/stick", f"tar xf {packed.name} && {install}").wait(3600) == 0
        installed = time.monotonic() - began
        began = time.monotonic()
        detect = f"minehat detect /opt/minehat/current/models/{MODEL} scene.png --json there.json"
        assert inside(root, "/media/stick", detect).wait(1200) == 0
        looked = time.monotonic() - began
    here = found_here(stick / "scene.png", tmp_path / "here.json")
    there = json.loads((stick / "there.json").read_text())["images"][0]["detections"]
    assert len(here) > 4 and [one["label"] for one in there] == [one["label"] for one in here]
    assert_allclose([one["box"] for one in there], [one["box"] for one in here], atol=3)
    assert_allclose([one["score"] for one in there], [one["score"] for one in here], atol=0.05)
    figure("I5", f"aarch64 Debian 12 under qemu, without network: jp6's bundle (Python {BOOKWORM_PYTHON}) installed "
                 f"after {installed:.0f} s; a picture seen as on this machine, {looked:.0f} s with its start")
    shutil.rmtree(root)


def bundle(folder: Path, key: tuple[Path, Path]) -> Path:  # noqa: F811
    """jp6's, for the Python that Debian has."""
    subprocess.run([sys.executable, ROOT / "jetson/bundle.py", "--target", "jp6", "--python", BOOKWORM_PYTHON,
                    "--key", key[0], "--out", folder, "--cache", ROOT / "out/wheels"], check=True)
    return next(folder.glob("*.tar"))


def found_here(picture: Path, out: Path) -> list[dict]:
    """What this machine's processor finds in it."""
    subprocess.run([sys.executable, "-m", "minehat", "detect", ROOT / "models" / MODEL, picture, "--json", out],
                   check=True, stderr=subprocess.DEVNULL)
    return json.loads(out.read_text())["images"][0]["detections"]
