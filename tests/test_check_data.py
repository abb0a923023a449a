"""Does check_data.py find what stands in the way of training, and nothing where nothing does?"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from check_data import main
from label_sets import Shot, write_voc, write_yolo
from minehat.doors import run_door
from minehat.labels import Labelled, class_map, scan_split
from minehat.likeness import grey_of
from minehat.pictures import read_picture, write_picture
from minehat.scenes import CLASSES, write_pictures
from minenet.data.check.findings import Findings, findings_of
from minenet.data.check.looks import look_at
from minenet.data.check.mirrored import mirror_bands
from minenet.data.check.odd_labels import odd_labels
from minenet.data.check.splits import splits_of
from minenet.data.check.twins import Twin, find_twins

TRAIN, VAL = 4, 2  # rendered pictures


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound Pascal VOC set of rendered scenes."""
    folder = tmp_path_factory.mktemp("rendered") / "gate3"
    write_pictures(folder, TRAIN, 0, "train", 320, 192)
    write_pictures(folder, VAL, TRAIN, "val", 320, 192)
    return folder


@pytest.fixture
def scenes(rendered: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(rendered, tmp_path / "gate3"))


def checked(*arguments: object, code: int, capsys: pytest.CaptureFixture[str]) -> tuple[dict, str]:
    """The JSON file of a run that ends with `code`, and its page."""
    out = Path(str(arguments[0])).parent / "out"
    assert run_door(main, [*map(str, arguments), "--out", str(out), "--json", str(out / "found.json")]) == code
    told, page = json.loads((out / "found.json").read_text()), (out / "index.html").read_text(encoding="utf-8")
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {key: value for key, value in told.items()
                                                                    if key != "listed"}
    assert told["clean"] == (code == 0)
    return told, page


def found_in(*places: Path, splits: tuple[str, ...] = (), mapped: tuple[str, ...] = (), side: int = 416) -> Findings:
    """The findings without the page."""
    return findings_of(places, splits, CLASSES, class_map(mapped), side)


def kinds_of(found: Findings) -> Counter[str]:
    """How many notes of which kind."""
    return Counter(note.kind for note in found.notes)


def add(folder: Path, split: str, stem: str, frame: np.ndarray, like: str, suffix: str = ".png") -> None:
    """Add a picture to a split, with the annotation of another one, its size mended and its boxes left out."""
    write_picture(folder / "JPEGImages" / f"{stem}{suffix}", frame)
    text = (folder / "Annotations" / f"{like}.xml").read_text()
    text = text[:text.find("<object>")] + "</annotation>" if "<object>" in text else text
    for side, was, now in (("width", 320, frame.shape[1]), ("height", 192, frame.shape[0])):
        text = text.replace(f"<{side}>{was}<", f"<{side}>{now}<")
    (folder / "Annotations" / f"{stem}.xml").write_text(text)
    with (folder / "ImageSets" / "Main" / f"{split}.txt").open("a") as listing:
        listing.write(f"{stem}\n")


def scene_of(folder: Path, number: int) -> np.ndarray:
    return read_picture(folder / "JPEGImages" / f"scene_{number:06d}.jpg")


def patches(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """Soft random patches, uint8 BGR."""
    coarse = np.random.default_rng(seed).random((9, 12, 3))
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 255, 0, 255).astype(np.uint8)


