"""TensorRT's own inspector, asked on a GPU: layers as they were loaded, and the memory that running takes.

Its JSON names inputs and outputs under "Bindings" in TensorRT 10 and under "I/O Tensors" in 11, and a tensor's type
in "Format/Datatype" or in "Datatype" beside "Format".
https://docs.nvidia.com/deeplearning/tensorrt/11.3.0/api/migration/tensorrt-10x-to-11x-IEngineInspector.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.card import EngineCard
from ..engine.layers import MADE_UP, Layer, Names, origins_in
from ..engine.library import running_library
from ..engine.tensors import Tensor, data_type, layout
from ..engine.watch import BuildLog, logger_for
from ..errors import MineHatError


@dataclass(frozen=True)
class Inspected:
    """What TensorRT tells of a loaded engine."""

    layers: tuple[Layer, ...]
    tensors: tuple[str, ...]  # names of inputs and outputs
    device_memory: int  # bytes that a context takes on the GPU for activations and scratch, at the largest batch


def inspected(path: Path, card: EngineCard) -> Inspected:
    """Load an engine that passed the preflight and ask. Unverified: no GPU with TensorRT was at hand.

    Raises MineHatError where TensorRT does not load it.
    """
    library = running_library(card.flavour)
    trt, log = library.trt, BuildLog()
    runtime = trt.Runtime(logger_for(trt, log))
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise MineHatError(f"{library.title} does not load {path}: {log.reason}. Build it here: `{card.rebuild}`")
    inspector = engine.create_engine_inspector()
    context = engine.create_execution_context()
    if context is not None:
        inspector.execution_context = context  # with it, layouts are told in full
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    layers, tensors = read_information(text)
    return Inspected(tuple(layers), tuple(tensors), int(engine.device_memory_size_v2))


def read_information(text: str) -> tuple[list[Layer], list[str]]:
    """Layers, and names of inputs and outputs, from the inspector's JSON of TensorRT 10 or 11.

    Of an engine that was built without detailed profiling, layers have their names alone.
    """
    try:
        found = json.loads(text)
        names = Names()
        layers = [_layer(entry, names) for entry in found.get("Layers", ())]
    except (ValueError, AttributeError, TypeError, KeyError) as exc:
        raise MineHatError(f"TensorRT's inspector answers in a form that is not known here ({exc}). "
                           "Install a newer MineHat: `pip install -U minehat`.") from exc
    tensors = [*found.get("Bindings", ()), *(str(entry["Name"]) for entry in found.get("I/O Tensors", ()))]
    return [layer for layer in layers if layer.inputs or layer.outputs or not layer.kind], tensors


def _layer(entry: str | Mapping[str, Any], names: Names) -> Layer:
    if isinstance(entry, str):
        return Layer(entry, "", (), (), ())
    inputs, outputs = (tuple(_tensor(tensor, names).text for tensor in entry.get(side, ()))
                       for side in ("Inputs", "Outputs"))
    tactic = str(entry.get("TacticName", ""))
    return Layer(entry["Name"], entry.get("LayerType", ""), inputs, outputs, origins_in(str(entry.get("Metadata", ""))),
                 _weights(entry, names), "" if tactic.startswith(MADE_UP) else tactic)


def _tensor(entry: Mapping[str, Any], names: Names) -> Tensor:
    told = {key.lower(): str(value) for key, value in entry.items()}
    kind = told.get("datatype", told.get("format/datatype", ""))
    shape = tuple(int(side) for side in entry.get("Dimensions", ()))
    return Tensor(data_type(kind), layout(told.get("format", told.get("format/datatype", ""))), shape,
                  names.short(str(entry["Name"])))


def _weights(entry: Mapping[str, Any], names: Names) -> dict[str, int]:
    weights: Counter[str] = Counter()
    for constant in entry.get("Constants", ()):
        if names.is_new(str(constant["Name"])):
            tensor = _tensor(constant, names)
            weights[tensor.dtype] += tensor.size(1)
    for key in ("Weights", "Bias"):
        if isinstance(entry.get(key), Mapping) and entry[key].get("Count"):
            dtype = data_type(str(entry[key].get("Type", "")))
            weights[dtype] += Tensor(dtype, "", (int(entry[key]["Count"]),), "").size(1)
    return dict(weights)
