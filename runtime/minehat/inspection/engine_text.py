"""One screen on an engine, for people."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.dla import told_of_dla
from ..engine.layer_facts import Memory, casts, fused, reformats
from ..engine.layers import counted
from .engine_facts import EngineFacts
from .texts import WIDTH, bars, block, calibration_lines, card_lines, mb, strip, wrapped

_MOST_NAMED, _MOST_FUSED = 5, 3


def engine_text(facts: EngineFacts) -> str:
    """One screen on an engine."""
    card = facts.card
    inputs, outputs = facts.ends
    least, best, most = card.batch
    return "\n".join([
        f"{facts.path}  {mb(card.engine_bytes)}, {facts.fault or 'whole, the one of its card'}",
        *block("built", [f"in {card.build_seconds:.1f} s with {card.library_title} from {card.onnx}", card.rebuild]),
        *block("runs on", [_aim(facts), f"batch {least}..{most}, best at {best}"]),
        *(block("DLA", told_of_dla(card.dla)) if card.dla else []),
        *card_lines(card.model),
        *block("inputs", [tensor.text for tensor in inputs]),
        *block("outputs", [tensor.text for tensor in outputs]),
        *block("convolutions", [*bars(card.precisions), *strip(conv.runs_in for conv in card.convolutions)]),
        *(_layers(facts) if facts.layers else block("all layers", ["not shown by the builder's log"])),
        *block("calibration", calibration_lines(card.calibration)),
        *block("on this GPU", _seen(facts)),
        *(f"note: the builder warned: {' '.join(warning.split())[:160]}" for warning in card.warnings)])


def _layers(facts: EngineFacts) -> list[str]:
    layers = facts.layers
    changed = counted(layer.precision for layer in casts(layers))
    return [*block("all layers", bars(counted(layer.precision for layer in layers))),
            *block("casts", wrapped([f"{count} {name}" for name, count in changed.items()])),
            *block("reformats", _named([layer.name for layer in reformats(layers)])),
            *block("fusions", _fusions(facts)),
            *block("memory", _memory(facts.memory, facts.card.batch[1]))]


def _aim(facts: EngineFacts) -> str:
    card = facts.card
    capabilities = ", ".join(card.compute_capabilities)
    if card.gpu is None:
        return f"GPUs of compute capability {capabilities}"
    return f"{card.gpu} of compute capability {capabilities}, built with CUDA {card.cuda_version}"


def _fusions(facts: EngineFacts) -> list[str]:
    found = fused(facts.layers)
    if not found:
        return []
    return [f"{len(found)} of {len(facts.layers)} layers hold several ONNX nodes, most of them:",
            *(f"{len(layer.nodes)} in {layer.name[:WIDTH]}" for layer in found[:_MOST_FUSED])]


def _memory(memory: Memory, batch: int) -> list[str]:
    weights = ", ".join(f"{dtype} {mb(size)}" for dtype, size in memory.weights.items())
    lines = [f"weights {mb(sum(memory.weights.values()))}" + (f" ({weights})" if weights else ""),
             f"at batch {batch}: inputs and outputs {mb(memory.inputs_outputs)}, between layers at least "
             f"{mb(memory.activations)} at a time"]
    if memory.largest is not None:
        lines.append(f"largest {mb(memory.largest.size(batch))}: {memory.largest.text}")
    return lines


def _seen(facts: EngineFacts) -> list[str]:
    if facts.seen is None:
        return [f"TensorRT was not asked: {facts.unseen}"]
    return [f"{len(facts.seen.layers)} layers, {mb(facts.seen.device_memory)} for a context",
            f"inputs and outputs {', '.join(facts.seen.tensors)}"]


def _named(names: Sequence[str]) -> list[str]:
    more = [f"and {len(names) - _MOST_NAMED} more (--layers)"] if len(names) > _MOST_NAMED else []
    return [f"{len(names)}:", *names[:_MOST_NAMED], *more] if names else []
