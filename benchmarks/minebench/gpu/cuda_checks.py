"""Memory, streams, graphs and kernels through one driver of minehat.cuda."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.card import ModelCard
from minehat.cuda import CudaArray, CudaError, CudaLost, Device, Stream, cuda_array_of, load_driver, open_device
from minehat.cuda.letterbox import DTYPES, CudaLetterbox
from minehat.cuda.suppression import CudaSuppression
from minehat.detections import suppress
from minehat.errors import MineHatError
from minehat.letterbox import as_input, letterbox

from .outcome import NotRun, expect
from .timing import TIMES, device_ms, gb_per_s, host_ms

Array = npt.NDArray[Any]
CARD = ModelCard("check", ("helmet", "head"), 416, 416)
SIZES = ((1, 1), (1, 7), (5, 3), (31, 97), (720, 1280), (1080, 1920), (2160, 3840), (3000, 2))  # frames, h and w
LEVEL = 1 / 255 + 1e-6
COPIED = 64 << 20  # bytes of the timed copies
BOXES, CONF, IOU = 7098, 0.25, 0.5


@contextmanager
def _opened(driver: str) -> Iterator[tuple[Device, Stream]]:
    with open_device(load_driver(driver)) as device:
        yield device, device.stream()


def memory(driver: str) -> dict[str, Any]:
    """What goes in comes out; too much is refused and harms nothing."""
    given = np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8)
    with _opened(driver) as (device, stream):
        free, total = device.memory_info()
        one, other = device.memory(given.nbytes), device.memory(given.nbytes)
        one.copy_in(given, stream)
        other.fill(0, stream)
        other.copy_from(one, given.nbytes // 2, stream)
        seen = np.empty_like(given)
        other.copy_out(seen, stream)
        stream.synchronize()
        half = given.nbytes // 2
        expect(bool((seen[:half] == given[:half]).all() and not seen[half:].any()), "copies came back altered")
        try:
            device.memory(4 * total)
        except MineHatError:
            pass
        else:
            raise AssertionError("four times the GPU's memory was granted")
        device.memory(1 << 20).fill(1, stream)
        stream.synchronize()
    return {"free_mb": free >> 20, "total_mb": total >> 20}


def pinned(driver: str, times: int = 20) -> dict[str, Any]:
    """Copies from page-locked memory against ordinary memory."""
    with _opened(driver) as (device, stream):
        there, locked = device.memory(COPIED), device.pinned(COPIED).array((COPIED,), np.uint8)
        ordinary = np.empty(COPIED, np.uint8)
        ordinary[:] = locked[:] = 1
        ms = {}
        for name, here in (("pinned", locked), ("pageable", ordinary)):
            for way, copy in (("in", there.copy_in), ("out", there.copy_out)):
                ms[f"{name}_{way}"] = device_ms(device, stream, lambda copy=copy, here=here: copy(here, stream), times)
    return {f"{name}_gb_per_s": gb_per_s(COPIED, took) for name, took in ms.items()}


def mapped(driver: str) -> dict[str, Any]:
    """A kernel reads frames and writes squares where they lie in the host's memory."""
    frames = _noise(2, 120, 160)
    with _opened(driver) as (device, stream):
        here, out = device.pinned(frames.nbytes, mapped=True), device.pinned(2 * _square_bytes(4), mapped=True)
        here.array(frames.shape, np.uint8)[...] = frames
        shape = (2, 3, CARD.height, CARD.width)
        CudaLetterbox(device, CARD).launch(
            CudaArray(here.device_address, frames.shape, np.dtype(np.uint8), here),
            CudaArray(out.device_address, shape, np.dtype(np.float32), out), stream)
        stream.synchronize()
        worst = _worst(out.array(shape, np.float32), frames)
    expect(worst <= LEVEL, f"squares differ by up to {255 * worst:.3f} of 255")
    return {"difference": worst}


def streams(driver: str) -> dict[str, Any]:
    """Work of one stream waits for another's where it is told to, and events tell the time."""
    with _opened(driver) as (device, first), device.stream() as second:
        start, end, shared = device.event(), device.event(), device.memory(COPIED)
        seen = np.zeros(16, np.uint8)
        start.record(first)
        for value in range(50):
            shared.fill(value, first)
        end.record(first)
        second.wait(end)
        shared.copy_out(seen, second)
        second.synchronize()
        took = end.ms_since(start)
    expect(bool((seen == 49).all()), "the second stream did not wait for the first")
    expect(took > 0, f"50 fills took {took} ms")
    return {"fill_gb_per_s": gb_per_s(50 * COPIED, took)}


