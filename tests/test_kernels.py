"""Do the kernels compile for every GPU that we serve, and does their arithmetic agree with the CPU's?"""

from __future__ import annotations

import ctypes
import importlib.util
import sys

import numpy as np
import pytest
from cuda_stub import host_kernels, over_stub
from minehat import MineHatError
from minehat.card import ModelCard
from minehat.cuda import open_device
from minehat.cuda.compiled import compiled
from minehat.cuda.letterbox import BLOCK, input_of, placed_of
from minehat.gpu import first_gpu
from minehat.letterbox import as_input, letterbox, place

SIZES = [(1, 1), (1, 7), (5, 3), (31, 97), (96, 64), (192, 128), (1080, 1920), (720, 1280), (2160, 3840), (900, 37),
         (3000, 2), (2, 3000)]
HEIGHT, WIDTH = 64, 96
CARD = ModelCard("tiny", ("helmet", "head"), HEIGHT, WIDTH)
HERE = [name for name, module in (("cuda-bindings", "cuda"), ("pycuda", "pycuda")) if importlib.util.find_spec(module)]


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def by_kernel(frames, card, dtype=np.float32, row_bytes=None):
    """The kernel's answer [N, 3, H, W] for [N, h, w, 3] frames, run on the host."""
    library = ctypes.CDLL(str(host_kernels()))
    count, height, width = frames.shape[:3]
    out = np.full((count, 3, card.height, card.width), 99, dtype)
    arguments = [np.array(value) for value in (
        np.uint64(frames.ctypes.data), np.uint64(frames.strides[0]), np.int32(row_bytes or frames.strides[1]),
        np.uint64(out.ctypes.data), np.int32(card.width), np.int32(card.height),
        placed_of(place(height, width, card.height, card.width)), input_of(card))]
    places = (ctypes.c_void_p * len(arguments))(*(value.ctypes.data for value in arguments))
    grid = (ctypes.c_uint * 3)(-(-card.width // BLOCK[0]), -(-card.height // BLOCK[1]), count)
    getattr(library, f"run_letterbox_{np.dtype(dtype)}")(grid, (ctypes.c_uint * 3)(*BLOCK), places)
    return out


def by_cpu(frame, card):
    return as_input(letterbox(frame, card.height, card.width, card.pad)[0], card)


@pytest.mark.parametrize("capability", ["7.5", "8.7", "8.9", "9.0", "11.0"])
def test_the_kernels_compile_for_every_gpu(capability):
    content = compiled("letterbox", capability)
    assert content.startswith(b"\x7fELF")
    assert b"letterbox_float32" in content and b"letterbox_float16" in content


def test_a_gpu_newer_than_the_compiler_gets_code_that_its_driver_finishes():
    content = compiled("letterbox", "99.0")
    assert b".visible .entry letterbox_float32" in content and content.endswith(b"\0")


def test_a_gpu_older_than_the_compiler_is_refused():
    with pytest.raises(MineHatError, match="does not know sm_50"):
        compiled("letterbox", "5.0")


def test_without_a_compiler_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.nvrtc", None)
    monkeypatch.setattr("minehat.cuda.compiled.shutil.which", lambda *_, **__: None)
    with pytest.raises(MineHatError, match="pip install 'cuda-bindings"):
        compiled("letterbox", "8.7")


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_letterbox_agrees_with_opencvs_within_a_level(height, width):
    frame = noise(height, width)
    assert np.abs(by_kernel(frame[None], CARD)[0] - by_cpu(frame, CARD)).max() <= 1 / 255


def test_a_plain_frame_and_its_bands_are_exact():
    frame = np.full((50, 20, 3), (10, 20, 30), np.uint8)
    assert np.abs(by_kernel(frame[None], CARD)[0] - by_cpu(frame, CARD)).max() < 1e-6


@pytest.mark.parametrize("change", [{"channel_order": "BGR"}, {"pad": 0}, {"mean": (1.0, 20.0, 100.0)},
                                    {"scale": (0.01, 0.02, 0.03)}])
def test_what_the_card_says_of_the_input_is_kept(change):
    card, frame = CARD.with_(**change), noise(120, 200)
    assert np.abs(by_kernel(frame[None], card)[0] - by_cpu(frame, card)).max() <= max(card.scale)


def test_half_precision_is_the_rounded_whole():
    frames = noise(77, 131)[None]
    assert (by_kernel(frames, CARD, np.float16) == by_kernel(frames, CARD).astype(np.float16)).all()


def test_each_frame_of_a_batch_has_its_own_place():
    frames = np.stack([noise(40, 70, seed) for seed in range(3)])
    for row, answer in enumerate(by_kernel(frames, CARD)):
        assert (answer == by_kernel(frames[row:row + 1], CARD)[0]).all()


def test_rows_may_lie_further_apart_than_they_are_long():
    wide = noise(40, 80)[None]
    cut = wide[:, :, :70]
    assert (by_kernel(cut, CARD) == by_kernel(np.ascontiguousarray(cut), CARD)).all()


@pytest.mark.parametrize("driver", HERE)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_kernel_gets_its_arguments_through_the_driver(tmp_path, driver, dtype):
    """Compiled, loaded and launched as on a GPU; the stub driver runs the same source on the host."""
    frames = np.stack([noise(108, 192, seed) for seed in range(2)])
    np.save(tmp_path / "frames.npy", frames)
    done = over_stub(f"""
import numpy as np
from minehat.card import ModelCard
from minehat.cuda import CudaArray, open_device
from minehat.cuda.letterbox import CudaLetterbox
card = ModelCard("tiny", ("helmet", "head"), {HEIGHT}, {WIDTH})
frames = np.load(sys.argv[1] + "/frames.npy")
with open_device() as device:
    stream = device.stream()
    there = device.memory(frames.nbytes)
    there.copy_in(frames, stream)
    answer = np.empty((2, 3, {HEIGHT}, {WIDTH}), "{dtype}")
    out = device.memory(answer.nbytes)
    kernel = CudaLetterbox(device, card)
    placement = kernel.launch(there.array(frames.shape, np.uint8), out.array(answer.shape, answer.dtype), stream)
    out.copy_out(answer, stream)
    stream.synchronize()
    kernel.close()
np.save(sys.argv[1] + "/answer.npy", answer)
print(placement.new_height, live())
""", tmp_path, MINEHAT_CUDA=driver)
    assert done.stdout.split(maxsplit=1) == [str(place(108, 192, HEIGHT, WIDTH).new_height), "{}\n"], done.stderr
    assert (np.load(tmp_path / "answer.npy") == by_kernel(frames, CARD, np.dtype(dtype))).all()


@pytest.mark.parametrize(("frames", "out", "words"), [
    (((1, 8, 8, 4), "uint8"), ((1, 3, HEIGHT, WIDTH), "float32"), "uint8 [N, h, w, 3]"),
    (((1, 8, 8, 3), "float32"), ((1, 3, HEIGHT, WIDTH), "float32"), "uint8 [N, h, w, 3]"),
    (((2, 8, 8, 3), "uint8"), ((1, 3, HEIGHT, WIDTH), "float32"), "[2, 3, 64, 96]"),
    (((1, 8, 8, 3), "uint8"), ((1, 3, HEIGHT, WIDTH), "float64"), "float32 or float16")])
def test_other_arrays_are_refused_before_the_gpu_sees_them(frames, out, words):
    done = over_stub(f"""
import numpy as np
from minehat import MineHatError
from minehat.card import ModelCard
from minehat.cuda import CudaArray, open_device
from minehat.cuda.letterbox import CudaLetterbox
with open_device() as device:
    kernel = CudaLetterbox(device, ModelCard("tiny", ("helmet",), {HEIGHT}, {WIDTH}))
    arrays = [CudaArray(4096, shape, np.dtype(kind)) for shape, kind in ({frames!r}, {out!r})]
    try:
        kernel.launch(*arrays, device.stream())
    except MineHatError as exc:
        print(exc)
assert "cuLaunchKernel" not in story()
""")
    assert words in done.stdout, done.stderr


@pytest.mark.gpu
def test_the_gpu_of_this_machine_takes_what_was_compiled():
    if first_gpu() is None:
        pytest.skip("no NVIDIA GPU answers here")
    with open_device() as device:
        device.module(compiled("letterbox", device.capability)).kernel("letterbox_float32")
