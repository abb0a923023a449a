"""ONNX Runtime's session over an ONNX file, on the CPU or a GPU, and nowhere else than was asked for.

The GPU's are unverified: only their refusals were run.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from pathlib import Path
from typing import Any

from ..card import ModelCard
from ..errors import MineHatError, Missing
from ..guests import load_onnxruntime

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS = {"ort": CPU, "ort-cuda": CUDA, "ort-tensorrt": TENSORRT}  # by backend's name


def open_session(path: Path, card: ModelCard, threads: int, backend: str) -> Any:
    """An onnxruntime.InferenceSession. Raises MineHatError where it cannot be had on that backend's device.

    threads: for operators on the CPU.
    """
    ort = load_onnxruntime("run .onnx models")
    provider = PROVIDERS[backend]
    options = _options(ort, card, threads)
    if provider != CPU:
        _check_provider(ort, card, path, backend)
        # Without it, what the GPU's provider cannot run goes to the CPU in silence, and so does all where CUDA fails.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a provider failed is found below, and told once
            session = ort.InferenceSession(str(path), options, providers=_providers(provider, card), enable_fallback=0)
    except Exception as exc:  # its own kinds, one for each status, share no base of their own
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise MineHatError(f"{path} cannot be loaded by ONNX Runtime {ort.__version__} ({reason}).{_cure(provider)}"
                           ) from exc
    if session.get_providers()[0] != provider:
        raise MineHatError(f"--backend {backend}: ONNX Runtime {ort.__version__} could not start its {provider}, and "
                           f"took {session.get_providers()[0]}.{_cure(provider)}")
    return session


def _options(ort: Any, card: ModelCard, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # what goes wrong is raised as well; its log would be a second voice
    # Threads that spin while they wait cost a third of the wall time on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if card.precision == "int8+fp16":  # made for TensorRT; some kernels that pairs become here take no FP16 scales
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options


def _providers(provider: str, card: ModelCard) -> list[Any]:
    """What TensorRT does not take goes to CUDA; without trt_int8_enable it reads no Q/DQ pairs."""
    if provider != TENSORRT:
        return [provider]
    return [(TENSORRT, {"trt_int8_enable": card.precision == "int8"}), CUDA]


def _check_provider(ort: Any, card: ModelCard, path: Path, backend: str) -> None:
    """Raise Missing where this ONNX Runtime has no such provider, MineHatError where the file is not for it."""
    if PROVIDERS[backend] not in ort.get_available_providers():
        raise Missing(f"--backend {backend} wants ONNX Runtime for GPUs, found {ort.__version__} without "
                      f"{PROVIDERS[backend]}. In an environment without onnxruntime: `pip install 'minehat[gpu]'`.")
    if card.precision == "int8-cpu":
        raise MineHatError(f"{path} is the CPU form, and --backend {backend} runs on a GPU. Give the form for TensorRT "
                           "(helmet.int8.onnx), or --backend ort.")
    if backend == "ort-tensorrt" and "fp16" in card.precision:
        raise MineHatError(f"{path} has FP16 inside, and ONNX Runtime would let TensorRT take FP16 for decode, too. "
                           f"Take --backend ort-cuda, or build an engine: `minehat build {path}`")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it lacks, which may never be missed
        getattr(ort, "preload_dlls", str)()  # CUDA and cuDNN, where pip put them; from 1.21 on
    if backend == "ort-tensorrt":
        _load_tensorrt()


def _load_tensorrt() -> None:
    """ONNX Runtime's provider links to TensorRT by name; the wheel's own loader finds it where pip put it."""
    try:
        importlib.import_module("tensorrt")
    except ModuleNotFoundError:
        return  # it may be the system's


def _cure(provider: str) -> str:
    return "" if provider == CPU else (" It wants a driver (`nvidia-smi` tells of it), CUDA and cuDNN (`pip install "
                                       "'minehat[gpu]'` brings them), and a graph that it can run whole.")
