"""The gate: what is over the budget is mended or refused, and nothing is written that loses heads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from broken import break_channel
from conftest import ROOT
from label_sets import thing
from minecalib.gate.exam import Exam
from minecalib.gate.loss import Budget, loss_of, recall_loss
from minecalib.gate.rendered import render
from minecalib.gate.search import MOST_TRIES, fewest
from minecalib.graph import Wiring
from minecalib.placement import KEY, Placement
from minehat import scenes
from minehat.card import read_card
from minehat.errors import MineHatError
from minehat.labels import read_split
from minehat.onnx_metadata import read_metadata
from minehat.pictures import write_picture
from minehat.scoring.paired import hits_of
from test_quantize import quantize

NANO = ROOT / "models" / "helmet-nano" / "helmet-nano.onnx"
CLASSES = ("helmet", "head")


def write_scenes(folder: Path, split: str, seed: int, count: int) -> None:
    """Frames of one gallery as a Pascal VOC split."""
    stems = []
    for number, scene in enumerate(scenes.film(seed, count, 416, 240, fps=0.3, people=8)):
        stems.append(f"{split}{number:02}")
        write_picture(folder / "JPEGImages" / f"{stems[-1]}.png", scene.frame)
        things = [thing(CLASSES[label], *(round(float(side)) + 1 for side in box))
                  for label, box in zip(scene.labels, scene.boxes, strict=True)]
        path = folder / "Annotations" / f"{stems[-1]}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(annotation_of(things))
    listing = folder / "ImageSets" / "Main" / f"{split}.txt"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text("".join(f"{stem}\n" for stem in stems))


def annotation_of(things: list[str]) -> str:
    return f"<annotation><size><width>416</width><height>240</height></size>{''.join(things)}</annotation>"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    write_scenes(folder, "train", 31, 10)
    write_scenes(folder, "val", 32, 14)
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The shipped model with a channel that INT8 cannot hold, and the layer's name."""
    path = tmp_path_factory.mktemp("broken") / "broken.onnx"
    return path, break_channel(NANO, path, chain=3)


def gate(model: Path, gallery: Path, out: Path, *flags: object, rendered: int = 0) -> int:
    return quantize(model, "--images", gallery / "ImageSets/Main/train.txt", "--gate", gallery, "--rendered", rendered,
                    *flags, "-o", out)


def lifted_in(path: Path) -> tuple[str, ...]:
    return Placement.from_json(read_metadata(path)[KEY]).lifted


@pytest.mark.parametrize("needed", [{"c"}, {"a", "g"}, {"h", "b", "e"}, set("abcdefgh"), set()])
def test_exactly_the_layers_that_are_needed_are_found(needed: set[str]) -> None:
    asked: list[frozenset[str]] = []

    def holds(lifted: frozenset[str]) -> bool:
        asked.append(lifted)
        return needed <= lifted

    assert fewest("abcdefgh", holds) == needed
    assert len(asked) == len(set(asked))


def test_a_good_guess_costs_few_tries_and_none_is_endless() -> None:
    suspects = [str(number) for number in range(300)]
    asked: list[frozenset[str]] = []

    def wants(needed: set[str]) -> Iterator[frozenset[str] | None]:
        asked.clear()
        yield fewest(suspects, lambda lifted: not asked.append(lifted) and needed <= lifted)

    assert next(wants({"0"})) == {"0"} and len(asked) == 2
    found = next(wants(set(suspects[::2])))
    assert found is not None and set(suspects[::2]) <= found and len(asked) <= MOST_TRIES + 10


def test_where_nothing_helps_nothing_is_found() -> None:
    assert fewest("abc", lambda lifted: False) is None


def test_a_budget_is_met_to_the_last_digit_and_not_beyond(gallery: Path) -> None:
    card = read_card(NANO)
    exam = Exam("gallery", read_split(gallery, "val", CLASSES), card)
    answers = exam.sit({"fp32": onnx.load(NANO)})["fp32"]
    loss = loss_of(answers, answers, "head")
    assert loss.map50.drop == loss.recall.drop == 0 and loss.within(Budget(0, 0))
    hits, wanted = hits_of(answers.found, exam.truths, 1, card.conf)
    assert hits.sum() > 0
    blind = type(answers)(exam, tuple(found[found.labels == 0] for found in answers.found))
    lost = loss_of(answers, blind, "head")
    assert lost.recall.drop == pytest.approx(hits.sum() / wanted.sum())
    assert not lost.within(Budget(1, 0)) and lost.within(Budget(1, lost.recall.drop))
    together = recall_loss(answers, blind, "head", together=7)
    assert together is not None and together.drop == lost.recall.drop


