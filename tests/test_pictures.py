"""Are pictures read as people see them, whatever their file holds?"""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from minehat import MineHatError
from minehat.pictures import read_picture, write_picture
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

RED, GREEN, GREY = (200, 30, 40), (20, 180, 60), (128, 128, 128)  # RGB
ROTATED = 0x0112  # EXIF's orientation


def halves(left=RED, right=GREEN, size=(64, 32)) -> Image.Image:
    """Left half one colour, right half another."""
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def seen(frame: np.ndarray, left: float, top: float) -> np.ndarray:
    """RGB at a place given in shares of the frame."""
    return frame[int(top * frame.shape[0]), int(left * frame.shape[1]), ::-1].astype(int)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.webp", "a.tiff", "a.JPEG"])
def test_colours_come_in_bgr(tmp_path, name):
    halves().save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    frame = read_picture(tmp_path / name)
    assert frame.shape == (32, 64, 3) and frame.dtype == np.uint8 and frame.flags.c_contiguous
    assert_allclose(seen(frame, 0.2, 0.5), RED, atol=6)
    assert_allclose(seen(frame, 0.8, 0.5), GREEN, atol=6)


@pytest.mark.parametrize(("mode", "wanted"), [
    ("L", (77, 77, 77)), ("1", (0, 0, 0)), ("P", (204, 51, 51)), ("CMYK", RED), ("RGBA", RED), ("LA", (77, 77, 77))])
def test_every_mode_is_seen_in_its_colours(tmp_path, mode, wanted):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new("RGB", (8, 8), RED if mode != "1" else (0, 0, 0)).convert(mode).save(path)
    assert_allclose(seen(read_picture(path), 0.5, 0.5), wanted, atol=6)


@pytest.mark.parametrize("colour", [RED, GREEN, (255, 255, 255), (0, 0, 0)])
def test_a_cmyk_jpeg_is_not_negative(tmp_path, colour):
    Image.new("RGB", (32, 32), colour).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert_allclose(seen(read_picture(tmp_path / "a.jpg"), 0.5, 0.5), colour, atol=8)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(1, 256).repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    frame = read_picture(tmp_path / "a.png")
    assert_allclose(frame[0, :, 0].astype(int), np.arange(256), atol=1)
    assert_array_equal(frame[..., 0], frame[..., 2])


@pytest.mark.parametrize("top", [255, 65535, 2**31 - 1])
def test_32_bit_grey_is_scaled_by_what_it_holds(tmp_path, top):
    ramp = np.linspace(0, top, 256).astype(np.int32).reshape(1, 256).repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "a.tiff")
    with Image.open(tmp_path / "a.tiff") as image:
        assert image.mode == "I"
    assert_allclose(read_picture(tmp_path / "a.tiff")[0, :, 0].astype(int), np.arange(256), atol=1)


def test_a_picture_that_would_fill_the_memory_is_refused_on_one_line(tmp_path):
    path = tmp_path / "a.bmp"
    halves().save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = struct.pack("<ii", 20_000, 12_000)  # width and height
    path.write_bytes(content)
    with pytest.raises(MineHatError, match=r"a\.bmp is too large: .* at most 179 megapixels are read") as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)


def test_what_is_transparent_shows_white(tmp_path):
    glass = Image.new("RGBA", (8, 8), (*RED, 0))
    glass.paste((*RED, 255), (0, 0, 4, 8))
    glass.save(tmp_path / "alpha.png")
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([*GREEN, *RED])
    palette.paste(1, (0, 0, 4, 8))
    palette.save(tmp_path / "palette.png", transparency=0)
    for name in ("alpha.png", "palette.png"):
        frame = read_picture(tmp_path / name)
        assert_array_equal(seen(frame, 0.2, 0.5), RED)
        assert_array_equal(seen(frame, 0.8, 0.5), (255, 255, 255))


@pytest.mark.parametrize(("orientation", "size", "left_half_is_now"), [
    (1, (64, 32), "left"), (3, (64, 32), "right"), (6, (32, 64), "top"), (8, (32, 64), "bottom"),
    (2, (64, 32), "right"), (5, (32, 64), "top"), (7, (32, 64), "bottom"), (4, (64, 32), "left")])
def test_a_turned_camera_s_picture_is_upright(tmp_path, orientation, size, left_half_is_now):
    exif = Image.Exif()
    exif[ROTATED] = orientation
    halves().save(tmp_path / "a.jpg", exif=exif, quality=95)
    frame = read_picture(tmp_path / "a.jpg")
    assert frame.shape == (size[1], size[0], 3)
    place = {"left": (0.1, 0.5), "right": (0.9, 0.5), "top": (0.5, 0.1), "bottom": (0.5, 0.9)}[left_half_is_now]
    assert_allclose(seen(frame, *place), RED, atol=8)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"\xab" * 40])
def test_broken_exif_does_not_hide_the_picture(tmp_path, exif):
    halves().save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").shape == (32, 64, 3)


@pytest.mark.parametrize("size", [(1, 1), (12000, 3), (1, 9000)])
def test_odd_sizes_are_read(tmp_path, size):
    Image.new("RGB", size, RED).save(tmp_path / "a.png")
    frame = read_picture(tmp_path / "a.png")
    assert frame.shape == (size[1], size[0], 3)
    assert_array_equal(seen(frame, 0.5, 0.5), RED)


def noisy_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"not a picture\n" * 40, noisy_jpeg()[:1500], noisy_jpeg()[:200],
                                     b"\xff\xd8\xff" + b"\0" * 500])
def test_what_cannot_be_decoded_whole_is_refused_on_one_line(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(MineHatError, match=r"a\.jpg cannot be decoded as a picture \(.+\)") as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)


def test_a_picture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MineHatError, match=r"nope\.jpg: no such picture"):
        read_picture(tmp_path / "nope.jpg")


def test_what_is_written_is_read_again(tmp_path):
    frame = np.asarray(halves())[..., ::-1]
    write_picture(tmp_path / "deep" / "a.png", frame)
    assert_array_equal(read_picture(tmp_path / "deep" / "a.png"), frame)
    write_picture(tmp_path / "a.jpg", frame)
    assert_allclose(seen(read_picture(tmp_path / "a.jpg"), 0.2, 0.5), RED, atol=8)


def test_an_unknown_format_is_not_written(tmp_path):
    with pytest.raises(MineHatError, match=r"Name it \.jpg or \.png"):
        write_picture(tmp_path / "a.xyz", np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
