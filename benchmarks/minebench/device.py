"""What a machine can do at most: arithmetic by data type, and bytes to and from memory.

A processor is asked: a plain matrix product and a copy, with as many threads as the models have. Of a GPU the
maker's figures are taken, without sparsity.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from minehat.backends.ort import cores
from minehat.gpu import first_gpu
from minehat.guests import load_onnx, load_onnxruntime
from minehat.machine import cpu_name

SIDE, COPIED, TIMES = 1024, 1 << 28, 30  # of the matrices; bytes of each copy; tries, of which the fastest counts


@dataclass(frozen=True)
class Peaks:
    """The roof of a device."""

    name: str
    how: str  # where the figures come from, for people
    gops: dict[str, float]  # 10**9 operations a second by data type
    gb_per_s: float  # 10**9 bytes a second, read and written

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# Dense tensor-core figures of the data sheets: FP32 outside the tensor cores, FP16 and INT8 inside, GB/s.
_PUBLISHED = {
    "H200": (66_900, 989_400, 1_978_900, 4800), "H100 PCIe": (51_200, 756_500, 1_513_000, 2039),
    "H100": (66_900, 989_400, 1_978_900, 3352), "A100": (19_500, 312_000, 624_000, 1555),
    "L4": (30_300, 121_000, 242_500, 300), "T4": (8_100, 65_000, 130_000, 320),
    "RTX 4090": (82_600, 330_300, 660_600, 1008), "RTX 3060 Ti": (16_200, 64_800, 129_600, 448),
    "AGX Orin": (5_300, 42_500, 85_000, 204.8), "Orin NX": (1_900, 15_000, 30_000, 102.4),
    "Orin Nano": (1_280, 10_000, 20_000, 68),
}


def gpu_peaks() -> Peaks | None:
    """Of the first GPU; None where there is none or its figures are not in our table."""
    gpu = first_gpu()
    if gpu is None:
        return None
    called = cpu_name() if gpu.name == "Orin" else gpu.name  # every Orin says so; its board says which
    known = next((name for name in _PUBLISHED if name in called), None)
    if known is None:
        return None
    fp32, fp16, int8, bandwidth = _PUBLISHED[known]
    return Peaks(called, "the maker's figures, without sparsity", {"fp32": fp32, "fp16": fp16, "int8": int8}, bandwidth)


def cpu_peaks(threads: int | None) -> Peaks:
    """Of this processor, measured. Raises MineHatError where the onnx package is missing."""
    threads = threads or cores()
    teams = {1, threads}  # on a busy machine one alone may do more
    gops = {"fp32": max(_matmul_gops("MatMul", np.float32, np.float32, team) for team in teams),
            "int8": max(_matmul_gops("MatMulInteger", np.uint8, np.int8, team) for team in teams)}
    told = f"measured with {threads} thread{'s' if threads > 1 else ''}: products of {SIDE}x{SIDE} matrices, a copy"
    return Peaks(cpu_name(), told, gops, _copy_gb_per_s(threads))


def _matmul_gops(operator: str, left: type, right: type, threads: int) -> float:
    """10**9 operations a second of ONNX Runtime's own product, the second matrix a constant as weights are."""
    onnxruntime = load_onnxruntime("measure it")
    onnx = load_onnx("measure what the processor can do")
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 100, (SIDE, SIDE)).astype(kind) for kind in (left, right))
    helper = onnx.helper
    types = [helper.np_dtype_to_tensor_dtype(np.dtype(kind)) for kind in (left, np.int32 if left is np.uint8 else left)]
    graph = helper.make_graph([helper.make_node(operator, ["a", "b"], ["c"])], "product",
                              [helper.make_tensor_value_info("a", types[0], [SIDE, SIDE])],
                              [helper.make_tensor_value_info("c", types[1], [SIDE, SIDE])],
                              [onnx.numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return round(2 * SIDE**3 / _fastest(lambda: session.run(None, {"a": a})) / 1e9, 1)


def _copy_gb_per_s(threads: int) -> float:
    """Bytes read and bytes written, each counted once."""
    source = np.ones(COPIED, np.uint8)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as team:
        fastest = _fastest(lambda: list(team.map(lambda part: np.copyto(*part), parts)))
    return round(2 * COPIED / fastest / 1e9, 1)


def _fastest(work: Callable[[], Any]) -> float:
    """Seconds of the fastest try: on a busy machine the one that was disturbed least."""
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return min(took)
