"""Is everything that is wrong with labelled pictures told, once, with the file's name, and is nothing else?"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_sets import CLASSES, WRITERS, Shot, annotation, coco_of, thing, write_coco, write_voc, write_yolo
from minehat import MineHatError
from minehat.doors import run_door
from minehat.errors import ManyFaults
from minehat.labels import Fault, many_faults, read_split, scan_split

SHOTS = tuple(Shot(f"{name}.jpg") for name in "abcdefgh")


def told(folder: Path, split: str = "val") -> list[str]:
    """What a scan finds, with paths below the folder."""
    faults = scan_split(folder, split, CLASSES).faults
    return [f"{fault.kind} | {str(fault).replace(f'{folder}/', '')}" for fault in faults]


def spoil_picture(path: Path) -> None:
    path.write_bytes(b"not a picture")


def test_a_voc_folder_full_of_faults_gives_every_one_once(tmp_path):
    folder = write_voc(tmp_path, *SHOTS)
    labels, pictures = folder / "Annotations", folder / "JPEGImages"
    (pictures / "a.jpg").unlink()
    spoil_picture(pictures / "b.jpg")
    (labels / "c.xml").unlink()
    (labels / "d.xml").write_text("<annotation>\n<size>")
    (labels / "e.xml").write_text(annotation(Shot(size=(6, 4))))
    (labels / "f.xml").write_text(annotation(
        Shot(), thing("hat", 1, 1, 9, 9), thing("hat", 1, 1, 5, 5), thing("head", 9, 9, 1, 1),
        thing("head", 1, 1, 62, 9), thing("head", 1, "nan", 9, 9), thing("head", "", 1, 9, 9),
        thing("head", 1, 1, 9, 9)))
    with (folder / "ImageSets/Main/val.txt").open("a") as listing:
        listing.write("g\nabsent\n")
    assert told(folder) == [
        "missing picture | JPEGImages/a.jpg: is not there; val.txt names it, line 1",
        "broken picture | JPEGImages/b.jpg: cannot be decoded as a picture (not a picture that is known here)",
        "missing labels | Annotations/c.xml: is not there, and the list names its picture",
        "broken labels | Annotations/d.xml: cannot be read as a Pascal VOC annotation (no element found: line 2, "
        "column 6)",
        "other size | Annotations/e.xml: tells of a picture of 6x4, and JPEGImages/e.jpg is 60x40, seen upright: the "
        "boxes would lie elsewhere",
        "broken labels | Annotations/f.xml: object 6 (head 1 9 9): bndbox wants numbers in xmin, ymin, xmax, ymax",
        "box without area | Annotations/f.xml: object 3 (head 9 9 1 1): the box is inside out",
        "box outside | Annotations/f.xml: object 4 (head 1 1 62 9): the box reaches 2 pixels over the edge of the "
        "picture, which is 60x40 (1 pixel is let pass)",
        "not a number | Annotations/f.xml: object 5 (head 1 nan 9 9): a corner is not a finite number",
        "unknown class | Annotations/f.xml: class 'hat' (2 objects) is none of helmet, head",
        "listed twice | ImageSets/Main/val.txt: line 9 names g, as line 7 does",
        "missing labels | Annotations/absent.xml: is not there, and the list names its picture",
    ]
    sound = scan_split(folder, "val", CLASSES).labelled
    assert [(one.path.stem, len(one.boxes)) for one in sound] == [("f", 1), ("g", 1), ("h", 1)]


def test_a_yolo_folder_full_of_faults_gives_every_one_once(tmp_path):
    folder = write_yolo(tmp_path, *SHOTS)
    labels, pictures = folder / "labels/val", folder / "images/val"
    spoil_picture(pictures / "b.jpg")
    (labels / "c.txt").unlink()
    (labels / "d.txt").write_bytes(b"0 0.5 0.5 \xff 0.1")
    (labels / "e.txt").write_text("1 0.5 0.5 0.5 0.5\n1 0.5 0.5 a 0.5\n\n1 0.5 0.5 0.5\n"
                                  "1 .1 .1 .1 .1 .9\n0.5 0.5 0.5 0.5 0.5")
    (labels / "f.txt").write_text("2 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n1 0.5 0.5 0 0.5\n1 0.5 0.5 0.5 -0.5\n"
                                  "1 1.0 0.5 0.5 0.5\n1 0.5 inf 0.5 0.5\n1 0.1 0.1 0.9 nan 0.9 0.9")
    (folder / "val.txt").write_text("images/val/a.jpg\nimages/val/./a.jpg\nimages/val/none.jpg\n" + "".join(
        f"images/val/{name}.jpg\n" for name in "bcdefgh"))
    (folder / "data.yaml").write_text("names: [helmet, head]\nval: [val.txt, nowhere]\n")
    (labels / "none.txt").write_text("")
    assert told(folder) == [
        "unreadable list | data.yaml: val: nowhere is not there; looked for as nowhere",
        "listed twice | val.txt: line 2 names images/val/a.jpg, as line 1 does",
        "missing picture | images/val/none.jpg: is not there; val.txt names it, line 3",
        "broken picture | images/val/b.jpg: cannot be decoded as a picture (not a picture that is known here)",
        "missing labels | labels/val/c.txt: is not there; where nothing is to be seen in c.jpg, let it be an empty "
        "file",
        "broken labels | labels/val/d.txt: cannot be read as UTF-8 text ('utf-8' codec can't decode byte 0xff in "
        "position 10: invalid start byte)",
        "broken labels | labels/val/e.txt: line 2 (1 0.5 0.5 a 0.5): it must be numbers alone",
        "broken labels | labels/val/e.txt: line 4 (1 0.5 0.5 0.5): it has 4 numbers; a box has 5, an outline 7, 9, "
        "11 or more",
        "broken labels | labels/val/e.txt: line 5 (1 .1 .1 .1 .1 .9): it has 6 numbers; a box has 5, an outline 7, "
        "9, 11 or more",
        "broken labels | labels/val/e.txt: line 6 (0.5 0.5 0.5 0.5 0.5): a class is a whole number from 0 on",
        "box without area | labels/val/f.txt: line 3 (1 0.5 0.5 0 0.5): the box has no area",
        "box without area | labels/val/f.txt: line 4 (1 0.5 0.5 0.5 -0.5): the box is inside out",
        "box outside | labels/val/f.txt: line 5 (1 1.0 0.5 0.5 0.5): the box reaches 15 pixels over the edge of the "
        "picture, which is 60x40 (1 pixel is let pass)",
        "not a number | labels/val/f.txt: line 6 (1 0.5 inf 0.5 0.5): a corner is not a finite number",
        "not a number | labels/val/f.txt: line 7 (1 0.1 0.1 0.9 nan 0.9 0.9): a corner is not a finite number",
        "unknown class | labels/val/f.txt: class '2' (2 objects) is none of helmet, head",
    ]


def test_a_coco_file_full_of_faults_gives_every_one_once(tmp_path):
    folder = write_coco(tmp_path, *SHOTS)
    content = coco_of(*SHOTS)
    (folder / "images/val/a.jpg").unlink()
    spoil_picture(folder / "images/val/b.jpg")
    images, things = content["images"], content["annotations"]
    images[2].update(width=6, height=4)
    images[3]["height"] = "40"
    images.append({**images[4], "id": "again"})
    images.append({**images[4], "file_name": "other.jpg"})
    images += [{"id": 1000}, "odd"]
    content["categories"].append({"id": 9, "name": "hat"})
    things += [{"image_id": images[5]["id"], "category_id": 4, **change} for change in (
        {"category_id": 9, "bbox": [1, 1, 5, 5]}, {"category_id": 77, "bbox": [1, 1, 5, 5]}, {"bbox": [1, 1, 0, 5]},
        {"bbox": [1, 1, 5, -5]}, {"bbox": [58, 1, 5, 5]}, {"bbox": [1, 1, float("nan"), 5]},
        {"bbox": [1, 1, 10 ** 400, 5]}, {"bbox": [1, 1, 5]}, {"bbox": "1 1 5 5"}, {}, {"bbox": [True, 1, 5, 5]},
        {"image_id": 12345}, {"image_id": [1]})]
    (folder / "annotations/instances_val.json").write_text(json.dumps(content))
    file = "annotations/instances_val.json: "
    huge = "1" + "0" * 400
    assert told(folder) == [
        f"broken labels | {file}images[9] has the id 28, as images[4] has",
        f"broken labels | {file}images[10] wants an id and a file_name",
        f"broken labels | {file}images[11] holds no names and values",
        f"broken labels | {file}annotations[19] is of image 12345, which is not there",
        f"broken labels | {file}annotations[20] is of image [1], which is not there",
        "missing picture | annotations/a.jpg: is not there; instances_val.json names it, images[0]",
        "broken picture | images/val/b.jpg: cannot be decoded as a picture (not a picture that is known here)",
        f"other size | {file}c.jpg: tells of a picture of 6x4, and images/val/c.jpg is 60x40, seen upright: the boxes "
        "would lie elsewhere",
        f"broken labels | {file}d.jpg: images[3] says its size is 60 x '40'",
        *(f"broken labels | {file}f.jpg: annotations[{row}]: bbox wants four numbers, x y width height, and is {box}"
          for row, box in ((15, "[1, 1, 5]"), (16, "'1 1 5 5'"), (17, "None"), (18, "[True, 1, 5, 5]"))),
        f"box without area | {file}f.jpg: annotations[10] [1, 1, 0, 5]: the box has no area",
        f"box without area | {file}f.jpg: annotations[11] [1, 1, 5, -5]: the box is inside out",
        f"box outside | {file}f.jpg: annotations[12] [58, 1, 5, 5]: the box reaches 3 pixels over the edge of the "
        "picture, which is 60x40 (1 pixel is let pass)",
        f"not a number | {file}f.jpg: annotations[13] [1, 1, nan, 5]: a corner is not a finite number",
        f"not a number | {file}f.jpg: annotations[14] [1, 1, {huge}, 5]: a corner is not a finite number",
        f"unknown class | {file}f.jpg: class 'hat' (1 object) is none of helmet, head",
        f"unknown class | {file}f.jpg: class '77' (1 object) is none of helmet, head",
        f"listed twice | {file}images[8] names e.jpg, as images[4] does",
    ]


@pytest.mark.parametrize(("spoil", "complaint"), [
    (lambda voc: (voc / "ImageSets/Main/val.txt").unlink(), r"val.txt: is missing.*sed -n .*> .*/ImageSets/Main/val"),
    (lambda voc: (voc / "ImageSets/Main/val.txt").rename(voc / "ImageSets/Main/train.txt"), "that are there: train"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a tb 10\n"), "line 1 must be: name, tb or lr"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a\tup\t10\n"), "line 1 must be: name, tb or lr"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("#\na\ttb\t-1\n"), "line 2 must be: name, tb or lr"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a\ttb\t20\n"), "leave nothing of a, which is 60x40"),
    (lambda voc: (voc / "mirror_bands.tsv").write_text("a\tlr\t99\n"), "leave nothing of a"),
    (lambda voc: (voc / "mirror_bands.tsv").write_bytes(b"\xff\ttb\t1\n"), "cannot be read as UTF-8"),
    (lambda voc: (voc / "ImageSets/Main/val.txt").write_bytes(b"\xff\n"), "cannot be read as UTF-8"),
    (lambda voc: (voc / "Annotations/a.xml").write_text(annotation(Shot(size=(0, 40)))), "its size is 0x40"),
    (lambda voc: (voc / "Annotations/a.xml").write_text(annotation(Shot(size=("inf", -40)))), "its size is infx-40"),
    (lambda voc: (voc / "Annotations/a.xml").write_text("<boxes/>"), "it holds <boxes> where <annotation> is wanted"),
])
def test_what_is_wrong_with_a_voc_folder_is_named(tmp_path, spoil, complaint):
    folder = write_voc(tmp_path / "voc", Shot())
    spoil(folder)
    with pytest.raises(MineHatError, match=complaint):
        read_split(folder, "val", CLASSES)


def test_the_cure_for_a_voc_folder_without_lists_cures_it(tmp_path):
    folder = write_voc(tmp_path / "a folder", *SHOTS)
    (folder / "Annotations/notes.txt").write_text("")
    (folder / "ImageSets/Main/val.txt").unlink()
    for part in (folder / "ImageSets/Main", folder / "ImageSets"):
        part.rmdir()
    fault, = scan_split(folder, "val", CLASSES).faults
    subprocess.run(["sh", "-c", fault.told.split("`")[1]], check=True)
    assert len(read_split(folder, "val", CLASSES)) == len(SHOTS)


NAMES = "names: [helmet, head]\n"


@pytest.mark.parametrize(("yaml", "complaint"), [
    ("names: [a\n", "data.yaml: cannot be read as YAML .*line 2"), ("- a\n", "cannot be read as YAML"),
    ("names: helmet\n", "names must be a list"), ("names: {x: helmet}\n", "names must be a list"),
    ("names: [[helmet]]\n", "names must be a list"), (NAMES + "val: nowhere\n", "val: nowhere is not there"),
    (NAMES + "val: [{a: b}]\n", "{'a': 'b'} is not there"), (NAMES + "val: [val.txt]\n", "val.txt is not there"),
    ("[" * 3000, "cannot be read as YAML"),
])
def test_a_data_yaml_of_no_use_is_named(yaml, complaint, tmp_path):
    folder = write_yolo(tmp_path, Shot(), yaml=yaml)
    with pytest.raises(MineHatError, match=complaint):
        read_split(folder, "val", CLASSES)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"images": 3, "annotations": [], "categories": []}',
                                  "[" * 99999])
def test_a_json_file_that_is_no_coco_file_is_named(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(MineHatError, match=r"a\.json: cannot be read as COCO annotations"):
        read_split(tmp_path / "a.json", "val", CLASSES)


def test_places_without_labels_are_told_with_what_was_looked_for(tmp_path):
    with pytest.raises(MineHatError, match="absent: there is no such folder"):
        read_split(tmp_path / "absent", "val", CLASSES)
    with pytest.raises(MineHatError, match=r"cannot be looked into .File name too long"):
        read_split(tmp_path / ("a" * 300), "val", CLASSES)
    with pytest.raises(MineHatError, match=r"is not labelled.*ImageSets/Main/val.txt.*instances_val.json.*data.yaml"):
        read_split(tmp_path, "val", CLASSES)
    with pytest.raises(MineHatError, match=r"annotations/instances_val.json.*annotations/instances_test.json"):
        read_split(write_coco(tmp_path / "coco", Shot(), split="test"), "val", CLASSES)
    with pytest.raises(MineHatError, match=r"data.yaml: names no val: put the pictures in images/val"):
        read_split(write_yolo(tmp_path / "yolo", Shot(), split="test"), "val", CLASSES)


@pytest.mark.parametrize("form", WRITERS)
def test_pictures_of_nothing_are_noted_and_are_no_fault(form, tmp_path):
    scanned = scan_split(WRITERS[form](tmp_path, Shot("a.jpg", ()), Shot("b.jpg")), "val", CLASSES)
    assert [(note.kind, note.path.name) for note in scanned.notes] == [("no objects", "a.jpg")]
    assert not scanned.faults and len(scanned.labelled) == 2


ODD = st.sampled_from(["", "0", "1", "0.5", "nan", "-1", "1e999", "9" * 5000, "head", "\0", "..", "\x85",
                       "a" * 300, "\ud7ff"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(WRITERS)), st.binary(max_size=60) | st.lists(ODD).map(" ".join).map(str.encode),
       st.sampled_from(["labels", "list", "bands"]))
def test_no_file_is_odd_enough_to_raise(form, content, which):
    with tempfile.TemporaryDirectory() as home:
        folder = WRITERS[form](Path(home) / "set", Shot())
        path = {"labels": next(path for path in folder.rglob("*") if path.suffix in (".xml", ".json")
                               or path == folder / "labels/val/a.txt"),
                "list": folder / ("data.yaml" if form == "YOLO" else "ImageSets/Main/val.txt"),
                "bands": folder / "mirror_bands.tsv"}[which]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert_orderly(folder)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a.jpg", "\0", "a" * 300])
VALUE = st.recursive(PLAIN, lambda some: st.lists(some, max_size=4), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["images", "annotations", "categories"]),
       st.sampled_from(["id", "file_name", "width", "height", "image_id", "category_id", "bbox", "iscrowd", "name"]),
       VALUE)
def test_no_coco_value_is_odd_enough_to_raise(part, key, value):
    with tempfile.TemporaryDirectory() as home:
        folder = write_coco(Path(home), Shot())
        content = coco_of(Shot())
        content[part][0][key] = value
        (folder / "annotations/instances_val.json").write_text(json.dumps(content))
        assert_orderly(folder)


def assert_orderly(folder: Path) -> None:
    """A scan raises nothing, tells each fault once, on one line, and gives boxes inside their picture."""
    scanned = scan_split(folder, "val", CLASSES)
    lines = [str(fault) for fault in scanned.faults]
    assert len(set(lines)) == len(lines) and not any("\n" in line for line in lines)
    for one in scanned.labelled:
        high, wide = one.read().shape[:2]
        assert (one.boxes >= 0).all() and (one.boxes <= [wide, high, wide, high]).all()
        assert (one.boxes[:, 2:] > one.boxes[:, :2]).all()


def test_a_door_prints_every_fault_and_then_one_line_with_count_and_cure(capsys):
    faults = [Fault("unknown class", Path("a.xml"), "class 'hat' is\nnone", "hat"),
              Fault("unknown class", Path("b.xml"), "class \"it's\" is none", "it's"),
              Fault("box outside", Path("c.xml"), "too far")]

    def main(_):
        raise many_faults(faults, CLASSES)

    assert run_door(main, []) == 2
    *lines, last = capsys.readouterr().err.splitlines()
    assert lines == ["a.xml: class 'hat' is none", "b.xml: class \"it's\" is none", "c.xml: too far"]
    assert "3 faults (unknown class 2, box outside 1)." in last
    assert "--map hat=CLASS --map 'it'\"'\"'s=CLASS' (CLASS is helmet, head, or - to leave" in last


def test_one_fault_is_one_line(capsys):
    def main(_):
        raise many_faults([Fault("box outside", Path("c.xml"), "too far")], CLASSES)

    assert run_door(main, []) == 2
    line, = capsys.readouterr().err.splitlines()
    assert ": c.xml: too far. Mend the files" in line


def test_read_split_raises_what_the_scan_found(tmp_path):
    folder = write_voc(tmp_path, *SHOTS)
    for name in "bd":
        (folder / f"Annotations/{name}.xml").write_text("")
    with pytest.raises(ManyFaults) as caught:
        read_split(folder, "val", CLASSES)
    assert list(caught.value.lines) == [str(fault) for fault in scan_split(folder, "val", CLASSES).faults]
    assert len(caught.value.lines) == 2
