"""Kernels from their .cu sources to machine code: by NVRTC, or by nvcc where that is what the box has."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ..errors import MineHatError, missing

KERNELS = Path(__file__).parents[1] / "kernels"
_TOO_OLD = "compile it with a CUDA toolkit of this GPU's time (JetPack's own on a Jetson)"


def compiled(name: str, capability: str) -> bytes:
    """kernels/NAME.cu as a cubin for a compute capability ("8.7"), or as PTX for a GPU newer than the compiler.

    Raises MineHatError where there is no compiler or it does not know the GPU.
    """
    source = KERNELS / f"{name}.cu"
    sm = int(capability.replace(".", ""))
    nvrtc = _load_nvrtc()
    if nvrtc is not None:
        return _by_nvrtc(nvrtc, source, sm)
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if nvcc is not None:
        return _by_nvcc(nvcc, source, sm)
    raise missing("A compiler for CUDA kernels", "use the GPU",
                  "`pip install 'cuda-bindings>=12.6,<14' nvidia-cuda-nvrtc`, or put the CUDA toolkit's nvcc on PATH.")


def _load_nvrtc() -> Any:
    """cuda-bindings' NVRTC, or None where it or its library is not here."""
    try:
        nvrtc = importlib.import_module("cuda.bindings.nvrtc")
        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError):  # the latter for a library that is not found
        return None
    return nvrtc


def _by_nvrtc(nvrtc: Any, source: Path, sm: int) -> bytes:
    known = _asked(nvrtc, nvrtc.nvrtcGetSupportedArchs())
    if sm < min(known):
        raise MineHatError(f"NVRTC {_version(nvrtc)} does not know sm_{sm} any more: {_TOO_OLD}.")
    newest = max(number for number in known if number <= sm)
    machine = sm in known
    target = f"--gpu-architecture={'sm' if machine else 'compute'}_{newest}".encode()
    program = _asked(nvrtc, nvrtc.nvrtcCreateProgram(source.read_bytes(), source.name.encode(), 0, [], []))
    try:
        done, = nvrtc.nvrtcCompileProgram(program, 2, [target, b"--std=c++17"])
        if done:
            log = b" " * _asked(nvrtc, nvrtc.nvrtcGetProgramLogSize(program))
            nvrtc.nvrtcGetProgramLog(program, log)
            raise RuntimeError(f"{source.name} does not compile for sm_{sm}:\n{log.decode().rstrip(chr(0))}")
        take_size, take = ((nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN) if machine
                           else (nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX))
        content: bytes = b" " * _asked(nvrtc, take_size(program))  # which NVRTC then writes into
        _asked(nvrtc, take(program, content))
        return content
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _asked(nvrtc: Any, answer: tuple[Any, ...]) -> Any:
    code, *values = answer
    if code:
        raise RuntimeError(f"NVRTC {_version(nvrtc)}: {code.name}")
    return values[0] if values else None


def _version(nvrtc: Any) -> str:
    return ".".join(map(str, nvrtc.nvrtcVersion()[1:]))


def _by_nvcc(nvcc: str, source: Path, sm: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernel.cubin"
        run = subprocess.run([nvcc, "--cubin", f"-arch=sm_{sm}", "-std=c++17", "-o", str(out), str(source)],
                             capture_output=True, text=True, check=False)
        if run.returncode and "architecture" in run.stderr:
            raise MineHatError(f"{nvcc} does not know sm_{sm}: {_TOO_OLD}.")
        if run.returncode:
            raise RuntimeError(f"{source.name} does not compile for sm_{sm}:\n{run.stderr}")
        return out.read_bytes()
