"""What is handed off: a model file that is whole, its card, what it takes and gives, how many pictures at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..backends import ENGINES
from ..card import ModelCard, read_card
from ..engine.card import EngineCard, read_engine_card
from ..engine.check import check_whole
from ..engine.network import INPUT
from ..engine.options import USUAL_BATCH
from ..engine.tensors import tensor_from_text
from ..errors import MineHatError
from ..files import sha256_of
from ..onnx_reader import Value, read_onnx

FREE = -1


@dataclass(frozen=True)
class Port:
    """An input or an output."""

    name: str
    dtype: str  # fp32, int64, bool, ...
    shape: tuple[int, ...]  # batch first; FREE where a side is open or not known

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join('?' if side == FREE else str(side) for side in self.shape)}]"


@dataclass(frozen=True)
class Model:
    """A model that was found in order."""

    path: Path
    card: ModelCard
    engine: EngineCard | None  # None for an ONNX file
    sha256: str
    batch: tuple[int, int, int]  # pictures at once: least, best, most; all alike where it is fixed
    input: Port
    outputs: tuple[Port, ...]  # in the order of card.outputs

    @property
    def is_fixed(self) -> bool:
        """Whether it takes just one number of pictures at once."""
        return self.batch[0] == self.batch[2]

    @property
    def is_suppressed(self) -> bool:
        """Whether boxes come out of it that need no suppression."""
        return self.card.suppression in ("graph", "plugin")


def model_to_hand_off(path: str | Path, card: str | Path | None = None, batch: int | None = None) -> Model:
    """Look at an .onnx file or at an engine with its card beside it.

    card: a card's file, for an ONNX file that carries none. batch: most pictures at once, where the model leaves
    it open or less is wanted. Raises MineHatError for what cannot be handed off.
    """
    path = Path(path)
    if not path.is_file():
        raise MineHatError(f"{path}: no such model file.")
    if path.suffix.lower() in ENGINES:
        if card is not None:
            raise MineHatError(f"--card belongs to an ONNX file; the card of {path} is {path.name}.json beside it.")
        return _engine(path, batch)
    if path.suffix.lower() != ".onnx":
        raise MineHatError(f"{path} is no model that can be handed off. Give an .onnx file or an .engine.")
    return _onnx(path, read_card(path if card is None else card), batch)


def label_lines(card: ModelCard, refused: str = "") -> str:
    """labels.txt: class names, a line each. Raises MineHatError for a name that such a file cannot hold."""
    for row, name in enumerate(card.classes):
        odd = [char for char in name if char in "\r\n\0" + refused]
        if odd or not name.strip():
            found = f"holds {odd[0]!r}" if odd else "is empty"
            raise MineHatError(f"class {row} of the card, {name!r}, {found}, which labels.txt cannot hold. "
                               "Give a card with another name: `--card card.json`.")
    return "".join(f"{name}\n" for name in card.classes)


def bound_text(model: Model, unbound: str) -> str:
    """What an engine is bound to, as a README tells it; `unbound` for an ONNX file."""
    engine = model.engine
    if engine is None:
        return unbound
    return (f"It is an engine, bound to {engine.library_title} and to {engine.gpu or 'GPUs'} of compute capability "
            f"{', '.join(engine.compute_capabilities)}: another GPU or TensorRT refuses it. Build it there instead: "
            f"`{engine.rebuild}`, and hand it off again.")


def _engine(path: Path, batch: int | None) -> Model:
    engine = read_engine_card(path)
    check_whole(path, engine)
    if engine.flavour != "tensorrt":
        raise MineHatError(f"{path} is an engine of {engine.library_title}, which neither Triton nor DeepStream loads. "
                           f"Hand off {engine.onnx}, or an engine that the server itself built: "
                           f"`minehat build {engine.onnx} --target tensorrt`")
    card = engine.model
    given = _input(card)
    told = {tensor.name: tensor.shape for layer in engine.layers for tensor in map(tensor_from_text, layer.outputs)}
    outputs = tuple(_narrowed(port, told.get(port.name, ())) for port in _outputs(card))
    return Model(path, card, engine, engine.engine_sha256, _batch(path, engine.batch, batch), given, outputs)


def _onnx(path: Path, card: ModelCard, batch: int | None) -> Model:
    file = read_onnx(path)
    outside = [constant.outside for constant in file.constants.values() if constant.outside]
    if outside:
        raise MineHatError(f"{path} keeps its weights in {outside[0]}, and one file is handed off. Save it as one: "
                           "`onnx.save(onnx.load(path), path)`.")
    inputs, outputs = (tuple(map(_port, values)) for values in (file.inputs, file.outputs))
    wanted = _input(card)
    if len(inputs) != 1 or not _fits(inputs[0], wanted):
        raise _stranger(path, "takes", inputs, (wanted,))
    found = {one.name: one for one in outputs}
    expected = _outputs(card)
    if not all(one.name in found and _fits(found[one.name], one) for one in expected):
        raise _stranger(path, "gives", outputs, expected)
    fixed = inputs[0].shape[0]
    bounds = (1, 1, batch or USUAL_BATCH[2]) if fixed == FREE else (fixed, fixed, fixed)
    return Model(path, card, None, sha256_of(path), _batch(path, bounds, batch), inputs[0],
                 tuple(found[one.name] for one in expected))


def _batch(path: Path, bounds: tuple[int, int, int], wanted: int | None) -> tuple[int, int, int]:
    """The model's bounds, with no more than is wanted."""
    least, best, most = bounds
    if least < most and least > 1:
        raise MineHatError(f"{path} takes {least} to {most} pictures at once, and servers send single ones too. "
                           "Build it from 1 on: `minehat build ... --batch 1,...`")
    if wanted is None:
        return bounds
    if wanted > most or (least == most and wanted != most):
        raise MineHatError(f"--batch {wanted}: {path} takes {'just' if least == most else 'at most'} {most} at once. "
                           "Leave --batch out, or make the model for more.")
    return least, min(best, wanted), wanted


