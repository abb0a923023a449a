"""From an ONNX file to an engine and its card: one path for TensorRT 10.3 to 11 and TensorRT-RTX.

The network is strongly typed: FP16 casts and INT8 scales in the file decide, no builder flag does.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..card import ModelCard, read_card
from ..errors import MineHatError
from ..files import sha256_of, written_whole
from ..onnx_metadata import read_metadata
from ..progress import say
from .card import EngineCard, card_beside
from .differences import NO_INT8_SM, aim
from .layers import UNKNOWN, Convolution, convolutions_in, counted, layers_from_table
from .library import Library, builder_library
from .network import Network, parsed
from .onnx_form import check_symmetric, symmetric_name
from .options import USUAL_BATCH, BuildOptions
from .watch import BuildLog, Phases, interruptible, logger_for, monitor_for

CALIBRATION_KEY = "minehat.calibration"  # of the ONNX metadata: JSON on how the ranges were found


@dataclass(frozen=True)
class Built:
    """An engine on the disk, and what was seen while it was built."""

    path: Path
    card: EngineCard
    convolutions: tuple[Convolution, ...]
    layers: dict[str, int]  # all kernels by "input->output" type
    library: Library
    warnings: tuple[str, ...]  # of the library, each once


def engine_from_onnx(onnx: str | Path, out: str | Path | None = None,
                     options: BuildOptions | None = None, card: ModelCard | None = None) -> Built:
    """Build an engine and its card beside it; `out` is a file, a folder, or None for beside the ONNX file.

    Either both are written whole, the card last, or nothing is. Raises MineHatError for what a person
    can mend and KeyboardInterrupt on Ctrl-C.
    """
    onnx, options = Path(onnx), options or BuildOptions()
    by_hand, card = card is not None, _card_of(onnx, card)
    library = builder_library(options.target)
    path = _engine_path(onnx, out, library)
    _check_room(path, onnx)
    with written_whole(card_beside(path)) as card_scratch, written_whole(path) as scratch:
        content, built = _build(onnx, path, card, options, library)
        if by_hand:
            built = _with_card_flag(built)
        scratch.write_bytes(content)
        card_scratch.write_text(built.card.to_json(), encoding="utf-8")
    return built


def _with_card_flag(built: Built) -> Built:
    """The engine's card serves as the model's when it is built again."""
    flags = (*built.card.build_flags, "--card", card_beside(built.path).name)
    return replace(built, card=replace(built.card, build_flags=flags))


def _card_of(onnx: Path, card: ModelCard | None) -> ModelCard:
    if not onnx.is_file():
        raise MineHatError(f"{onnx}: no such model file.")
    if onnx.suffix != ".onnx":
        raise MineHatError(f"{onnx} is not an .onnx file; engines are built from one.")
    check_symmetric(onnx)
    card = card or read_card(onnx)
    if card.precision == "int8-cpu":
        raise MineHatError(f"{onnx}: its card says int8-cpu; this is the CPU form. "
                           f"Build from {symmetric_name(onnx)}")
    return card.with_(parent_sha256=sha256_of(onnx))


def _engine_path(onnx: Path, out: str | Path | None, library: Library) -> Path:
    usual = f"{onnx.stem}.{library.slug}.engine"
    if out is None:
        return onnx.with_name(usual)
    path = Path(out)
    if path.is_dir():
        return path / usual
    if path.suffix != ".engine":
        raise MineHatError(f"-o {path}: an engine's name must end in .engine.")
    return path


def _check_room(path: Path, onnx: Path) -> None:
    """An engine is about as large as its ONNX file; better to know before the build than after."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    free, wanted = shutil.disk_usage(folder).free, onnx.stat().st_size
    if free < wanted:
        raise MineHatError(f"{folder} has {free / 1e6:.0f} MB free, the engine wants about "
                           f"{wanted / 1e6:.0f} MB. Free some room or name another place with -o.")