def test_rendered_heads_are_as_many_as_asked_for_and_the_same_each_time(tmp_path: Path) -> None:
    card = read_card(NANO)
    first, second = (render(tmp_path / name, 20, card, "head") for name in "ab")
    assert sum(int((truth.labels == 1).sum()) for truth in first.truths) >= 20
    assert [truth.boxes.tolist() for truth in first.truths] == [truth.boxes.tolist() for truth in second.truths]
    assert (first.truths[0].read() == second.truths[0].read()).all() and first.lowest == card.conf


@pytest.mark.slow
def test_a_model_that_loses_nothing_passes_with_nothing_lifted(gallery: Path, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(NANO, gallery, tmp_path / "x.onnx", "--max-map-drop", 3, "--max-recall-drop", 10, rendered=30) == 0
    told = capsys.readouterr().err
    assert lifted_in(tmp_path / "x.onnx") == () and "rendered heads" in told
    assert [line.split()[0] for line in told.splitlines() if line.startswith(("fp32 ", "fp16 ", "int8 "))] == [
        "fp32", "fp16", "int8"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["tensorrt", "cpu"])
def test_exactly_the_broken_layer_is_lifted(gallery: Path, broken: tuple[Path, str], tmp_path: Path, form: str,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    model, culprit = broken
    budget = ["--max-map-drop", 4, "--max-recall-drop", 6]
    assert gate(model, gallery, tmp_path / "x.onnx", "--form", form, *budget) == 0
    assert lifted_in(tmp_path / "x.onnx") == (culprit,)
    rows = [line.split() for line in capsys.readouterr().err.splitlines()
            if line[:1].isdigit() and line.split()[1] != "layers"]
    assert {row[0]: "taken" in row for row in rows} == {"0": False, "1": True}
    assert float(next(row[3] for row in rows if row[0] == "0")) > 10  # points of mAP50 lost with the gate off


@pytest.mark.slow
def test_what_cannot_be_mended_is_refused_and_not_written(gallery: Path, broken: tuple[Path, str], tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(broken[0], gallery, tmp_path / "x.onnx", "--max-cost", 1) == 2
    assert not list(tmp_path.iterdir())
    assert "Nothing is written" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_the_gates_pictures_are_not_calibrated_on(gallery: Path, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--images", gallery, "--gate", gallery, "--rendered", 0, "--max-map-drop", 100, "--max-recall-drop", 100]
    assert quantize(NANO, *flags, "-o", tmp_path / "x.onnx") == 0
    told = capsys.readouterr().err
    assert "14 pictures of" in told and "pictures        10 used" in told


@pytest.fixture(scope="module")
def fine_tuned(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that brings its placement along, and whose training has spoilt it: it sees nothing any more."""
    folder = tmp_path_factory.mktemp("tuned")
    assert quantize(NANO, "--images", gallery / "ImageSets/Main/train.txt", "-o", folder / "int8.onnx") == 0
    model = onnx.load(NANO)
    wiring = Wiring(model)
    for node in wiring.last_convolutions:
        wiring.set_array(node.input[2], wiring.array(node.input[2]) - 20)
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, read_metadata(folder / "int8.onnx")[KEY]
    onnx.save(model, folder / "tuned.onnx")
    return folder / "tuned.onnx"


@pytest.mark.slow
def test_a_fine_tuned_model_is_no_measure_of_itself(gallery: Path, fine_tuned: Path, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--gate", gallery, "--rendered", 0, "-o", tmp_path / "x.onnx"]
    assert quantize(fine_tuned, *flags) == 2
    assert "--against" in capsys.readouterr().err.splitlines()[-1]
    assert quantize(fine_tuned, *flags, "--against", NANO) == 2
    told = capsys.readouterr().err
    assert "Nothing is written" in told.splitlines()[-1] and not list(tmp_path.iterdir())
    rows = {line.split()[0]: line.split()[1] for line in told.splitlines() if line.startswith(("fp32 ", "int8 "))}
    assert float(rows["fp32"]) > 40 > float(rows["int8"])
    assert quantize(fine_tuned, "-o", tmp_path / "x.onnx") == 0


@pytest.mark.parametrize(("flags", "said"), [
    (["--gate-class", "boots"], "boots"), (["--max-map-drop", -1], "--max-map-drop"),
    (["--rendered", -1], "--rendered"), (["--max-cost", 0.5], "--max-cost"), (["--gate-split", "none"], "none"),
    (["--map", "head=-"], "no head"),
])
def test_what_is_asked_wrongly_is_told_before_any_work(gallery: Path, tmp_path: Path, flags: list[object], said: str,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(NANO, gallery, tmp_path / "x.onnx", *flags) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1 and said in lines[0] and not list(tmp_path.iterdir())


def test_a_class_that_nobody_shows_cannot_be_guarded() -> None:
    card = read_card(NANO)
    exam = Exam("nothing", [], card)
    answers = exam.sit({"fp32": onnx.load(NANO)})["fp32"]
    with pytest.raises(MineHatError, match="no head"):
        loss_of(answers, answers, "head")