def _input(card: ModelCard) -> Port:
    """What a graph of this card takes."""
    if card.input_dtype != "float32":
        raise MineHatError(f"{card.name} takes {card.input_dtype} pixels, and servers feed floats. Hand off the model "
                           "that it was made from.")
    return Port(INPUT, "fp32", (FREE, 3, card.height, card.width))


def _outputs(card: ModelCard) -> tuple[Port, ...]:
    """What a graph of this card gives, by its contract; FREE where the card does not tell."""
    if card.decode == "outside":
        raise MineHatError(f"{card.name} leaves decode to the runtime (decode outside), and servers give out what the "
                           "network does. Hand off the model that it was made from.")
    rows, classes = card.candidates or FREE, len(card.classes)
    layout: list[tuple[str, tuple[int, ...]]]
    if card.suppression in ("none", "topk"):
        layout = [("fp32", (FREE, rows, 4)), ("fp32", (FREE, rows, classes))]
    else:
        layout = [("fp32", (FREE, rows, 4)), ("fp32", (FREE, rows)), ("int64", (FREE, rows)), ("int64", (FREE,)),
                  ("bool", (FREE,))][:len(card.outputs)]  # the plugin does not tell whether it converged
    return tuple(Port(name, dtype, shape) for name, (dtype, shape) in zip(card.outputs, layout, strict=True))


def _port(value: Value) -> Port:
    return Port(value.name, value.dtype, tuple(side if isinstance(side, int) else FREE for side in value.shape))


def _narrowed(port: Port, shape: tuple[int, ...]) -> Port:
    """With the sides that the builder's log tells, where it tells of this one."""
    found = replace(port, shape=(FREE, *shape[1:]))
    return found if _fits(found, port) else port


def _fits(found: Port, wanted: Port) -> bool:
    """Whether types agree, and sides wherever both tell one."""
    return (found.dtype == wanted.dtype and len(found.shape) == len(wanted.shape)
            and all(FREE in (a, b) or a == b for a, b in zip(found.shape, wanted.shape, strict=True)))


def _stranger(path: Path, verb: str, found: tuple[Port, ...], wanted: tuple[Port, ...]) -> MineHatError:
    return MineHatError(f"{path} {verb} {', '.join(map(str, found)) or 'nothing'}; wanted "
                        f"{', '.join(map(str, wanted))}, as its card says. Export it again or give the right `--card`.")
