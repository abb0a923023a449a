"""The builder's config: aims, batch, memory, how long to search; precision is the network's own business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..card import ModelCard
from .differences import aim
from .library import Library
from .memory import memory_here, usual_workspace
from .network import Network
from .options import BuildOptions

_TACTICS = {"edge-mask": "EDGE_MASK_CONVOLUTIONS", "jit": "JIT_CONVOLUTIONS"}


def configured(library: Library, network: Network, card: ModelCard, options: BuildOptions,
               batch: Sequence[int]) -> tuple[Any, tuple[str, ...]]:
    """The builder's config, and the compute capabilities ("8.6") that it aims at."""
    trt = library.trt
    config = network.builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_of(library, options))
    if options.opt_level is not None:
        config.builder_optimization_level = options.opt_level
    if options.tactics is not None:
        config.set_tactic_sources(_bits(trt, options.tactics))
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    capabilities = aim(library, config, options.sm)
    profile = network.builder.create_optimization_profile()
    profile.set_shape(network.input.name, *((n, 3, card.height, card.width) for n in batch))
    config.add_optimization_profile(profile)
    return config, capabilities


def workspace_of(library: Library, options: BuildOptions) -> int:
    """Bytes of GPU scratch memory that a layer may use."""
    return options.workspace or usual_workspace(library.shares_memory, memory_here())


def _bits(trt: Any, tactics: Sequence[str]) -> int:
    return sum(1 << int(getattr(trt.TacticSource, _TACTICS[name])) for name in tactics)
