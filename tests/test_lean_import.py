"""Does the wheel hold the runtime alone, and does `import minehat` need numpy alone?"""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from conftest import ROOT

ABSENT = ("torch", "cv2", "onnxruntime", "tensorrt", "tensorrt_rtx", "onnx", "PIL", "tqdm", "pycocotools", "cuda",
          "pycuda")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
                   check=True, capture_output=True)
    return next(folder.glob("minehat-*.whl"))


@pytest.fixture(scope="module")
def lean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel and numpy (a link to ours) alone."""
    home = tmp_path_factory.mktemp("lean")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = next(home.glob("lib/python*/site-packages"))
    ours = Path(str(distribution("numpy").locate_file("")))
    for part in ours.glob("numpy*"):
        (site / part.name).symlink_to(part)
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
                    "--no-index", "--disable-pip-version-check", str(wheel)], check=True, capture_output=True)
    return python.parent


def run(lean: Path, program: str, *args: object) -> str:
    done = subprocess.run([lean / "python", "-I", "-W", "error", "-c", program, *map(str, args)], check=False,
                          capture_output=True, text=True, cwd=lean)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_minehat_and_minewatch_only(wheel):
    with zipfile.ZipFile(wheel) as content:
        rooms = {name.split("/")[0] for name in content.namelist()}
        assert {"minehat/py.typed", "minehat/kernels/letterbox.cu"} <= set(content.namelist())
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"minehat", "minewatch"}


def test_numpy_is_all_that_the_core_needs(lean, tmp_path):
    program = f"""
import importlib.util, sys
absent = {ABSENT!r}
assert not [name for name in absent if importlib.util.find_spec(name)]
import minehat, numpy as np
card = minehat.read_card(sys.argv[1])
found = minehat.suppress(np.array([[0, 0, 9, 9]], np.float32), np.array([[0.1, 0.9]], np.float32), 0.25, 0.5)
placement = minehat.place(1080, 1920, card.height, card.width)
print(card.name, card.classes[found.labels[0]], placement.new_height)
assert not set(absent) & set(sys.modules)
"""
    assert run(lean, program, bright_onnx(tmp_path / "bright.onnx")).split() == ["bright", "head", "54"]


def test_every_absent_guest_is_explained_on_one_line(lean, tmp_path):
    model = bright_onnx(tmp_path / "bright.onnx")
    (tmp_path / "a.jpg").write_bytes(b"")
    done = subprocess.run([lean / "minehat", "detect", model, tmp_path / "a.jpg"], capture_output=True, text=True,
                          check=False, cwd=lean)
    assert done.returncode == 2
    assert done.stderr.startswith("minehat: OpenCV is missing") and len(done.stderr.splitlines()) == 1


def test_a_command_loads_what_it_needs_alone(lean):
    """Their list is read often, by people and by completion."""
    told = run(lean, "import sys; from minehat.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
                     "print([name for name in sys.modules if name.endswith('_command')])")
    assert "hand a model off" in told and told.splitlines()[-1] == "[]"


def test_the_doctor_needs_no_guest_and_names_those_that_are_absent(lean):
    done = subprocess.run([lean / "minehat", "doctor"], capture_output=True, text=True, check=False, cwd=lean)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "BAD   ONNX Runtime  not here" in done.stderr and "BAD   OpenCV        not here" in done.stderr


def test_help_needs_no_guest(lean):
    done = subprocess.run([lean / "minehat", "detect", "--help"], capture_output=True, text=True, check=True, cwd=lean)
    assert "SOURCE" in done.stdout
