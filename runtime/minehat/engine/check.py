"""Preflight: an engine is refused, with the cure, before the runtime touches it."""

from __future__ import annotations

from pathlib import Path

from ..errors import MineHatError
from ..files import sha256_of
from ..gpu import first_gpu
from .card import EngineCard, read_engine_card
from .library import Library, running_library

MAGICS = {"rtx": (b"vtrt",), "tensorrt": (b"ftrt", b"ptrt", b"vtrt")}  # what an engine of a flavour begins with


def check_engine(path: str | Path, here: Library | None = None) -> EngineCard:
    """The card of an engine that is whole and fits this machine (or `here`).

    Raises MineHatError where it is cut short, altered, or built with another TensorRT or for another GPU.
    """
    path = Path(path)
    card = read_engine_card(path)
    check_whole(path, card)
    if here is None and first_gpu() is None:  # before the library is touched: parts of it crash where no driver answers
        raise _no_gpu(path, card)
    _refuse_foreign(path, card, here or running_library(card.flavour))
    return card


def check_whole(path: Path, card: EngineCard) -> None:
    """Raise MineHatError unless the file is the engine that its card describes, to the bit."""
    again = f"Copy it again together with its card, or build it: `{card.rebuild}`"
    size = path.stat().st_size
    if size != card.engine_bytes:
        raise MineHatError(f"{path} holds {size} bytes, its card says {card.engine_bytes}: it is cut short or "
                           f"another engine. {again}")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic not in MAGICS.get(card.flavour, (magic,)):
        raise MineHatError(f"{path} is no engine of {card.library_title}: it begins with {magic!r}. {again}")
    if sha256_of(path) != card.engine_sha256:
        raise MineHatError(f"{path} is not the engine that its card describes (SHA-256 differs). {again}")


def _refuse_foreign(path: Path, card: EngineCard, here: Library) -> None:
    if card.tensorrt_version != here.version:
        raise MineHatError(f"{path} was built with {card.library_title}, here is {here.title}. "
                           f"Build it here: `{card.rebuild}`")
    if here.gpu is None:
        raise _no_gpu(path, card)
    if here.gpu.capability not in card.compute_capabilities or card.gpu not in (None, here.gpu.name):
        built_for = ", ".join(card.compute_capabilities)
        raise MineHatError(f"{path} was built for {card.gpu or 'GPUs'} of compute capability {built_for}; "
                           f"this is {here.gpu.name} of {here.gpu.capability}. {_build_here(card, here)}")


def _no_gpu(path: Path, card: EngineCard) -> MineHatError:
    return MineHatError(f"{path} needs an NVIDIA GPU, and no driver answers here. On the CPU run the .onnx "
                        f"file that it was built from: `minehat detect {card.onnx_word} ...`")


def _build_here(card: EngineCard, here: Library) -> str:
    if card.flavour == "tensorrt" or here.gpu is None:
        return f"Build it here: `{card.rebuild}`"
    sm, batch = here.gpu.capability.replace(".", ""), ",".join(map(str, card.batch))
    return f"Build it for this one: `minehat build {card.onnx_word} --target rtx --sm {sm} --batch {batch}`"
