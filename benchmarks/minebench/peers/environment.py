"""The environment that the peers live in: made once by pip, never ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.progress import say

from .turns import around

OURS = ("numpy>=1.26,<3", "onnx>=1.17,<1.24", "onnxruntime>=1.20,<1.32", "onnxscript>=0.5",
        "opencv-python-headless>=4.8,<6", "pillow>=10.1", "tqdm>=4.66", "torch==2.13.0")
PEERS = ("openvino==2026.4.1", "nncf==3.4.0")
# Without what they ask for: they want another OpenCV beside ours, torchvision, and TensorRT, which no lane uses.
BARE = ("ultralytics==8.4.190", "ultralytics-thop", "polars", "supervision==0.31.2", "pydeprecate", "trtutils==0.6.1",
        "cv2ext==0.1.2")
BESIDE = ("matplotlib", "pyyaml", "requests", "defusedxml", "av", "scipy", "psutil")  # that the bare ones do use
STAMP = "race-environment.txt"


def ready_environment(folder: Path) -> Path:
    """Its Python; made where it is absent or of another list of packages. Raises MineHatError where pip fails."""
    python, stamp = folder / "bin/python", folder / STAMP
    wanted = "\n".join((*OURS, *PEERS, *BARE, *BESIDE)) + "\n"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    say(f"{folder}: making the peers' environment (about 2 GB, some minutes)")
    begun = time.monotonic()
    _run(sys.executable, "-m", "venv", str(folder))
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, *OURS, *PEERS, *BESIDE)
    _run(*pip, "--no-deps", *BARE)
    write_whole(stamp, wanted)
    say(f"{folder}: made in {time.monotonic() - begun:.0f} s")
    return python


def make_models(python: Path, folder: Path) -> None:
    """The files of the race, those that are not there yet; minutes the first time."""
    _run(str(python), "-m", "minebench.peers.race_models", str(folder), surroundings=around(python))


def facts(python: Path) -> dict[str, Any]:
    """The machine, with the versions of the peers' environment."""
    asked = ("import json, importlib.metadata as m\nfrom minebench.machine import machine\nbox = machine()\n"
             "box['versions'] |= {p: m.version(p) for p in ('torch', 'nncf', 'ultralytics', 'supervision', 'trtutils')}"
             "\nprint(json.dumps(box))")
    told = subprocess.run([str(python), "-c", asked], env=around(python), check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def _run(*command: str, surroundings: Mapping[str, str] | None = None) -> None:
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, env=surroundings)
    if ended.returncode:
        raise MineHatError(f"`{' '.join(command)}` ended with {ended.returncode}; what it says stands above.")
