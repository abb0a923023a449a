"""Do the kernels compile for every GPU that we serve, and does their arithmetic agree with the CPU's?"""

from __future__ import annotations

import ctypes
import importlib.util
import sys

import cv2
import numpy as np
import pytest
from cuda_stub import host_kernels, over_stub
from minehat import MineHatError
from minehat.card import ModelCard
from minehat.cuda import open_device
from minehat.cuda.compiled import compiled
from minehat.cuda.letterbox import BLOCK, colours_of, input_of, placed_of
from minehat.cuda.lying import MATRICES, Nv12, rows_of
from minehat.gpu import first_gpu
from minehat.letterbox import as_input, letterbox, place

SIZES = [(1, 1), (1, 7), (5, 3), (31, 97), (96, 64), (192, 128), (1080, 1920), (720, 1280), (2160, 3840), (900, 37),
         (3000, 2), (2, 3000)]
HEIGHT, WIDTH = 64, 96
CARD = ModelCard("tiny", ("helmet", "head"), HEIGHT, WIDTH)
HERE = [name for name, module in (("cuda-bindings", "cuda"), ("pycuda", "pycuda")) if importlib.util.find_spec(module)]


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def by_kernel(frames, card, dtype=np.float32, row_bytes=None, placement=None):
    """The kernel's answer [N, 3, H, W] for [N, h, w, 3] frames, run on the host; placement: rows come in pairs."""
    count, height, width = frames.shape[:3]
    placed = placement or place(height, width, card.height, card.width)
    how = np.int32(row_bytes or frames.strides[1]), np.int32(placement is not None)
    return launched("", frames, card, dtype, how, placed, count)


def by_nv12_kernel(pixels, card, matrix="bt601", dtype=np.float32):
    """The same for [N, h * 3 / 2, w] NV12."""
    count, height, width = len(pixels), pixels.shape[1] * 2 // 3, pixels.shape[2]
    return launched("nv12_", pixels, card, dtype, (np.int32(width), np.uint64(height * width)),
                    place(height, width, card.height, card.width), count, colours_of(matrix))


