"""What runs models and reads pictures in this Python: ONNX Runtime and OpenCV, each there once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .apart import ask
from .finding import FAULT, WELL, Finding
from .packages import installed

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


def runtime(root: Path) -> Iterator[Finding]:
    """ONNX Runtime; nothing where `root` is another machine."""
    if root == Path("/"):
        yield _library("ONNX Runtime", "onnxruntime", RUNTIMES, "Models that are .onnx files do not run",
                       "`pip install 'minehat[cpu]'`")


def opencv(root: Path) -> Iterator[Finding]:
    """OpenCV; nothing where `root` is another machine."""
    if root == Path("/"):
        yield _library("OpenCV", "opencv", OPENCVS, "Pictures and videos cannot be looked at",
                       "`pip install opencv-python-headless`, or on a Jetson make the venv with --system-site-packages")


def _library(title: str, question: str, packages: tuple[str, ...], why: str, cure: str) -> Finding:
    here = installed()
    twice = [name for name in packages if name in here]
    if len(twice) > 1:
        return Finding(title, FAULT, f"{' and '.join(twice)} are installed together", "They overwrite each other's "
                       "files, and either may run", f"`pip uninstall {' '.join(twice)}`, then install one again")
    answer = ask(question)
    if not answer.trouble:
        return Finding(title, WELL, f"{answer.told['version']}{f' ({twice[0]})' if twice else ''}")
    if "is missing" in answer.trouble or "No module named" in answer.trouble:
        return Finding(title, FAULT, "not here", why, cure)
    if "numpy" in answer.trouble.lower():
        return Finding(title, FAULT, answer.trouble, why, "`pip install 'numpy<2'` where it was built for numpy 1, as "
                       "JetPack's OpenCV is")
    return Finding(title, FAULT, answer.trouble, why, answer.cure(f"Install it again: {cure}"))