def graphs(driver: str, times: int = TIMES) -> dict[str, Any]:
    """A graph does what was noted down, and costs less of the host than putting each piece on the stream."""
    frames = _noise(1, 120, 160)
    with _opened(driver) as (device, stream):
        kernel, there = CudaLetterbox(device, CARD), device.memory(frames.nbytes)
        out, here = device.memory(_square_bytes(4)), device.pinned(frames.nbytes).array(frames.shape, np.uint8)
        here[...] = frames
        shape = (1, 3, CARD.height, CARD.width)

        def work() -> None:
            there.copy_in(here, stream)
            for _ in range(10):
                kernel.launch(there.array(frames.shape, np.uint8), out.array(shape, np.float32), stream)

        out.fill(0, stream)
        graph = device.graph(stream, work)
        answer = np.empty(shape, np.float32)
        out.copy_out(answer, stream)
        stream.synchronize()
        expect(not answer.any(), "work was done while it was noted down")
        graph.launch(stream)
        out.copy_out(answer, stream)
        stream.synchronize()
        worst = _worst(answer, frames)
        expect(worst <= LEVEL, f"squares differ by up to {255 * worst:.3f} of 255")

        def finished(put: Any) -> None:
            put()
            stream.synchronize()

        plain = host_ms(lambda: finished(work), times)
        once = host_ms(lambda: finished(lambda: graph.launch(stream)), times)
    return {"plain_ms": plain, "graph_ms": once, "gain": round(plain["p50"] / max(once["p50"], 1e-9), 2)}


def kernel(driver: str) -> dict[str, Any]:
    """The letterbox, compiled here, against OpenCV's; FP32 and FP16."""
    worst = {}
    with _opened(driver) as (device, stream):
        kernel = CudaLetterbox(device, CARD)
        for height, width in SIZES:
            frames = _noise(2, height, width)
            for dtype in DTYPES:
                answer = _squares(device, stream, kernel, frames, dtype)
                worst[f"{width}x{height} {dtype}"] = _worst(answer / np.float32(255) if dtype == np.uint8 else answer,
                                                            frames)
        capability = device.capability
    name, most = max(worst.items(), key=lambda item: item[1])
    expect(most <= LEVEL + 2**-11, f"squares of {name} differ by up to {255 * most:.3f} of 255")
    return {"capability": capability, "differences": worst}


def suppression(driver: str, cases: int = 200, times: int = TIMES) -> dict[str, Any]:
    """The kernels keep what minehat.detections keeps, box for box; as many boxes as the shipped networks give."""
    random, figures = np.random.default_rng(0), {}
    with _opened(driver) as (device, stream):
        boxes, scores = device.memory(BOXES * 4 * 4), device.memory(BOXES * 2 * 4)
        kernels = CudaSuppression(device, 1, BOXES, 2)
        here = device.pinned(kernels.answer_bytes(1))
        for case in range(cases):
            given = _crowd(random, candidates := int(random.integers(0, 1025)))
            boxes.copy_in(given[0], stream)
            scores.copy_in(given[1], stream)
            kernels.launch(boxes.address, scores.address, 1, CONF, IOU, here, stream)
            stream.synchronize()
            kept, wanted = kernels.kept(here, 1), suppress(*given, CONF, IOU)
            count = int(kept.rows[0])
            expect(kept.whole and int(kept.counts[0]) == candidates, f"{kept.counts[0]} of {candidates} candidates")
            expect(count == len(wanted) and bool((kept.boxes[0, :count] == wanted.boxes).all()),
                   f"case {case}, {candidates} candidates: {count} kept on the GPU, {len(wanted)} on the host")
        for candidates in (20, 300):
            given = _crowd(random, candidates)
            boxes.copy_in(given[0], stream)
            scores.copy_in(given[1], stream)
            figures[f"us_of_{candidates}"] = round(1000 * device_ms(device, stream, lambda: kernels.launch(
                boxes.address, scores.address, 1, CONF, IOU, here, stream), times), 2)
    return {"cases": cases, **figures}


def _crowd(random: np.random.Generator, candidates: int) -> tuple[Array, Array]:
    """Boxes [BOXES, 4] and scores [BOXES, 2], of which so many reach CONF; scores have few values, so that they tie."""
    corners = random.uniform(0, 300, (BOXES, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 120, (BOXES, 2))], 1).astype(np.float32)
    scores = random.uniform(0, 0.9 * CONF, (BOXES, 2))
    rows = random.permutation(BOXES)[:candidates]
    scores[rows, random.integers(0, 2, candidates)] = random.integers(30, 100, candidates) / 100
    return boxes, scores.astype(np.float32)


