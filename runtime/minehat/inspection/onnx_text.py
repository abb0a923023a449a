"""One screen on an ONNX file, for people."""

from __future__ import annotations

from collections.abc import Mapping

from ..engine.layers import counted
from .convolutions import total_macs
from .onnx_facts import OnnxFacts
from .texts import bars, block, calibration_lines, card_lines, mb, strip, wrapped

_FIRST = ("QuantizeLinear", "DequantizeLinear", "Cast")
_MOST_OPERATORS = 10


def onnx_text(facts: OnnxFacts) -> str:
    """One screen on an ONNX file."""
    opsets = ", ".join(f"{domain or 'opset'} {version}" for domain, version in facts.file.opsets.items())
    producer = f", by {facts.file.producer}" if facts.file.producer else ""
    return "\n".join([
        f"{facts.path}  {mb(facts.size_bytes)}, ONNX {opsets}{producer}",
        *block("sha256", [facts.sha256]),
        *(card_lines(facts.card) if facts.card else block("card", [facts.no_card])),
        *block("inputs", [value.text for value in facts.file.inputs]),
        *block("outputs", [value.text for value in facts.file.outputs]),
        *block("nodes", wrapped(_operators(facts.operators))),
        *_convolutions(facts),
        *block("weights", _weights(facts)),
        *block("calibration", calibration_lines(facts.calibration))])


def _convolutions(facts: OnnxFacts) -> list[str]:
    convolutions = facts.convolutions
    macs, uncounted = total_macs(convolutions), sum(conv.macs is None for conv in convolutions)
    notes = {name: f"{count / 1e9:.2f} G multiply-adds" for name, count in macs.items() if count}
    types = [conv.runs_in for conv in convolutions]
    lines = [*bars(counted(types), notes), *strip(types)]
    if facts.input_size is None:
        lines.append("multiply-adds are not counted: the input's size is open, and no card tells it")
    elif convolutions:
        height, width = facts.input_size
        missing = f", {uncounted} of {len(convolutions)} convolutions not counted" if uncounted else ""
        lines.append(f"{sum(macs.values()) / 1e9:.2f} G multiply-adds a picture at {width}x{height}{missing}")
    if facts.lifted:
        lines += wrapped([f"lifted by the gate, no Q/DQ on: {facts.lifted[0]}", *facts.lifted[1:]])
    return block("convolutions", lines)


def _operators(operators: Mapping[str, int]) -> list[str]:
    others = [op for op in operators if op not in _FIRST]
    named = [op for op in _FIRST if op in operators] + others[:_MOST_OPERATORS]
    parts = [f"{sum(operators.values())} in all", *(f"{operators[op]} {op}" for op in named)]
    rest = others[_MOST_OPERATORS:]
    if rest:
        parts.append(f"{sum(operators[op] for op in rest)} of {len(rest)} other operators")
    return parts


def _weights(facts: OnnxFacts) -> list[str]:
    lines = [f"{facts.parameters / 1e6:.2f} M parameters"]
    lines += [f"{dtype:8}{count:12,} values {mb(size):>10}" for dtype, (count, size) in facts.constants.items()]
    if facts.outside:
        lines.append(f"they lie in {', '.join(facts.outside)}, beside this file")
    return lines