def _build(onnx: Path, path: Path, card: ModelCard, options: BuildOptions,
           library: Library) -> tuple[bytes, Built]:
    log = BuildLog()
    network = parsed(library, logger_for(library.trt, log), log, onnx)
    network.check(card)
    batch = _batch(network, options)
    config, capabilities = _config(library, network, card, options, batch)
    began = time.monotonic()
    content = _compile(library, network, config, log, path.name)
    seconds = round(time.monotonic() - began, 2)
    layers = [layer for layer in layers_from_table(log.table) if layer.inputs or layer.outputs]
    convolutions = tuple(convolutions_in(layers, network.convolution_names()))
    _check_required(onnx, options, convolutions)
    gpu = library.gpu if library.flavour == "tensorrt" else None
    engine_card = EngineCard(
        model=card, engine_sha256=hashlib.sha256(content).hexdigest(), engine_bytes=len(content),
        onnx=onnx.name, flavour=library.flavour, tensorrt_version=library.version,
        gpu=gpu.name if gpu else None, compute_capabilities=capabilities,
        cuda_version=gpu.cuda_version if gpu else None,
        build_flags=options.as_flags(library.flavour, batch), batch=batch,
        calibration=_calibration(onnx), build_seconds=seconds,
        precisions=counted(conv.precision for conv in convolutions))
    return content, Built(path, engine_card, convolutions, counted(layer.precision for layer in layers),
                          library, tuple(dict.fromkeys(log.warnings)))


def _calibration(onnx: Path) -> dict[str, Any]:
    text = read_metadata(onnx).get(CALIBRATION_KEY, "{}")
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return found if isinstance(found, dict) else {"set": found}


def _batch(network: Network, options: BuildOptions) -> tuple[int, int, int]:
    fixed = network.input.shape[0]
    if fixed == -1:
        return options.batch or USUAL_BATCH
    if options.batch not in (None, (fixed, fixed, fixed)):
        raise MineHatError(f"--batch: {network.onnx} has a fixed batch of {fixed}. Leave --batch away, or "
                           "export it with a dynamic batch: `python export/to_onnx.py`.")
    return fixed, fixed, fixed


def _config(library: Library, network: Network, card: ModelCard, options: BuildOptions,
            batch: Sequence[int]) -> tuple[Any, tuple[str, ...]]:
    """The builder's config, and the compute capabilities that it aims at."""
    trt = library.trt
    config = network.builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    capabilities = aim(library, config, options.sm)
    profile = network.builder.create_optimization_profile()
    profile.set_shape(network.input.name, *((n, 3, card.height, card.width) for n in batch))
    config.add_optimization_profile(profile)
    return config, capabilities


def _compile(library: Library, network: Network, config: Any, log: BuildLog, label: str) -> bytes:
    phases = Phases(label)
    config.progress_monitor = monitor_for(library.trt, phases)
    if sys.stderr is None or not sys.stderr.isatty():
        say(f"{label}: building with {library.title} ...")
    with interruptible(phases):
        content = network.builder.build_serialized_network(network.definition, config)
    if content is None:
        raise MineHatError(f"{library.title} cannot build {network.onnx}: {log.reason}.")
    return bytes(content)


def _check_required(onnx: Path, options: BuildOptions, convolutions: Sequence[Convolution]) -> None:
    wanted = options.require
    if wanted is None:
        return
    others = [conv for conv in convolutions if conv.runs_in != wanted]
    if not convolutions or any(conv.runs_in == UNKNOWN for conv in others):
        raise MineHatError(f"--require {wanted} cannot be proven: the builder's log does not show how "
                           f"{', '.join(conv.name for conv in others) or 'any convolution'} runs.")
    if others:
        raise MineHatError(f"--require {wanted}: {len(others)} of {len(convolutions)} convolutions of {onnx} run "
                           f"otherwise: {_named(others, convolutions)}. {_way_to(wanted, options)}")


def _named(others: Sequence[Convolution], convolutions: Sequence[Convolution]) -> str:
    if len(others) == len(convolutions):
        return "all in " + ", ".join(counted(conv.runs_in for conv in others))
    return ", ".join(f"{conv.name} ({conv.runs_in})" for conv in others)


def _way_to(wanted: str, options: BuildOptions) -> str:
    if wanted == "int8" and NO_INT8_SM in options.sm:
        return f"sm_{NO_INT8_SM} has no INT8 there and holds back the others: leave {NO_INT8_SM} out of --sm."
    return f"Give a file made by `python calib/quantize.py --precision {wanted}`, or build without --require."
