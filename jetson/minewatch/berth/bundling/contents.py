"""What a bundle takes from the checkout: the installer, models, unit files, kernels; and minehat's own wheel."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from minehat.errors import MineHatError, missing

SECONDS = 300.0  # that building the wheel may take
BERTH = "jetson/minewatch/berth"
TAKEN = (  # pattern in the checkout, folder in the bundle
    ("jetson/install.sh", "."),
    ("jetson/minewatch.example.yaml", "."),
    *((f"{BERTH}/{module}.py", "berth") for module in ("__init__", "errors", "manifest", "signing")),
    (f"{BERTH}/installing/**/*.py", "berth/installing"),
    ("jetson/units/**/*", "units"),
    ("jetson/nginx/**/*", "nginx"),
    ("runtime/minehat/kernels/*.cu", "kernels"),
    ("models/*/*.onnx", "models"),
    ("models/*/MODEL_CARD.md", "models"),
    ("LICENSE", "licences/minehat"),
)


def taken(checkout: Path) -> dict[str, bytes]:
    """Path in the bundle -> content. Raises MineHatError where the checkout lacks a part."""
    found: dict[str, bytes] = {}
    for pattern, folder in TAKEN:
        base = Path(pattern.partition("*")[0].rpartition("/")[0])
        files = [path for path in sorted(checkout.glob(pattern)) if path.is_file() and "__pycache__" not in path.parts]
        if not files:
            raise MineHatError(f"{checkout} has no {pattern}. A bundle is made from a whole checkout of MineHat: "
                               "run jetson/bundle.py of one.")
        for path in files:
            found[(Path(folder) / path.relative_to(checkout / base)).as_posix()] = path.read_bytes()
    return found


def own_wheel(checkout: Path, folder: Path) -> Path:
    """minehat's own wheel, built into the folder. Raises MineHatError where it cannot be built."""
    for module in ("build", "hatchling"):
        if importlib.util.find_spec(module) is None:
            raise missing(f"The package {module}", "build minehat's own wheel", f"`pip install {module}`.")
    ran = subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder),
                          str(checkout)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    built = sorted(folder.glob("minehat-*.whl"))
    if ran.returncode or not built:
        lines = (ran.stdout + ran.stderr).strip().splitlines() or ["it said nothing"]
        raise MineHatError(f"minehat's own wheel could not be built from {checkout}: {lines[-1]}. "
                           "`python -m build --wheel` there tells more.")
    return built[0]
