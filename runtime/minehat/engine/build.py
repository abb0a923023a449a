"""From an ONNX file to an engine and its card: one path for TensorRT 10.3 to 11 and TensorRT-RTX.

The network is strongly typed: FP16 casts and INT8 scales in the file decide, no builder flag does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..answers import check_no_plugin
from ..card import ModelCard
from ..errors import MineHatError
from ..files import ready_file
from ..onnx_metadata import CALIBRATION_KEY, object_under, read_metadata
from ..progress import say
from .card import EngineCard, card_beside
from .config import configured, workspace_of
from .dla import aimed_at_core, one_batch, prepared
from .kept import keep, kept_engine, key_of, write_engine
from .layers import convolutions_in, layers_from_table
from .library import Library, builder_library
from .memory import memory_here, warning_of
from .network import Network, parsed
from .options import USUAL_BATCH, BuildOptions
from .required import check_required
from .source import Source, source_of
from .timing import timing_cache
from .watch import BuildLog, Heard, Phases, interruptible, logger_for, monitor_for


@dataclass(frozen=True)
class Built:
    """An engine on the disk."""

    path: Path
    card: EngineCard
    kept: bool  # it was built before, of the same file with the same options, and only fetched


def engine_from_onnx(onnx: str | Path, out: str | Path | None = None,
                     options: BuildOptions | None = None, card: ModelCard | None = None,
                     heard: Heard | None = None) -> Built:
    """Build an engine and its card beside it; `out` is a file, a folder, or None for beside the ONNX file.

    Either both are written whole, the card last, or nothing is. heard: told at each step, from whichever thread, the
    share that is done, 0 to 1, and the seconds that are left. Raises MineHatError for what a person can mend and
    KeyboardInterrupt on Ctrl-C.
    """
    onnx, options = Path(onnx), options or BuildOptions()
    source = source_of(onnx, card, options)
    library = builder_library(options.target)
    if library.flavour == "rtx":
        check_no_plugin(source.card, onnx, library.title)
    if options.dla is not None:
        source = prepared(source, library)
    path = _engine_path(onnx, out, library)
    _check_room(path, onnx)
    key = _key(source, library, options)
    found = kept_engine(key) if options.keep and options.timing_cache is None else None  # else no timings were kept
    engine, engine_card = found or _build(source, path, options, library, heard)
    engine_card = _of_this_build(engine_card, source, options, path)
    check_required(onnx, options, engine_card.convolutions)
    write_engine(path, engine, engine_card)
    if options.keep and not found:
        keep(key, engine, engine_card)
    return Built(path, engine_card, found is not None)


def _key(source: Source, library: Library, options: BuildOptions) -> str:
    """All that decides what the engine becomes. Where the file lies and what is required of it do not."""
    gpu = library.gpu if library.flavour == "tensorrt" else None
    table = hashlib.sha256(source.table).hexdigest() if source.table is not None else None
    return key_of({"network": source.sha256, "table": table, "card": source.card.to_json(), "library": library.title,
                   "gpu": [gpu.name, gpu.capability, gpu.cuda_version] if gpu else None,
                   "batch": options.batch, "sm": options.sm, "workspace": options.workspace,
                   "opt_level": options.opt_level, "tactics": options.tactics, "tf32": options.tf32,
                   "dla": options.dla})


def _of_this_build(card: EngineCard, source: Source, options: BuildOptions, path: Path) -> EngineCard:
    """The card with this file's name and these flags; a card given by hand serves again when it is built again."""
    flags = options.as_flags(card.flavour, card.batch)
    if source.card_by_hand:
        flags = (*flags, "--card", card_beside(path).name)
    return replace(card, onnx=source.onnx.name, build_flags=flags)


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
    if any(os.path.realpath(made) == os.path.realpath(onnx) for made in (path, card_beside(path))):
        raise MineHatError(f"-o {path} is a link to the model, {onnx}, and would take its place. Name another file.")
    ready_file(path)
    ready_file(card_beside(path))
    free, wanted = shutil.disk_usage(path.absolute().parent).free, onnx.stat().st_size
    if free < wanted:
        raise MineHatError(f"{path.absolute().parent} has {free / 1e6:.0f} MB free, the engine wants about "
                           f"{wanted / 1e6:.0f} MB. Free some room or name another place with -o.")


def _build(source: Source, path: Path, options: BuildOptions, library: Library,
           heard: Heard | None) -> tuple[bytes, EngineCard]:
    phases = Phases(path.name, heard=heard)
    with interruptible(phases):
        return _parsed_and_built(source, options, library, phases)


def _parsed_and_built(source: Source, options: BuildOptions, library: Library,
                      phases: Phases) -> tuple[bytes, EngineCard]:
    log = BuildLog()
    network = parsed(library, logger_for(library.trt, log), log, source)
    network.check(source.card)
    batch = _batch(network, options)
    config, capabilities = configured(library, network, source.card, options, batch)
    dla = {} if options.dla is None else aimed_at_core(library, network, config, source, log, options.dla)
    began = time.monotonic()
    content = _compile(library, network, config, log, options, phases)
    seconds = round(time.monotonic() - began, 2)
    layers = tuple(layer for layer in layers_from_table(log.table) if layer.inputs or layer.outputs)
    gpu = library.gpu if library.flavour == "tensorrt" else None
    return content, EngineCard(
        model=source.card, engine_sha256=hashlib.sha256(content).hexdigest(), engine_bytes=len(content),
        onnx=source.onnx.name, flavour=library.flavour, tensorrt_version=library.version,
        gpu=gpu.name if gpu else None, compute_capabilities=capabilities,
        cuda_version=gpu.cuda_version if gpu else None, build_flags=(), batch=batch,
        calibration=object_under(CALIBRATION_KEY, read_metadata(source.onnx)), build_seconds=seconds,
        convolutions=tuple(convolutions_in(layers, network.convolution_names())), layers=layers,
        warnings=tuple(dict.fromkeys(log.warnings)), dla=dla)


def _batch(network: Network, options: BuildOptions) -> tuple[int, int, int]:
    fixed = network.input.shape[0]
    if fixed == -1:
        return (options.batch or USUAL_BATCH) if options.dla is None else one_batch(options.batch)
    if options.batch not in (None, (fixed, fixed, fixed)):
        raise MineHatError(f"--batch: {network.onnx} has a fixed batch of {fixed}. Leave --batch away, or "
                           "export it with a dynamic batch: `python export/to_onnx.py`.")
    return fixed, fixed, fixed


def _compile(library: Library, network: Network, config: Any, log: BuildLog, options: BuildOptions,
             phases: Phases) -> bytes:
    timings = timing_cache(library, config, options.timing_cache)
    phases.at_step = timings.tick if timings else None
    config.progress_monitor = monitor_for(library.trt, phases)
    if sys.stderr is None or not sys.stderr.isatty():
        say(f"{phases.label}: building with {library.title} ...")
    _warn_of_memory(library, network, options)
    try:
        content = network.builder.build_serialized_network(network.definition, config)
    finally:
        if timings:
            timings.save()
    if content is None:
        raise MineHatError(f"{library.title} cannot build {network.onnx}: {log.reason}.{_memory_cure(log)}")
    return bytes(content)


def _warn_of_memory(library: Library, network: Network, options: BuildOptions) -> None:
    size, workspace = network.onnx.stat().st_size, workspace_of(library, options)
    warning = warning_of(library.shares_memory, memory_here(), size, workspace)
    if warning:
        say(f"note: {warning}")


def _memory_cure(log: BuildLog) -> str:
    return " Close other programs, or give a smaller --batch, --workspace and --opt-level." if log.ran_out else ""
