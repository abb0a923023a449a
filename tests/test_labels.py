"""Are labelled pictures read as they are, with the mirrored bands cut from picture and boxes alike?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from minehat import MineHatError
from minehat.labels import read_split
from numpy.testing import assert_array_equal
from PIL import Image

CLASSES = ("helmet", "head")


def labelled(folder: Path, *objects: str, size: tuple[int, int] = (60, 40), name: str = "a.jpg") -> Path:
    """A VOC folder with one picture of `size` (width, height), bright below, and its objects in XML."""
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    rows = np.linspace(0, 255, size[1]).astype(np.uint8)[:, None].repeat(size[0], 1)
    Image.fromarray(rows).save(folder / "JPEGImages" / name, quality=95)
    (folder / "ImageSets/Main/val.txt").write_text("a\n\n")
    (folder / "Annotations/a.xml").write_text(
        f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>{''.join(objects)}</annotation>")
    return folder


def thing(name: str, x0: float, y0: float, x1: float, y1: float, extra: str = "") -> str:
    return (f"<object><name>{name}</name>{extra}<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
            f"<ymax>{y1}</ymax></bndbox></object>")


def test_pixels_count_from_one_in_voc_and_from_zero_here(tmp_path):
    folder = labelled(tmp_path / "voc", thing("head", 1, 1, 60, 40),
                      thing("helmet", 11, 6, 20, 15, "<difficult>1</difficult>"))
    one, = read_split(folder, "val", CLASSES)
    assert_array_equal(one.boxes, [[0, 0, 60, 40], [10, 5, 20, 15]])
    assert_array_equal(one.labels, [1, 0])
    assert_array_equal(one.ignored, [False, True])
    assert one.read().shape == (40, 60, 3) and one.window is None


def test_bands_are_cut_from_picture_and_boxes(tmp_path):
    folder = labelled(tmp_path / "voc", thing("head", 1, 1, 20, 9), thing("head", 1, 6, 20, 25), name="a.JPG")
    (folder / "mirror_bands.tsv").write_text("# stem\tsides\tpixels\na\ttb\t10\n")
    one, = read_split(folder, "val", CLASSES)
    assert_array_equal(one.boxes, [[0, 0, 20, 15]])  # the first lies in the band, the second half in it
    frame = one.read()
    assert frame.shape == (20, 60, 3) and 60 < frame[0, 0, 0] < 75  # row 10 of 40


def test_pictures_without_objects_are_kept(tmp_path):
    one, = read_split(labelled(tmp_path / "voc"), "val", CLASSES)
    assert one.boxes.shape == (0, 4) and len(one.labels) == 0


@pytest.mark.parametrize(("spoil", "complaint"), [
    (lambda voc: (voc / "ImageSets/Main/val.txt").unlink(), "val.txt: is missing"),
    (lambda voc: (voc / "Annotations/a.xml").unlink(), "a.xml: is not there"),
    (lambda voc: (voc / "Annotations/a.xml").write_text("<annotation>"), "cannot be read as"),
    (lambda voc: (voc / "JPEGImages/a.jpg").unlink(), "a.jpg: is not there; val.txt names it, line 1"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a tb 10\n"), "line 1 must be: name, tb or lr"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a\tup\t10\n"), "line 1 must be: name, tb or lr"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a\ttb\t20\n"), "leave nothing of a, which is 60x40"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a\tlr\t99\n"), "leave nothing of a"),
    (lambda voc: (voc / "mirror_bands.tsv").write_bytes(b"\xff\ttb\t1\n"), "cannot be read as UTF-8"),
    (lambda voc: (voc / "ImageSets/Main/val.txt").write_bytes(b"\xff\n"), "cannot be read as UTF-8"),
    (lambda voc: _resized(voc, 0, 40), "its size is 0x40"),
    (lambda voc: _resized(voc, 60, -40), "its size is 60x-40"),
])
def test_what_is_wrong_is_named(tmp_path, spoil, complaint):
    folder = labelled(tmp_path / "voc", thing("head", 1, 1, 20, 9))
    spoil(folder)
    with pytest.raises(MineHatError, match=complaint):
        read_split(folder, "val", CLASSES)


def _resized(voc: Path, width: int, height: int) -> None:
    """Let the annotation tell another size."""
    told = (voc / "Annotations/a.xml").read_text()
    told = told.replace("<width>60<", f"<width>{width}<").replace("<height>40<", f"<height>{height}<")
    (voc / "Annotations/a.xml").write_text(told)


@pytest.mark.parametrize("size", [(6, 4), (600, 400), (40, 60)])
def test_a_picture_of_another_size_than_its_annotation_tells_is_refused(tmp_path, size):
    folder = labelled(tmp_path / "voc", thing("head", 1, 1, 3, 3))
    _resized(folder, *size)
    with pytest.raises(MineHatError, match=rf"tells of a picture of {size[0]}x{size[1]}, and .*a.jpg is 60x40"):
        read_split(folder, "val", CLASSES)


@pytest.mark.parametrize(("bad", "complaint"), [
    (thing("hat", 1, 1, 9, 9), "class 'hat' .1 object. is none of helmet, head"),
    (thing("head", 9, 9, 1, 1), "inside out"),
    (thing("head", float("nan"), 1, 9, 9), "not a finite number"),
    ("<object><name>head</name></object>", "bndbox wants numbers"),
])
def test_objects_that_make_no_sense_are_refused(tmp_path, bad, complaint):
    with pytest.raises(MineHatError, match=complaint):
        read_split(labelled(tmp_path / "voc", bad), "val", CLASSES)


def test_the_real_splits_are_read(real_data):
    val = read_split(real_data / "helmets", "val", CLASSES)
    assert len(val) == 169
    for one in val[:20]:
        high, wide = one.read().shape[:2]
        assert (one.boxes >= 0).all() and (one.boxes <= [wide, high, wide, high]).all()
