"""Is the material of a training run read whole, with every fault of every set told before a step is run?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from label_sets import CLASSES, WRITERS, Shot, annotation, thing, write_coco, write_voc, write_yolo
from minehat.errors import ManyFaults, MineHatError
from minehat.labels import class_map
from minenet.data.asked_sets import AskedSet, asked_set
from minenet.data.sources import read_material
from numpy.testing import assert_allclose

HEAD = (("head", (10, 5, 30, 25)),)


def cut_short(path: Path) -> None:
    """A picture whose header is sound and whose pixels end in the middle."""
    path.write_bytes(path.read_bytes()[:-200])


def test_sets_of_every_form_are_read_with_val_and_shrunk_to_size(tmp_path):
    data = [str(write(tmp_path / form, Shot(things=HEAD), Shot("empty.jpg", ()), split="train"))
            for form, write in WRITERS.items()]
    val = write_voc(tmp_path / "val", Shot(things=HEAD))
    material = read_material([data[0], f"{data[1]}@0.25", f"{data[2]}:a@3"], str(val), CLASSES, 30)
    assert [(one.name, one.share, len(one.samples)) for one in material.sources] == [
        ("Pascal VOC", 1.0, 2), ("YOLO", 0.25, 2), ("COCO:a", 3.0, 1)]
    for source in material.sources:
        first = source.samples[0]
        assert first.picture.shape == (20, 30, 3) and Path(first.name).is_file() and Path(first.name).name == "a.jpg"
        assert_allclose(first.boxes, [[5, 2.5, 15, 12.5]], atol=1e-4)
    assert [one.path.name for one in material.val] == ["a.jpg"]


def test_every_fault_of_every_set_and_of_val_is_told_once_and_at_the_end(tmp_path):
    names = [f"p{row}.jpg" for row in range(40)]
    voc = write_voc(tmp_path / "voc", *map(Shot, names), split="train")
    yolo = write_yolo(tmp_path / "yolo", Shot(things=(("hat", (1, 1, 9, 9)),)), split="train", classes=("head", "hat"))
    coco = write_coco(tmp_path / "coco", Shot("v.jpg"), Shot("w.jpg"))
    for path in (voc / "JPEGImages/p7.jpg", voc / "JPEGImages/p31.jpg", coco / "images/val/w.jpg"):
        cut_short(path)
    (voc / "Annotations/p9.xml").write_text(annotation(Shot(), thing("head", 9, 9, 1, 1)))
    (voc / "mirror_bands.tsv").write_text("nonsense\n")
    with pytest.raises(ManyFaults) as caught:
        read_material([f"{voc}:p", str(voc), str(tmp_path / "absent"), str(yolo), f"{yolo}:b"], str(coco), CLASSES, 64)
    lines = [line.replace(f"{tmp_path}/", "") for line in caught.value.lines]
    assert [line.partition(": ")[0] for line in lines] == [
        "voc/mirror_bands.tsv", "voc/Annotations/p9.xml", "absent", "yolo/labels/train/a.txt", "yolo",
        "voc/JPEGImages/p7.jpg", "voc/JPEGImages/p31.jpg", "coco/images/val/w.jpg"]
    assert "truncated" in lines[5] and "inside out" in lines[1] and "class 'hat'" in lines[3]
    assert lines[4] == "yolo: its train split names no picture that begins with b"
    assert "--map hat=CLASS" in caught.value.cure and "8 faults (" in caught.value.counted


def test_names_are_mapped_in_one_set_alone(tmp_path):
    things = (("person", (1, 1, 9, 9)), ("head", (2, 2, 30, 30)))
    data = [str(write_voc(tmp_path / name, Shot(things=things), split="train")) for name in ("crowd", "site")]
    material = read_material(data, None, CLASSES, 64, class_map(["crowd:person=head", "person=-"]))
    assert [source.samples[0].labels.tolist() for source in material.sources] == [[1, 1], [1]]
    assert material.val == []


def test_a_name_of_a_set_that_is_not_there_is_told_where_it_would_mean_something_else_unseen(tmp_path):
    data = [str(write_voc(tmp_path / "crowd", Shot(things=(("person", (1, 1, 9, 9)),)), split="train"))]
    with pytest.raises(MineHatError, match="--map crwod:person=head: no set's folder is called crwod; there is crowd"):
        read_material(data, None, CLASSES, 64, class_map(["crwod:person=head", "person=-"]))
    assert read_material(data, None, CLASSES, 64, class_map(["other:hat=head", "person=-"])).sources


def test_ignored_objects_are_left_out_of_training_and_kept_in_val(tmp_path):
    folder = write_voc(tmp_path, Shot(), split="train")
    write_voc(tmp_path, Shot(), split="val")
    (folder / "Annotations/a.xml").write_text(annotation(
        Shot(), thing("head", 1, 1, 9, 9, "<difficult>1</difficult>"), thing("head", 1, 1, 20, 20)))
    material = read_material([str(folder)], str(folder), CLASSES, 60)
    assert len(material.sources[0].samples[0].boxes) == 1 and len(material.val[0].boxes) == 2


def test_a_split_that_names_no_picture_is_a_fault(tmp_path):
    with pytest.raises(ManyFaults, match="its val split names no picture"):
        read_material([], str(write_voc(tmp_path)), CLASSES, 64)


@pytest.mark.parametrize(("text", "wanted"), [
    ("set", AskedSet(Path("set"))), ("set:", AskedSet(Path("set"))), ("set@0.3", AskedSet(Path("set"), "", 0.3)),
    ("set@20", AskedSet(Path("set"), "", 20)),
    ("set:hc_", AskedSet(Path("set"), "hc_")), ("set:hc_@2", AskedSet(Path("set"), "hc_", 2)),
    ("set:a:b@2", AskedSet(Path("set"), "a:b", 2)), ("set:one", AskedSet(Path("set:one"))),
    ("set:one:hc_", AskedSet(Path("set:one"), "hc_")), ("a@2", AskedSet(Path("a@2"))),
    ("a@2@3", AskedSet(Path("a@2"), "", 3)), ("set/b:c\\d:e", AskedSet(Path("set/b:c\\d"), "e")),
    ("absent:x", AskedSet(Path("absent:x")))])
def test_what_is_typed_for_a_set_is_taken_apart_by_what_is_there(text, wanted, tmp_path, monkeypatch):
    for name in ("set/b:c\\d", "set:one", "a@2"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert asked_set(text) == wanted


@pytest.mark.parametrize("share", ["0", "-1", "20.1", "nan", "inf", "x", ""])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(MineHatError, match="over 0 and at most 20, as in"):
        asked_set(f"set@{share}")


def test_the_real_pictures_are_read_by_prefix(real_data):
    material = read_material([f"{real_data / 'helmets'}:scf_@2"], None, CLASSES, 416)
    source, = material.sources
    assert (source.name, len(source.samples), source.share) == ("helmets:scf_", 63, 2.0)
    assert all(max(sample.picture.shape[:2]) == 416 for sample in source.samples)
    assert sum(len(sample.boxes) for sample in source.samples) == 69 + 7
    assert np.concatenate([sample.labels for sample in source.samples]).tolist().count(1) == 7
