"""OpenVINO's own INT8, made by NNCF. Wants an environment with openvino and nncf."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minehat.card import ModelCard
from minehat.errors import missing

from .squares import batches


def int8_by_nncf(model: Path, card: ModelCard, squares: Sequence[Path], out: Path) -> Path:
    """Write `out` (.xml, its weights beside it): `model` in INT8 with NNCF's settings for networks with LeakyReLU.

    Decode stays in float, as it does in ours.
    """
    nncf, openvino = _load()
    nncf.set_log_level(logging.ERROR)
    plain = openvino.Core().read_model(str(model))
    plain.reshape([1, 3, card.height, card.width])
    data = nncf.Dataset(list(squares), lambda square: next(batches([square], card)))
    whole = nncf.quantize(plain, data, preset=nncf.QuantizationPreset.MIXED, subset_size=len(squares),
                          ignored_scope=nncf.IgnoredScope(names=decode_of(plain), validate=False))
    openvino.save_model(whole, out, compress_to_fp16=False)
    return out


def fastest_rest() -> str:
    """What OpenVINO works out in on this CPU where nothing is integer, if it is free to choose."""
    _, openvino = _load()
    return "bf16" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def decode_of(model: Any) -> list[str]:
    """The operations of an OpenVINO model downstream of its last convolutions, by name."""
    leads: set[str] = set()  # to a convolution
    for operation in reversed(model.get_ordered_ops()):
        readers = [reader.get_node() for output in operation.outputs() for reader in output.get_target_inputs()]
        if any(_convolves(reader) or reader.get_friendly_name() in leads for reader in readers):
            leads.add(operation.get_friendly_name())
    decode: dict[str, None] = {}
    for operation in model.get_ordered_ops():
        makers = [entry.get_source_output().get_node() for entry in operation.inputs()]
        if any(maker.get_friendly_name() in decode or (_convolves(maker) and maker.get_friendly_name() not in leads)
               for maker in makers):
            decode[operation.get_friendly_name()] = None
    return list(decode)


def _convolves(operation: Any) -> bool:
    return bool(operation.get_type_name() == "Convolution")


def _load() -> tuple[Any, Any]:
    try:
        import nncf
        import openvino
    except ModuleNotFoundError as exc:
        raise missing(f"{exc.name}", "make OpenVINO's INT8", "`pip install openvino nncf` in an environment of its "
                      "own.") from exc
    return nncf, openvino
