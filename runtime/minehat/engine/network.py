"""An ONNX file as the library's parser reads it, and whether it keeps the graph's contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..card import ModelCard
from ..decoding import channels_of
from ..errors import MineHatError
from .library import Library
from .source import Source
from .watch import BuildLog

INPUT = "images"
_CURE = "Export the model again: `python export/to_onnx.py CKPT OUT.onnx`"


@dataclass(frozen=True)
class Network:
    """A parsed network, strongly typed but for the one with a calibration table; it lives as long as its parser."""

    onnx: Path
    trt: Any
    builder: Any
    parser: Any  # holds the weights of `definition`
    definition: Any

    @property
    def input(self) -> Any:
        """Its one input, a tensor of the library's with name, dtype and shape."""
        return self.definition.get_input(0)

    def convolution_names(self) -> list[str]:
        """ONNX node names of its convolutions, in the graph's order."""
        layers = (self.definition.get_layer(row) for row in range(self.definition.num_layers))
        return [str(layer.name) for layer in layers if layer.type == self.trt.LayerType.CONVOLUTION]

    def check(self, card: ModelCard) -> None:
        """Raise MineHatError where inputs or outputs are not what the card and the contract say."""
        inputs = [self.definition.get_input(row) for row in range(self.definition.num_inputs)]
        outputs = {tensor.name: tensor for tensor in
                   (self.definition.get_output(row) for row in range(self.definition.num_outputs))}
        if [tensor.name for tensor in inputs] != [INPUT]:
            raise MineHatError(f"{self.onnx} must have one input named {INPUT!r}, found "
                               f"{', '.join(repr(tensor.name) for tensor in inputs) or 'none'}. {_CURE}")
        self._check_shape(inputs[0], (-1, 3, card.height, card.width), "its card says")
        lacking = [name for name in card.outputs if name not in outputs]
        if lacking:
            raise MineHatError(f"{self.onnx} lacks output {', '.join(map(repr, lacking))}; it has "
                               f"{', '.join(map(repr, outputs))}. {_CURE}")
        self._check_type(inputs[0], {"float32": "FLOAT", "uint8": "UINT8"}[card.input_dtype])
        for name, (dtype, shape, why) in zip(card.outputs, _contract(card), strict=True):
            self._check_type(outputs[name], dtype)
            self._check_shape(outputs[name], shape, why)

    def _check_shape(self, tensor: Any, wanted: tuple[int, ...], why: str) -> None:
        """-1 stands for any size on either side."""
        found = tuple(tensor.shape)
        if len(found) != len(wanted) or any(-1 not in pair and pair[0] != pair[1]
                                            for pair in zip(found, wanted, strict=True)):
            raise MineHatError(f"{self.onnx}: {tensor.name!r} is {_text(found)}, {why} {_text(wanted)}. "
                               "Give the card that belongs to this file with --card.")

    def _check_type(self, tensor: Any, wanted: str) -> None:
        if tensor.dtype != getattr(self.trt.DataType, wanted):
            told = {"FLOAT": "float32"}.get(wanted, wanted.lower())
            raise MineHatError(f"{self.onnx}: {tensor.name!r} is {tensor.dtype.name.lower()}, wanted {told}; inputs "
                               "and outputs keep their types in every precision. Make the file again: "
                               "`python calib/quantize.py`")


def _contract(card: ModelCard) -> list[tuple[str, tuple[int, ...], str]]:
    """Type, shape and reason of each output, in the order of `card.outputs`."""
    if card.decode == "outside":
        return [("FLOAT", (-1, channels_of(card), -1, -1), "maps are")] * len(card.outputs)
    boxes = ("FLOAT", (-1, -1, 4), "boxes are")
    if card.suppression in ("none", "topk"):
        return [boxes, ("FLOAT", (-1, -1, len(card.classes)), f"its card's {len(card.classes)} classes want")]
    rows = [boxes, ("FLOAT", (-1, -1), "scores are"), ("INT64", (-1, -1), "labels are"), ("INT64", (-1,), "count is"),
            ("BOOL", (-1,), "converged is")]
    return rows[:len(card.outputs)]


def parsed(library: Library, logger: Any, log: BuildLog, source: Source) -> Network:
    """Parse a network. Raises MineHatError naming the node that the parser stopped at."""
    trt = library.trt
    builder = trt.Builder(logger)
    strongly = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    definition = builder.create_network(strongly if source.table is None else 0)
    parser = trt.OnnxParser(definition, logger)
    whole = parser.parse_from_file(str(source.onnx)) if source.grafted is None else parser.parse(source.grafted)
    if not whole:
        raise MineHatError(f"{source.onnx}: {_parse_error(parser, log, library)}. {_CURE}")
    return Network(source.onnx, trt, builder, parser, definition)


def _parse_error(parser: Any, log: BuildLog, library: Library) -> str:
    if not parser.num_errors:
        return f"{library.title} cannot read it ({log.reason})"
    error = parser.get_error(0)
    if not error.node_name() and not error.node_operator():
        return f"{library.title} cannot read it ({_plain(error.desc())})"
    if "plugin" in error.desc().lower():
        return f"{library.title} has no operator {error.node_operator()}, used by node {error.node_name()!r}"
    return (f"{library.title} cannot take node {error.node_name()!r} ({error.node_operator()}): "
            f"{_plain(error.desc())}")


def _plain(text: str) -> str:
    """The sentence of "Assertion failed: some(code): A sentence." """
    sentence = text.split(": ", 2)[-1] if text.startswith("Assertion failed") else text
    return " ".join(sentence.split()).removesuffix(".")


def _text(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join("N" if side == -1 else str(side) for side in shape) + "]"