def coded(frame: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


MADE_ANEW: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "re-encoded": lambda frame: coded(frame, 25),
    "halved": lambda frame: cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "stretched": lambda frame: cv2.resize(frame, (200, 200), interpolation=cv2.INTER_LINEAR),
    "darker": lambda frame: (frame * 0.6).astype(np.uint8),
    "with a plate": lambda frame: cv2.rectangle(frame.copy(), (0, 0), (frame.shape[1] // 5, frame.shape[0] // 10),
                                                (255, 255, 255), cv2.FILLED)}


def twins_of(early: list[np.ndarray], late: list[np.ndarray]) -> list[Twin]:
    """Twins of training pictures among val pictures."""
    frames = [*early, *late]
    return find_twins([look_at(grey_of(frame)) for frame in frames], [str(row) for row in range(len(frames))],
                      ["train"] * len(early) + ["val"] * len(late))


def test_a_clean_set_is_called_clean_and_shown_whole(rendered, tmp_path, capsys):
    place = shutil.copytree(rendered, tmp_path / "gate3")
    told, page = checked(place, code=0, capsys=capsys)
    assert told["pictures"] == TRAIN + VAL and not told["faults"] and not told["leaks"]
    assert [(one["split"], one["pictures"]) for one in told["splits"]] == [("gate3 train", TRAIN), ("gate3 val", VAL)]
    truth = Counter(label for split in ("train", "val") for one in scan_split(place, split, CLASSES).labelled
                    for label in one.labels.tolist())
    assert told["boxes"] == {"helmet": truth[0], "head": truth[1]} and sum(truth.values()) > 5
    assert page.count("data:image/webp;base64,") >= TRAIN + VAL and page.count("<svg") > TRAIN + VAL
    for plot in ("Size of boxes", "Shapes and anchors", "Heads in a picture", "Light"):
        assert plot in page
    assert "src=" not in page and 'href="http' not in page and "url(http" not in page, "nothing is fetched"


def test_every_planted_fault_is_named_in_file_page_and_exit_code(scenes, capsys):
    pictures, labels = scenes / "JPEGImages", scenes / "Annotations"
    whole = (pictures / "scene_000000.jpg").read_bytes()
    (pictures / "scene_000000.jpg").write_bytes(whole[:len(whole) * 2 // 3])
    (pictures / "scene_000001.jpg").unlink()
    (labels / "scene_000002.xml").write_text("<annotation><object><name>helmet</name><bndbox><xmin>10</xmin>"
                                             "<ymin>10</ymin><xmax>900</xmax><ymax>40</ymax></bndbox></object>"
                                             "<object><name>cap</name><bndbox><xmin>10</xmin><ymin>10</ymin>"
                                             "<xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>")
    (labels / "scene_000003.xml").write_text("<annotation></annotation>")
    told, page = checked(scenes, code=2, capsys=capsys)
    found = {(fault["kind"], Path(fault["path"]).name) for fault in told["listed"]["faults"]}
    assert found == {("broken picture", "scene_000000.jpg"), ("missing picture", "scene_000001.jpg"),
                     ("box outside", "scene_000002.xml"), ("unknown class", "scene_000002.xml")}
    assert ("no objects", "scene_000003.jpg") in {(note["kind"], Path(note["path"]).name)
                                                  for note in told["listed"]["notes"]}
    assert "picture in no split" not in told["notes"] and "labels in no split" not in told["notes"]
    assert all(f"{name}.{suffix}" in page for name, suffix in (("scene_000000", "jpg"), ("scene_000001", "jpg"),
                                                               ("scene_000002", "xml"))) and "truncated" in page


def test_a_name_that_is_mapped_is_no_fault(scenes):
    for path in (scenes / "Annotations").glob("*.xml"):
        path.write_text(path.read_text().replace("<name>helmet<", "<name>hard hat<"))
    assert {fault.kind for fault in found_in(scenes).faults} == {"unknown class"}
    assert found_in(scenes, mapped=("hard hat=helmet",)).clean


@pytest.mark.parametrize("how", [*MADE_ANEW, "mirrored"])
def test_a_picture_of_train_in_val_is_a_leak_however_it_was_made_anew(scenes, how):
    frame = scene_of(scenes, 1)
    add(scenes, "val", "copy", frame[:, ::-1] if how == "mirrored" else MADE_ANEW[how](frame), "scene_000001")
    found = found_in(scenes)
    (leak,) = found.leaks
    assert leak.twin.relation == ("mirrored" if how == "mirrored" else "same picture") and not found.clean
    assert (leak.second.labelled.path.stem, leak.first.labelled.path.name) == ("copy", "scene_000001.jpg")
    assert "labelled otherwise" in leak.told


def test_a_file_of_train_in_val_is_a_leak_and_is_shown_beside_the_other(scenes, capsys):
    for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
        shutil.copy(scenes / part / f"scene_000001.{suffix}", scenes / part / f"copy.{suffix}")
    (scenes / "ImageSets/Main/val.txt").write_text("copy\nscene_000004\n")
    told, page = checked(scenes, code=2, capsys=capsys)
    assert told["leaks"] == {"same file": 1} and told["notes"]["picture in no split"] == 1
    (leak,) = told["listed"]["leaks"]
    assert (Path(leak["path"]).name, Path(leak["of"]).name) == ("copy.jpg", "scene_000001.jpg")
    assert "otherwise" not in leak["told"] and "In two splits" in page and page.count('<figure class="pair">') == 1


def test_train_of_one_set_leaks_into_val_of_another(scenes, tmp_path):
    other = tmp_path / "other"
    write_picture(other / "JPEGImages/x.jpg", scene_of(scenes, 2), 60)
    (other / "Annotations").mkdir()
    (other / "Annotations/x.xml").write_text("<annotation></annotation>")
    (other / "ImageSets/Main").mkdir(parents=True)
    (other / "ImageSets/Main/val.txt").write_text("x\n")
    found = found_in(scenes, other)
    assert [leak.second.split.title for leak in found.leaks] == ["other val"] and not found.clean
    (other / "ImageSets/Main/val.txt").rename(other / "ImageSets/Main/train.txt")
    found = found_in(scenes, other)
    assert found.clean and kinds_of(found)["picture twice"] == 1


def test_valid_is_val_and_yolo_sets_are_checked_alike(scenes, tmp_path):
    place = write_yolo(tmp_path / "yolo", Shot("a.jpg"), split="train")
    write_yolo(place, Shot("b.jpg", (("head", (0, 0, 9, 9)),)), split="valid")
    for name in ("images/train/a.jpg", "images/valid/b.jpg"):
        write_picture(place / name, scene_of(scenes, 0)[:40, :60])
    (place / "labels/train/gone.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    found = found_in(place)
    assert [leak.twin.relation for leak in found.leaks] == ["same file"] and len(found.splits) == 2
    assert [note.path.name for note in found.notes if note.kind == "labels in no split"] == ["gone.txt"]


@pytest.mark.parametrize("seed", range(4))
def test_pictures_made_anew_are_found_and_different_ones_are_not(seed):
    frames = [patches(seed * 100 + number) for number in range(12)]
    assert not twins_of(frames, [patches(seed * 100 + number) for number in range(50, 62)])
    for make in MADE_ANEW.values():
        found = twins_of(frames, [make(frame) for frame in frames])
        assert [(twin.first, twin.second, twin.relation) for twin in found] == [
            (row, row + len(frames), "same picture") for row in range(len(frames))]
    found = twins_of(frames, [coded(np.ascontiguousarray(frame[:, ::-1]), 40) for frame in frames])
    assert {twin.relation for twin in found} == {"mirrored"} and len(found) == len(frames)


def test_somebody_who_walks_by_makes_a_view_the_same_not_the_picture():
    for seed in range(10):
        later = patches(seed)
        later[20:110, 45:90] = patches(seed + 50)[20:110, 45:90]
        (twin,) = twins_of([patches(seed)], [later])
        assert twin.relation == "same view" and twin.across


def test_black_frames_are_no_twins():
    rng = np.random.default_rng(0)
    assert not twins_of([rng.integers(0, 5, (120, 160, 3), np.uint8) for _ in range(5)],
                        [rng.integers(0, 5, (120, 160, 3), np.uint8) for _ in range(5)])


def test_twins_far_apart_in_a_large_set_are_found():
    frames = [patches(seed, 24, 32) for seed in range(700)]
    (twin,) = twins_of(frames, [coded(frames[3], 60)])
    assert (twin.first, twin.second) == (3, 700)


def test_files_that_no_split_names_are_noted_unless_splits_are_chosen(scenes):
    write_picture(scenes / "JPEGImages/forgotten.jpg", patches(1))
    shutil.copy(scenes / "Annotations/scene_000000.xml", scenes / "Annotations/left.xml")
    write_picture(scenes / "SegmentationClass/scene_000000.png", patches(2))
    found = found_in(scenes)
    assert found.clean and {(note.kind, note.path.name) for note in found.notes if "no split" in note.kind} == {
        ("picture in no split", "forgotten.jpg"), ("labels in no split", "left.xml")}
    found = found_in(scenes, splits=("val",))
    assert not any("no split" in kind for kind in kinds_of(found)) and len(found.seen) == VAL


def test_sums_of_splits_and_lists_of_single_classes_are_no_splits_of_their_own(scenes):
    lists = scenes / "ImageSets/Main"
    for name in ("trainval", "helmet_train", "test", "night"):
        (lists / f"{name}.txt").write_text("scene_000000\n")
    assert splits_of(scenes) == ["train", "val", "test", "night"]


def odd_kinds(*boxes: tuple[float, float, float, float], labels: tuple[int, ...], ignored: bool = False) -> set[str]:
    corners = np.array(boxes, np.float32)
    labelled = Labelled(Path("x.jpg"), corners, np.array(labels), np.full(len(labels), ignored), None)
    return {odd.kind for odd in odd_labels(labelled, (corners[:, 2:] - corners[:, :2]).astype(np.float64))}


def test_labels_worth_a_look():
    assert odd_kinds((0, 0, 20, 24), (30, 0, 50, 24), labels=(0, 1)) == set()
    assert odd_kinds((0, 0, 3, 8), labels=(0,)) == {"tiny box"}
    assert odd_kinds((0, 0, 10, 60), labels=(0,)) == odd_kinds((0, 0, 60, 10), labels=(1,)) == {"odd shape"}
    assert odd_kinds((0, 0, 20, 24), (1, 0, 21, 24), labels=(0, 1)) == {"two classes at one place"}
    assert odd_kinds((0, 0, 20, 24), (0, 0, 20, 25), labels=(1, 1)) == {"box twice"}
    assert odd_kinds((0, 0, 3, 40), (0, 0, 3, 40), labels=(0, 1), ignored=True) == set()


def test_odd_labels_are_measured_in_pixels_of_the_square(tmp_path):
    things = (("head", (0, 0, 6, 6)), ("helmet", (0, 0, 6, 7)))
    place = write_voc(tmp_path / "set", Shot("a.jpg", things), split="train")
    assert kinds_of(found_in(place, side=32)) == {"tiny box": 1, "two classes at one place": 1}
    assert kinds_of(found_in(place)) == {"two classes at one place": 1}


@pytest.mark.parametrize("border", [cv2.BORDER_REFLECT, cv2.BORDER_REFLECT_101])
@pytest.mark.parametrize(("sides", "bands"), [("tb", (64, 64)), ("tb", (20, 21)), ("lr", (33, 32))])
def test_mirrored_bands_are_found_to_the_pixel(rendered, border, sides, bands):
    for number in range(TRAIN):
        frame = scene_of(rendered, number)
        edges = (*bands, 0, 0) if sides == "tb" else (0, 0, *bands)
        padded = coded(cv2.copyMakeBorder(frame, *edges, border), 70)
        assert mirror_bands(grey_of(padded)) == (sides, max(bands))
        assert mirror_bands(grey_of(frame)) is None
        assert mirror_bands(grey_of(cv2.copyMakeBorder(frame, *edges, cv2.BORDER_CONSTANT))) is None
        assert mirror_bands(grey_of(frame[:6, :6])) is None, "too small to tell"


def test_the_suggested_line_of_the_bands_file_settles_the_note(scenes, capsys):
    padded = cv2.copyMakeBorder(scene_of(scenes, 0), 64, 64, 0, 0, cv2.BORDER_REFLECT)
    add(scenes, "train", "padded", padded, "scene_000000")
    told, page = checked(scenes, code=0, capsys=capsys)
    assert told["notes"] == {"mirrored bands": 1, "no objects": 1} and "padded\ttb\t64" in page
    (scenes / "mirror_bands.tsv").write_text("padded\ttb\t64\n")
    assert kinds_of(found_in(scenes)) == {"picture twice": 1, "no objects": 1}, "seen to be one, once it is cut"


def test_a_split_or_folder_that_is_not_there_is_told(scenes, tmp_path, capsys):
    assert run_door(main, [str(scenes), "--split", "tset", "--out", str(tmp_path / "out")]) == 2
    assert "--split tset" in (told := capsys.readouterr().err) and "train" in told
    assert run_door(main, [str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 2
    assert "absent" in capsys.readouterr().err


def test_a_folder_without_labels_ends_in_a_fault_and_a_page(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    told, page = checked(tmp_path / "empty", code=2, capsys=capsys)
    assert told["faults"] == {"unreadable list": 1} and told["pictures"] == 0 and "<h2>Faults</h2>" in page


def test_a_set_whose_list_is_empty_is_not_clean(tmp_path):
    listing = tmp_path / "gate3/ImageSets/Main/train.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("")
    found = found_in(tmp_path / "gate3")
    assert not found.clean and [fault.told for fault in found.faults] == ["its train split names no picture"]


def test_photos_that_occur_twice_in_the_real_sets_are_found(real_data):
    """Stretched to a square in one source, padded with mirror bands in the other."""
    pairs = {"hc_000345": "214", "hc_000616": "212", "hc_000115": "454", "hc_000120": "115", "hc_000365": "406",
             "hc_000362": "398"}
    wanted = {*pairs, *(f"hhw_hard_hat_workers{number}" for number in pairs.values())}
    labelled = scan_split(real_data / "helmets", "train", CLASSES).labelled
    chosen = sorted((one for row, one in enumerate(labelled) if one.path.stem in wanted or row % 50 == 0),
                    key=lambda one: one.path.stem)
    found = find_twins([look_at(grey_of(one.read())) for one in chosen], [one.path.stem for one in chosen],
                       ["train"] * len(chosen))
    assert {chosen[twin.first].path.stem: chosen[twin.second].path.stem.removeprefix("hhw_hard_hat_workers")
            for twin in found} == pairs


def test_bands_of_real_padded_pictures_are_those_that_the_file_names(real_data):
    rows = [line.split("\t") for line in (real_data / "helmets/mirror_bands.tsv").read_text().splitlines()[1::15]]
    assert len(rows) > 20
    for stem, sides, pixels in rows:
        grey = grey_of(read_picture(real_data / f"helmets/JPEGImages/{stem}.jpg"))
        assert mirror_bands(grey) == (sides, int(pixels))
    others = sorted((real_data / "heads/JPEGImages").glob("*.jpg"))[::20]
    assert not [path for path in others if mirror_bands(grey_of(read_picture(path)))]
