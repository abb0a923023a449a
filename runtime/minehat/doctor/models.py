"""Do these models run here? An engine is bound to a TensorRT and a GPU; its card names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..engine.card import read_engine_card
from ..errors import MineHatError
from .apart import ask
from .finding import FAULT, WELL, Finding
from .packages import debian, numbers
from .system import CHIPS, board_of


def model(root: Path, file: Path) -> Iterator[Finding]:
    """One model file. Where `root` is another machine, its chip and packages are held against an engine's card."""
    if root != Path("/") and file.suffix.lower() == ".engine":
        yield _elsewhere(root, file)
        return
    answer = ask("model", str(file.absolute()))
    if answer.trouble:
        yield Finding("model", FAULT, f"{file}: {answer.trouble}", "",
                      answer.cure(f"Look at it: `minehat inspect {file}`"))
    elif "refused" in answer.told:
        yield Finding("model", FAULT, answer.told["refused"])
    else:
        yield Finding("model", WELL, f"{file.name}: {answer.told['text']}")


def _elsewhere(root: Path, file: Path) -> Finding:
    try:
        card = read_engine_card(file)
    except MineHatError as exc:
        return Finding("model", FAULT, str(exc))
    theirs = next((version for package, version in debian(root).items() if re.match(r"libnvinfer\d+$", package)), "")
    ours, there = numbers(card.tensorrt_version), numbers(theirs)
    length = min(len(ours), len(there))
    if ours[:length] != there[:length]:
        have = f"TensorRT {'.'.join(map(str, there))}" if there else "no TensorRT"
        return Finding("model", FAULT, f"{file.name} was built with {card.library_title}; there is {have} here", "An "
                       "engine runs with the TensorRT that built it, and no other", f"Build it here: `{card.rebuild}`")
    capability = CHIPS.get(board_of(root).chip, "")
    if capability and capability not in card.compute_capabilities:
        return Finding("model", FAULT, f"{file.name} was built for compute capability "
                       f"{', '.join(card.compute_capabilities)}; this board has {capability}", "An engine runs on "
                       "the GPU that it was built for", f"Build it here: `{card.rebuild}`")
    return Finding("model", WELL, f"{file.name}: {card.model.name}, {card.model.size_text}, {card.library_title}")
