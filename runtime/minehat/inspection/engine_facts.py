"""What an engine is, told by its card; the file on the disk beside it, and, where they fit, TensorRT and the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..engine.card import EngineCard, engine_card_from_json, read_engine_card
from ..engine.check import check_engine, check_whole
from ..engine.layer_facts import Memory, ends, memory
from ..engine.layers import Layer
from ..engine.tensors import Tensor
from ..errors import MineHatError
from .inspector import Inspected, inspected


@dataclass(frozen=True)
class EngineFacts:
    """An engine and what is known of it here."""

    path: Path  # of the engine, whether it is there or not
    card: EngineCard
    fault: str  # what is wrong with the file on the disk; "" where it is the one that the card describes
    memory: Memory  # at the batch that it is best at, from the card's layers
    seen: Inspected | None  # what TensorRT tells of it on this machine's GPU
    unseen: str  # why it was not asked; "" where it was

    @property
    def layers(self) -> tuple[Layer, ...]:
        """As TensorRT tells them here, or as the card does."""
        return self.seen.layers if self.seen and self.seen.layers else self.card.layers

    @property
    def ends(self) -> tuple[list[Tensor], list[Tensor]]:
        """Inputs and outputs, those in the card's order."""
        inputs, outputs = ends(self.layers)
        wanted = self.card.model.outputs
        return inputs, sorted(outputs, key=lambda tensor: (*wanted, tensor.name).index(tensor.name))


def engine_facts(path: str | Path) -> EngineFacts:
    """The facts of x.engine, or of its card x.engine.json. Raises MineHatError where the card is missing or broken."""
    path = Path(path)
    is_card = path.suffix.lower() == ".json"
    engine = path.with_suffix("") if is_card else path
    card = _card_alone(path) if is_card else read_engine_card(path)
    fault = _fault(engine, card)
    seen, unseen = (None, fault) if fault else _asked(engine)
    layers = seen.layers if seen and seen.layers else card.layers
    return EngineFacts(engine, card, fault, memory(layers, card.batch[1]), seen, unseen)


def _card_alone(path: Path) -> EngineCard:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise MineHatError(f"{path} cannot be read as a card: {exc}.") from exc
    return engine_card_from_json(text, str(path))


def _fault(engine: Path, card: EngineCard) -> str:
    if not engine.is_file():
        return f"{engine.name} is not beside its card"
    try:
        check_whole(engine, card)
    except MineHatError as exc:
        return str(exc).removeprefix(f"{engine} ")
    return ""


def _asked(engine: Path) -> tuple[Inspected | None, str]:
    """Ask TensorRT where the preflight lets it see the file. Unverified: no GPU with TensorRT was at hand."""
    try:
        return inspected(engine, check_engine(engine)), ""
    except MineHatError as exc:
        return None, str(exc)