def bandwidth(driver: str, batch: int = 64, times: int = 50) -> dict[str, Any]:
    """The letterbox on 1080p frames, more than the L2 cache holds, against a copy of the same bytes on the GPU."""
    frames = np.repeat(_noise(1, 1080, 1920), batch, axis=0)
    figures: dict[str, Any] = {"frames": batch}
    with _opened(driver) as (device, stream):
        kernel, there = CudaLetterbox(device, CARD), device.memory(frames.nbytes)
        there.copy_in(frames, stream)
        given = there.array(frames.shape, np.uint8)
        for dtype in (np.float32, np.float16):
            shape = (batch, 3, CARD.height, CARD.width)
            out = device.memory(batch * _square_bytes(np.dtype(dtype).itemsize))
            made = out.array(shape, dtype)
            placement = kernel.launch(given, made, stream)
            rows = 2 * placement.new_height * 3 * 1920 * batch  # bytes of the two rows that each row of a square needs
            moved = min(rows, frames.nbytes) + made.nbytes
            copy = device.memory(moved // 2), device.memory(moved // 2)
            letterbox_ms = device_ms(device, stream, lambda made=made: kernel.launch(given, made, stream), times)
            copy_ms = device_ms(device, stream, lambda copy=copy, size=moved // 2:
                                copy[0].copy_from(copy[1], size, stream), times)
            figures[str(np.dtype(dtype))] = {
                "ms": round(letterbox_ms, 4), "us_a_frame": round(1000 * letterbox_ms / batch, 2),
                "gb_per_s": gb_per_s(moved, letterbox_ms), "copy_gb_per_s": gb_per_s(moved, copy_ms),
                "share_of_copy": round(copy_ms / max(letterbox_ms, 1e-9), 3)}
            for part in (*copy, out):
                part.close()
    return figures


def lost(driver: str) -> dict[str, Any]:
    """A kernel that reads where nothing is: told as CudaLost, by every later call too, and closing goes through."""
    nowhere = CudaArray(1 << 46, (1, 64, 64, 3), np.dtype(np.uint8))
    told = 0
    with _opened(driver) as (device, stream):
        out = device.memory(_square_bytes(4)).array((1, 3, CARD.height, CARD.width), np.float32)
        for attempt in range(2):
            try:
                if not attempt:
                    CudaLetterbox(device, CARD).launch(nowhere, out, stream)
                stream.synchronize()
            except CudaLost:
                told += 1
            except CudaError as exc:
                raise AssertionError(f"it was told as an ordinary error: {exc}") from exc
        expect(told == 2 and device.driver.lost, f"{told} of 2 calls told that the GPU is lost")
    return {}


def interface(driver: str, library: str) -> dict[str, Any]:
    """Arrays go to CuPy or PyTorch and come from it without a copy."""
    if not importlib.util.find_spec(library):
        raise NotRun(f"{library} is not installed")
    theirs = importlib.import_module(library)
    if library == "torch" and theirs.version.cuda is None:
        raise NotRun(f"torch {theirs.__version__} is the CPU's")
    given = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    with _opened(driver) as (device, stream):
        there = device.memory(given.nbytes)
        there.copy_in(given, stream)
        stream.synchronize()
        ours = there.array(given.shape, np.float32)
        seen = theirs.as_tensor(ours, device="cuda") if library == "torch" else theirs.asarray(ours)
        back = seen.cpu().numpy() if library == "torch" else theirs.asnumpy(seen)
        expect(bool((back == given).all()), f"{library} reads other values")
        address = cuda_array_of(seen).address
        expect(address == there.address, f"{library} copied the array")
    return {"version": str(theirs.__version__)}


def _noise(count: int, height: int, width: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def _square_bytes(itemsize: int) -> int:
    return 3 * CARD.height * CARD.width * itemsize


def _squares(device: Device, stream: Stream, kernel: CudaLetterbox, frames: Array, dtype: np.dtype[Any]) -> Array:
    answer = np.empty((len(frames), 3, CARD.height, CARD.width), dtype)
    with device.memory(frames.nbytes) as there, device.memory(answer.nbytes) as out:
        there.copy_in(frames, stream)
        kernel.launch(there.array(frames.shape, np.uint8), out.array(answer.shape, dtype), stream)
        out.copy_out(answer, stream)
        stream.synchronize()
    return answer


def _worst(answer: Array, frames: Array) -> float:
    """The largest difference to the letterbox on the CPU."""
    wanted = np.stack([as_input(letterbox(frame, CARD.height, CARD.width, CARD.pad)[0], CARD) for frame in frames])
    return float(np.abs(answer.astype(np.float32) - wanted).max())
