"""Are labelled pictures read alike in every form, with names mapped and the mirrored bands cut?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_sets import (
    CLASSES,
    WRITERS,
    Shot,
    annotation,
    coco_of,
    thing,
    write_coco,
    write_picture,
    write_voc,
    write_yolo,
    yolo_line,
)
from minehat import MineHatError
from minehat.labels import class_map, read_split, scan_split
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

TWO = (Shot("a.jpg", (("head", (10, 5, 30, 25)), ("helmet", (0, 0, 60, 40)))), Shot("b.png", ()))


def assert_alike(ours, wanted) -> None:
    """Same pictures with the same labels, in the same order."""
    assert [one.path.name for one in ours] == [one.path.name for one in wanted]
    for one, other in zip(ours, wanted, strict=True):
        assert_allclose(one.boxes, other.boxes, atol=1e-4)
        assert_array_equal(one.labels, other.labels)
        assert_array_equal(one.ignored, other.ignored)
        assert (one.size, one.window) == (other.size, other.window)


@st.composite
def shots(draw) -> list[Shot]:
    made = []
    for name in ("a.jpg", "b.png", "c d.JPG")[:draw(st.integers(1, 3))]:
        width, height = draw(st.integers(2, 80)), draw(st.integers(2, 80))
        things = []
        for _ in range(draw(st.integers(0, 4))):
            x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
            box = (x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height)))
            things.append((draw(st.sampled_from(CLASSES)), box))
        made.append(Shot(name, tuple(things), (width, height)))
    return made


@settings(max_examples=30, deadline=None)
@given(shots(), st.dictionaries(st.sampled_from(["a", "b", "c d"]),
                                st.tuples(st.sampled_from(["tb", "lr"]), st.integers(0, 12)), max_size=2))
def test_the_same_pictures_are_read_alike_in_every_form(made, bands):
    read = {}
    with tempfile.TemporaryDirectory() as home:
        for form, write in WRITERS.items():
            folder = write(Path(home) / form, *made)
            lines = [f"{stem}\t{sides}\t{pixels}\n" for stem, (sides, pixels) in bands.items()]
            (folder / "mirror_bands.tsv").write_text("".join(lines))
            scanned = scan_split(folder, "val", CLASSES)
            assert scanned.form == form and all(fault.kind == "broken bands" for fault in scanned.faults)
            read[form] = scanned
    for form in ("YOLO", "COCO"):
        assert_alike(read[form].labelled, read["Pascal VOC"].labelled)
        assert len(read[form].faults) == len(read["Pascal VOC"].faults)
        assert [note.path.name for note in read[form].notes] == [shot.name for shot in made if not shot.things]
    for one in read["COCO"].labelled:
        width, height = one.size if one.window is None else np.subtract(one.window[2:], one.window[:2])
        assert (one.boxes >= 0).all() and (one.boxes <= [width, height, width, height]).all()


@pytest.mark.parametrize("form", WRITERS)
def test_what_was_written_is_read(form, tmp_path):
    first, second = read_split(WRITERS[form](tmp_path / "set", *TWO), "val", CLASSES)
    assert_allclose(first.boxes, [[10, 5, 30, 25], [0, 0, 60, 40]], atol=1e-4)
    assert_array_equal(first.labels, [1, 0])
    assert first.read().shape == (40, 60, 3) and first.window is None and first.size == (60, 40)
    assert second.boxes.shape == (0, 4) and len(second.labels) == 0, "pictures without objects are kept"


@pytest.mark.parametrize("form", WRITERS)
def test_bands_are_cut_from_picture_and_boxes(form, tmp_path):
    shot = Shot("a.JPG", (("head", (0, 0, 20, 9)), ("head", (0, 5, 20, 25))))
    folder = WRITERS[form](tmp_path / "set", shot)
    (folder / "mirror_bands.tsv").write_text("# stem\tsides\tpixels\na\ttb\t10\n")
    one, = read_split(folder, "val", CLASSES)
    assert_allclose(one.boxes, [[0, 0, 20, 15]], atol=1e-4)  # the first lies in the band, the second half in it
    frame = one.read()
    assert frame.shape == (20, 60, 3) and 60 < frame[0, 0, 0] < 75  # row 10 of 40


@pytest.mark.parametrize("form", WRITERS)
def test_names_are_mapped_dropped_or_mapped_in_one_set_alone(form, tmp_path):
    shot = Shot(things=(("hat", (1, 1, 9, 9)), ("person", (2, 2, 30, 30)), ("head", (3, 3, 9, 9))))
    classes = {} if form == "Pascal VOC" else {"classes": ("head", "hat", "person")}
    folder = WRITERS[form](tmp_path / "mine", shot, **classes)
    one, = read_split(folder, "val", CLASSES, class_map(["hat=helmet", "person=-"]))
    assert_array_equal(one.labels, [0, 1])
    one, = read_split(folder, "val", CLASSES, class_map(["hat=head", "mine:hat=helmet", "person=-", "other:head=-"]))
    assert_array_equal(one.labels, [0, 1])
    with pytest.raises(MineHatError) as caught:
        read_split(folder, "val", CLASSES, class_map(["other:hat=helmet", "person=-"]))
    assert "class 'hat' (1 object) is none of helmet, head" in str(caught.value)
    assert "--map hat=CLASS" in str(caught.value)
    with pytest.raises(MineHatError, match="--map hat=hemlet: hemlet is none of helmet, head"):
        scan_split(folder, "val", CLASSES, class_map(["hat=hemlet"]))


@pytest.mark.parametrize("text", ["hat", "=helmet", "hat=", ""])
def test_a_map_of_another_form_is_refused(text):
    with pytest.raises(MineHatError, match="NAME=CLASS"):
        class_map([text])


def test_a_map_may_say_a_thing_twice_and_not_two_things():
    assert class_map(["a=b=head", "a=b = head"])("any", "a=b") == "head"
    with pytest.raises(MineHatError, match="hat twice"):
        class_map(["hat=helmet", "hat=head"])


def test_pixels_count_from_one_in_voc_and_from_zero_here(tmp_path):
    folder = write_voc(tmp_path, Shot())
    (folder / "Annotations/a.xml").write_text(annotation(
        Shot(), thing("head", 1, 1, 60, 40), thing("helmet", 11, 6, 20, 15, "<difficult>1</difficult>")))
    one, = read_split(folder, "val", CLASSES)
    assert_array_equal(one.boxes, [[0, 0, 60, 40], [10, 5, 20, 15]])
    assert_array_equal(one.ignored, [False, True])


def test_a_crowd_counts_neither_way(tmp_path):
    folder = write_coco(tmp_path, Shot(things=(("head", (1, 1, 9, 9)),) * 3))
    content = coco_of(Shot(things=(("head", (1, 1, 9, 9)),) * 3))
    content["annotations"][1]["iscrowd"] = 1
    content["annotations"][2]["ignore"] = 1
    (folder / "annotations/instances_val.json").write_text(json.dumps(content))
    one, = read_split(folder, "val", CLASSES)
    assert_array_equal(one.ignored, [False, True, True])


def test_a_pixel_over_the_edge_is_clipped(tmp_path):
    folder = write_voc(tmp_path, Shot())
    (folder / "Annotations/a.xml").write_text(annotation(Shot(), thing("head", 0, 0, 61, 41)))
    one, = read_split(folder, "val", CLASSES)
    assert_array_equal(one.boxes, [[0, 0, 60, 40]])


def test_an_annotation_need_not_tell_the_size(tmp_path):
    folder = write_voc(tmp_path, Shot())
    (folder / "Annotations/a.xml").write_text(f"<annotation>{thing('head', 1, 1, 9, 9)}</annotation>")
    assert read_split(folder, "val", CLASSES)[0].size == (60, 40)


@pytest.mark.parametrize("form", ["YOLO", "COCO"])
def test_pictures_that_lie_on_their_side_are_measured_upright(form, tmp_path):
    folder = WRITERS[form](tmp_path, Shot(size=(40, 60)))
    path = next(folder.rglob("a.jpg"))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(path, exif=turned)
    one, = read_split(folder, "val", CLASSES)
    assert one.size == (40, 60) and one.read().shape == (60, 40, 3)
    assert_allclose(one.boxes, [[10, 5, 30, 25]], atol=1e-4)


LISTED = "names: {0: helmet, '1': head}\n"
SPLIT_FOLDERS = "{split}/{part}"


@pytest.mark.parametrize(("nesting", "yaml"), [
    ("{part}/{split}", LISTED), (SPLIT_FOLDERS, LISTED),
    ("{part}/{split}", LISTED + "val: images/val\n"),
    ("{part}/{split}", LISTED + "path: .\nval: [images/val]\n"),
    ("{part}/{split}", LISTED + "path: /on/another/machine\nval: images/val\n"),
    (SPLIT_FOLDERS, LISTED + "val: ../val/images\n"),  # as exporters write it, one folder too high
    (SPLIT_FOLDERS, LISTED + "val: val\\images\n"),
    ("part/{part}/{split}", LISTED + "path: part\nval: images/val\n"),
    ("{part}/{split}", "names: [helmet, head]\nval:\n  - images/val\n"),
    ("{part}/{split}", "names:\n  - helmet\n  - head\nval: list.txt\n"),
    ("{part}/odd", "names: [helmet, head]\nval: list.txt\n"),
])
def test_yolo_pictures_are_found_where_data_yaml_says(nesting, yaml, tmp_path):
    folder = write_yolo(tmp_path / "set", *TWO, nesting=nesting, yaml=yaml)
    pictures = [path.relative_to(folder) for path in sorted(folder.rglob("images/**/*.*"))]
    (folder / "list.txt").write_text("\n".join(f"./{path}" for path in pictures))
    wanted = read_split(write_voc(tmp_path / "voc", *TWO), "val", CLASSES)
    assert_alike(read_split(folder, "val", CLASSES), wanted)
    assert_alike(read_split(folder / "data.yaml", "val", CLASSES), wanted)


def test_several_folders_of_one_split_are_read_one_after_another(tmp_path):
    folder = write_yolo(tmp_path, Shot("a.jpg"), split="one")
    write_yolo(tmp_path, Shot("b.jpg"), split="two", yaml=LISTED + "val: [images/two, images/one]\n")
    assert [one.path.name for one in read_split(folder, "val", CLASSES)] == ["b.jpg", "a.jpg"]


@pytest.mark.parametrize("names", ["classes.txt", "obj.names", "labels/classes.txt"])
def test_yolo_names_without_data_yaml_come_from_a_list(names, tmp_path):
    folder = write_yolo(tmp_path, Shot(things=(("hat", (1, 1, 9, 9)),)), classes=("head", "hat"))
    (folder / "data.yaml").unlink()
    with pytest.raises(MineHatError, match=r"--map 1=CLASS"):
        read_split(folder, "val", CLASSES)
    (folder / names).write_text("head\r\nhelmet\r\n\r\n")
    assert_array_equal(read_split(folder, "val", CLASSES)[0].labels, [0])


def test_a_folder_that_exporters_make_up_is_left_out(tmp_path):
    """obj_train_data holds pictures and labels side by side, and the list says data/ before it."""
    write_picture(tmp_path / "obj_train_data", Shot())
    (tmp_path / "obj_train_data/a.txt").write_text(yolo_line(1, (10, 5, 30, 25), (60, 40)))
    (tmp_path / "obj.names").write_text("helmet\nhead\n")
    (tmp_path / "train.txt").write_text("data/obj_train_data/a.jpg\n")
    one, = read_split(tmp_path, "train", CLASSES)
    assert_allclose(one.boxes, [[10, 5, 30, 25]], atol=1e-4)


def test_class_names_that_yaml_would_take_for_something_else_stay_names(tmp_path):
    folder = write_yolo(tmp_path, Shot(things=(("no", (1, 1, 9, 9)),)), classes=("1e3", "no"))
    assert_array_equal(read_split(folder, "val", CLASSES, class_map(["no=head"]))[0].labels, [1])


@pytest.mark.parametrize(("line", "box"), [
    ("1 0.25 0.5 0.5 0.25 0.75 1 ", [15, 10, 45, 40]),  # an outline: the box around it
    ("1.0 0.5 0.5 0.5 0.5", [15, 10, 45, 30]),
    ("1 5e-1 0.5\t0.5 0.5\r", [15, 10, 45, 30]),
])
def test_yolo_lines_in_their_kinds(line, box, tmp_path):
    folder = write_yolo(tmp_path, Shot())
    (folder / "labels/val/a.txt").write_text(f"\ufeff\n{line}\n\n", encoding="utf-8")
    assert_allclose(read_split(folder, "val", CLASSES)[0].boxes, [box], atol=1e-4)


def test_key_points_behind_a_box_are_passed_over(tmp_path):
    folder = write_yolo(tmp_path, Shot(), yaml=LISTED + "kpt_shape: [1, 2]\n")
    (folder / "labels/val/a.txt").write_text("1 0.5 0.5 0.5 0.5 0.1 0.1\n")
    assert_allclose(read_split(folder, "val", CLASSES)[0].boxes, [[15, 10, 45, 30]], atol=1e-4)


@pytest.mark.parametrize(("file", "pictures"), [
    ("annotations/instances_{split}.json", "images"), ("annotations/instances_{split}.json", "{split}"),
    ("annotations/instances_{split}.json", "images/{split}"), ("annotations/instances_{split}.json", "."),
    ("annotations/{split}.json", "{split}/images"), ("{split}/_annotations.coco.json", "{split}"),
    ("annotations/instances_{split}2017.json", "{split}2017"),
    ("annotations/instances_{split}2017.json", "images/{split}2017"),
    ("valid/_annotations.coco.json", "valid"),
])
def test_coco_files_and_their_pictures_are_found(file, pictures, tmp_path):
    folder = write_coco(tmp_path / "set", *TWO, file=file, pictures=pictures)
    wanted = read_split(write_voc(tmp_path / "voc", *TWO), "val", CLASSES)
    assert_alike(read_split(folder, "val", CLASSES), wanted)
    named = scan_split(folder / file.format(split="val"), "train", CLASSES)  # is its own split
    assert_alike(named.labelled, wanted)
    assert named.folder == ("set" if file.startswith("annotations") else Path(file.format(split="val")).parent.name)


@pytest.mark.parametrize("name", ["images/val/a.jpg", "C:\\work\\a.jpg", "/on/another/machine/a.jpg"])
def test_a_file_name_with_folders_leads_to_the_picture(name, tmp_path):
    folder = write_coco(tmp_path, Shot())
    content = coco_of(Shot())
    content["images"][0]["file_name"] = name
    (folder / "annotations/instances_val.json").write_text(json.dumps(content))
    assert read_split(folder, "val", CLASSES)[0].path == folder / "images/val/a.jpg"


def test_a_folder_of_several_forms_is_read_in_the_one_that_has_the_split(tmp_path):
    write_voc(tmp_path, Shot("a.jpg"), split="train")
    write_yolo(tmp_path, Shot("b.jpg"), split="val")
    assert scan_split(tmp_path, "train", CLASSES).form == "Pascal VOC"
    assert scan_split(tmp_path, "val", CLASSES).form == "YOLO"
    write_coco(tmp_path, Shot("c.jpg"), split="val")
    assert scan_split(tmp_path, "val", CLASSES).form == "COCO"
    assert scan_split(tmp_path / "data.yaml", "val", CLASSES).form == "YOLO"


@pytest.mark.parametrize("form", WRITERS)
def test_a_prefix_chooses_pictures_and_their_faults(form, tmp_path):
    folder = WRITERS[form](tmp_path, Shot("a_1.jpg"), Shot("b_1.jpg"))
    next(folder.rglob("b_1.jpg")).unlink()
    scanned = scan_split(folder, "val", CLASSES, prefix="a_")
    assert [one.path.name for one in scanned.labelled] == ["a_1.jpg"] and not scanned.faults


def test_labels_are_read_without_pyyaml_where_none_is_needed(tmp_path):
    program = ("import sys; sys.modules['yaml'] = None\nfrom minehat.labels import read_split\n"
               "for place in sys.argv[1:]: print(len(read_split(place, 'val', ('helmet', 'head'))))")
    voc, coco = write_voc(tmp_path / "voc", *TWO), write_coco(tmp_path / "coco", *TWO)
    yolo = write_yolo(tmp_path / "yolo", *TWO)
    done = subprocess.run([sys.executable, "-c", program, voc, coco, yolo], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["2", "2"] and "PyYAML is missing; it is needed to read data.yaml" in done.stderr


def test_the_real_splits_are_read_without_a_fault(real_data):
    for folder, split, count in (("helmets", "train", 1235), ("helmets", "val", 169), ("heads", "train", 620)):
        scanned = scan_split(real_data / folder, split, CLASSES)
        assert (len(scanned.labelled), scanned.faults) == (count, [])
        for one in scanned.labelled[::100]:
            high, wide = one.read().shape[:2]
            assert (one.boxes >= 0).all() and (one.boxes <= [wide, high, wide, high]).all()
