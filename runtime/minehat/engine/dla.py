"""The deep learning accelerator (DLA) of an Orin: what is made ready for it, and which layers it takes.

Unverified on a board: the calls are held against the real bindings and TensorRT-RTX's parser, what a core answers
comes from NVIDIA's documentation.

TensorRT 11.4.1 reads INT8 from the file's Q/DQ pairs there, as everywhere. Up to 10.7 a DLA takes INT8 only from a
weakly typed network with a calibration table: the one such network of MineHat. Its table is translated from the
pairs; decode is held in FP32 and on the GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..errors import MineHatError
from ..grafts.prelu import with_prelu
from ..grafts.scales import Scales, spread
from ..grafts.unquantized import unquantized
from ..guests import load_onnx
from .calibration_table import table_from_scales
from .differences import check_dla, has
from .library import Library
from .network import Network
from .source import Source
from .watch import BuildLog
from .weakly_typed import layers_of, let_table_decide, reads_tables


def told_of_dla(found: Mapping[str, Any]) -> list[str]:
    """An engine card's account of the DLA for people: its share, why the rest is on the GPU, INT8 scales."""
    if not found:
        return []
    reasons = Counter(reason or "no reason given" for reason in found["gpu"].values())
    told = [f"DLA core {found['core']} takes {len(found['taken'])} of {len(found['taken']) + len(found['gpu'])} layers"]
    told += [f"on the GPU: {count} ({reason})" for reason, count in reasons.most_common()]
    told += [f"the parser stops at {found['first_refused']}"] if found.get("first_refused") else []
    if found.get("scales"):
        told.append("INT8 scales: {given} from the file, {moved} of the same values moved, {before} before activations "
                    "with headroom; {lacking} tensors have none and are not INT8".format(**found["scales"]))
    return told


def prepared(source: Source, library: Library) -> Source:
    """The network as a DLA takes it: PRelu for LeakyRelu and, where the library wants one, a calibration table.

    Raises MineHatError where the library has no DLA, or takes no file of this precision there.
    """
    check_dla(library)
    if source.card.input_dtype != "float32":
        raise MineHatError(f"--dla: {source.onnx} takes {source.card.input_dtype} pixels, which no DLA does. Give the "
                           "model that it was made from.")
    onnx = load_onnx("rewrite a network for the DLA (--dla)")
    model = onnx.load_from_string(source.grafted) if source.grafted is not None else onnx.load(str(source.onnx))
    table, scales = None, None
    if source.card.precision.startswith("int8") and reads_tables(library.trt):
        _check_int8_alone(source, library)
        model, given = unquantized(model)
        scales = spread(model, given)
        table = table_from_scales(scales.all, library.version)
    return replace(source, grafted=with_prelu(model).SerializeToString(), table=table, scales=_counted(scales))


def _check_int8_alone(source: Source, library: Library) -> None:
    if source.card.precision != "int8":
        raise MineHatError(f"--dla: {source.onnx} is {source.card.precision}; for the DLA of {library.title} give a "
                           "file without FP16 in it, of `python calib/quantize.py --precision int8`. What has no "
                           "INT8 scale runs in FP16 there anyway.")


def _counted(scales: Scales | None) -> dict[str, int]:
    return {name: len(getattr(scales, name)) for name in ("given", "moved", "before", "lacking")} if scales else {}


def one_batch(asked: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """The batch sizes for a DLA, which has no dynamic shapes: 1 unless one was asked for."""
    if asked is not None and len(set(asked)) > 1:
        raise MineHatError(f"--batch {','.join(map(str, asked))}: a DLA runs one batch size. Give one number, such as "
                           f"--batch {asked[1]}.")
    return asked or (1, 1, 1)


def aimed_at_core(library: Library, network: Network, config: Any, source: Source, log: BuildLog,
                  core: int) -> dict[str, Any]:
    """Point a builder config at a core, with the GPU for what it does not take.

    The answer is JSON for the engine's card: core; taken, a list of layers; gpu, layer -> why the GPU runs it ("" where
    the library says nothing); first_refused, the node that the parser's own report names ("" for none); scales, how
    many tensors' INT8 scales are given, moved, before, lacking ({} without a calibration table).

    Raises MineHatError where the board has no such core, or it takes no layer at all.
    """
    trt = library.trt
    cores = int(network.builder.num_DLA_cores)
    if core >= cores:
        others = f"it has {', '.join(map(str, range(cores)))}" if cores else "it has none. Leave --dla away"
        raise MineHatError(f"--dla {core}: this board has no such DLA core, {others}.")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    if source.table is not None:
        let_table_decide(trt, network.definition, config, source.table)
    taken, fallen = foreseen(network, config, log)
    if not taken:
        reason = next(filter(None, fallen.values()), "no reason given")
        raise MineHatError(f"--dla {core}: the core takes no layer of {source.onnx}, which is {source.card.precision} "
                           f"({reason}). Give an INT8 or FP16 file of `python calib/quantize.py`, or leave --dla away.")
    refused = first_refused(library, network, config, source, log) if fallen else ""
    return {"core": core, "taken": taken, "gpu": fallen, "first_refused": refused, "scales": dict(source.scales)}


def foreseen(network: Network, config: Any, log: BuildLog) -> tuple[list[str], dict[str, str]]:
    """Layers that the core takes, and those that it does not, with what the library said of each."""
    taken: list[str] = []
    fallen: dict[str, str] = {}
    for layer in layers_of(network.definition):
        name = str(layer.name)
        with _overheard(log) as said:
            fits = config.can_run_on_DLA(layer)
        if fits:
            taken.append(name)
        else:
            fallen[name] = _why(said, name)
    return taken, fallen


@contextmanager
def _overheard(log: BuildLog) -> Iterator[list[str]]:
    """What is said meanwhile, kept out of the log: it is no trouble of the build's."""
    errors, warnings, said = len(log.errors), len(log.warnings), list[str]()
    yield said
    said += log.errors[errors:] + log.warnings[warnings:]
    del log.errors[errors:], log.warnings[warnings:]


def _why(said: Sequence[str], name: str) -> str:
    """The messages on a layer in one line, without its name, so that like reasons count as one."""
    return "; ".join(" ".join(text.replace(name, "the layer").split()).removesuffix(".") for text in said)


def first_refused(library: Library, network: Network, config: Any, source: Source, log: BuildLog) -> str:
    """The first node that the parser's own report (TensorRT 10.15 on) says a DLA does not take; it stops there."""
    trt = library.trt
    if not has(trt, "OnnxParserFlag.REPORT_CAPABILITY_DLA"):
        return ""
    definition = network.builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, network.builder.logger)
    parser.set_flag(trt.OnnxParserFlag.REPORT_CAPABILITY_DLA)
    parser.set_builder_config(config)
    with _overheard(log):
        whole = parser.supports_model_v2(source.grafted)
    if whole or not parser.num_errors:
        return ""
    error = parser.get_error(0)
    return f"{error.node_name()} ({error.node_operator()}): {' '.join(error.desc().split())}"