def launched(kind, frames, card, dtype, how, placement, count, *last):
    library, out = ctypes.CDLL(str(host_kernels())), np.full((count, 3, card.height, card.width), 99, dtype)
    arguments = [np.array(value) for value in (
        np.uint64(frames.ctypes.data), np.uint64(frames.strides[0]), *how, np.uint64(out.ctypes.data),
        np.int32(card.width), np.int32(card.height), placed_of(placement), input_of(card, np.dtype(dtype)), *last)]
    places = (ctypes.c_void_p * len(arguments))(*(value.ctypes.data for value in arguments))
    grid = (ctypes.c_uint * 3)(-(-card.width // BLOCK[0]), -(-card.height // BLOCK[1]), count)
    getattr(library, f"run_letterbox_{kind}{np.dtype(dtype)}")(grid, (ctypes.c_uint * 3)(*BLOCK), places)
    return out


def by_cpu(frame, card):
    return as_input(letterbox(frame, card.height, card.width, card.pad)[0], card)


@pytest.mark.parametrize("capability", ["7.5", "8.7", "8.9", "9.0", "11.0"])
def test_the_kernels_compile_for_every_gpu(capability):
    content = compiled("letterbox", capability)
    assert content.startswith(b"\x7fELF")
    assert all(f"letterbox_{kind}{number}".encode() in content for kind in ("", "nv12_")
               for number in ("float32", "float16", "uint8"))


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


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_planes_of_pixels_are_the_rounded_whole(order):
    """The card's mean and scale are in the graph then."""
    card = CARD.with_(channel_order=order, input_dtype="uint8", mean=(9.0, 8.0, 7.0))
    frame = noise(77, 131)
    answer = by_kernel(frame[None], card, np.uint8)[0]
    assert np.abs(answer.astype(int) - by_cpu(frame, card)).max() <= 1
    exact = by_kernel(frame[None], CARD.with_(channel_order=order, scale=(1.0, 1.0, 1.0)))[0]
    assert (answer == np.floor(exact + np.float32(0.5))).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_rows_that_it_reads_are_enough(height, width):
    placement, frame = place(height, width, HEIGHT, WIDTH), noise(height, width)
    rows = rows_of(placement)
    if rows is None:
        assert 2 * placement.new_height >= height
        return
    assert len(rows) < height
    packed = frame[rows][None]
    assert (by_kernel(packed, CARD, placement=placement) == by_kernel(frame[None], CARD)).all()


def nv12_noise(height, width, seed=0, low=16, high=236):
    """Blocks of four by four of one chroma, so that chroma has edges but luma is noise."""
    random = np.random.default_rng(seed)
    pixels = random.integers(low, high, (height * 3 // 2, width), np.uint8)
    chroma = random.integers(low, high, (-(-height // 4), -(-width // 4), 2), np.uint8)
    pixels[height:] = chroma.repeat(2, 0).repeat(2, 1)[:height // 2, :width // 2].reshape(height // 2, width)
    return pixels


@pytest.mark.parametrize(("height", "width"), [(2, 2), (30, 98), (96, 64), (1080, 1920), (900, 38)])
@pytest.mark.parametrize(("low", "high"), [(16, 236), (0, 256)])
def test_nv12_agrees_with_opencvs_conversion_within_two_levels(height, width, low, high):
    """OpenCV rounds to whole levels once in the conversion and once in the resize; the kernel never."""
    pixels = nv12_noise(height, width, low=low, high=high)
    frame = cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_NV12)
    difference = np.abs(by_nv12_kernel(pixels[None], CARD)[0] - by_cpu(frame, CARD))
    assert difference.max() <= 2 / 255


@pytest.mark.parametrize("matrix", list(MATRICES))
def test_nv12_of_known_colours_gives_them_back(matrix):
    """By the standards' own definition of the limited range: R, G, B -> Y', Cb, Cr, rounded."""
    red, blue = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}[matrix]
    for colour in ((255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 160, 30), (200, 20, 120)):
        r, g, b = np.array(colour) / 255
        y = red * r + (1 - red - blue) * g + blue * b
        levels = 16 + 219 * y, 128 + 112 * (b - y) / (1 - blue), 128 + 112 * (r - y) / (1 - red)
        pixels = np.full((96, 96), round(levels[0]), np.uint8)
        pixels[64:] = np.tile(np.round(levels[1:]).astype(np.uint8), (32, 48))
        answer = by_nv12_kernel(pixels[None], CARD, matrix)[0]
        inside = answer[:, 32, 48] * 255
        assert np.abs(inside - colour).max() <= 2  # of rounding to whole Y', Cb and Cr


def test_each_nv12_frame_of_a_batch_has_its_own_place():
    frames = np.stack([nv12_noise(40, 70, seed) for seed in range(3)])
    for row, answer in enumerate(by_nv12_kernel(frames, CARD)):
        assert (answer == by_nv12_kernel(frames[row:row + 1], CARD)[0]).all()


def test_another_matrix_is_refused():
    with pytest.raises(MineHatError, match="bt601, bt709, found 'bt2020'"):
        Nv12(nv12_noise(4, 4), "bt2020")


def test_each_frame_of_a_batch_has_its_own_place():
    frames = np.stack([noise(40, 70, seed) for seed in range(3)])
    for row, answer in enumerate(by_kernel(frames, CARD)):
        assert (answer == by_kernel(frames[row:row + 1], CARD)[0]).all()


def test_rows_may_lie_further_apart_than_they_are_long():
    wide = noise(40, 80)[None]
    cut = wide[:, :, :70]
    assert (by_kernel(cut, CARD) == by_kernel(np.ascontiguousarray(cut), CARD)).all()


@pytest.mark.parametrize("driver", HERE)
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
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
    (((1, 8, 8, 4), "uint8"), ((1, 3, HEIGHT, WIDTH), "float32"), "uint8 [h, w, 3]"),
    (((1, 8, 8, 3), "float32"), ((1, 3, HEIGHT, WIDTH), "float32"), "uint8 [h, w, 3]"),
    (((2, 8, 8, 3), "uint8"), ((1, 3, HEIGHT, WIDTH), "float32"), "[2, 3, 64, 96]"),
    (((1, 8, 8, 3), "uint8"), ((1, 3, HEIGHT, WIDTH), "float64"), "float32, float16, uint8 [1, 3")])
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
