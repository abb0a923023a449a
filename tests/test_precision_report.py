"""The precision report: every layer is there, warnings where they are due, lost heads first, nothing from outside."""

from __future__ import annotations

import html
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import minehat
import numpy as np
import onnx
import pytest
from broken import break_channel
from label_sets import CLASSES, Shot, annotation, thing
from minecalib.gate.exam import Answers, Exam
from minecalib.gate.loss import Budget, loss_of
from minecalib.gate.trial import Trial, Tried
from minecalib.images import Squares, find_pictures
from minecalib.job import Job, open_job
from minecalib.lowering import FORMS, Wish
from minecalib.parent import open_parent
from minecalib.ranges import Clipping, Histogram
from minecalib.report import Outcome, write_report
from minecalib.report.decisions import changes_of, shift_of, totals
from minecalib.report.grids import bars, grids, shares, worst
from minecalib.report.layers import drifts, from_blocks
from minecalib.report.pictures import MOST, shown
from minehat.detections import Detections, no_detections
from minehat.labels import Labelled, read_split
from minehat.pictures import read_picture, write_picture
from test_quantize import quantize, write_frames
from tiny import tiny_card, tiny_onnx

HELMET, HEAD = 0, 1
LEFT, RIGHT = (10.0, 10.0, 30.0, 30.0), (60.0, 10.0, 80.0, 30.0)
Seen = tuple[tuple[float, float, float, float], float, int]  # box, score, label


class Balanced(HTMLParser):
    """Asserts that what is opened is closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), 12)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small model that is right in FP32, that one channel breaks in INT8; and the layer that does."""
    folder = tmp_path_factory.mktemp("broken")
    return folder / "broken.onnx", break_channel(tiny_onnx(folder), folder / "broken.onnx", chain=3)


@pytest.fixture(scope="module")
def gallery(broken: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures labelled with what the FP32 model sees best in them."""
    folder = tmp_path_factory.mktemp("gallery")
    for part in ("Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    paths = sorted(write_frames(folder / "JPEGImages", 6, seed=5).iterdir())
    with minehat.open(broken[0]) as detector:
        for path in paths:
            found = detector(read_picture(path))[:6]
            things = [thing(CLASSES[label], *(round(float(side)) for side in (x0 + 1, y0 + 1, x1, y1)))
                      for label, (x0, y0, x1, y1) in zip(found.labels, found.boxes, strict=True)]
            (folder / "Annotations" / f"{path.stem}.xml").write_text(
                annotation(Shot(path.name, (), (168, 120)), *things))
    (folder / "ImageSets/Main/val.txt").write_text("".join(f"{path.stem}\n" for path in paths))
    return folder


@pytest.fixture(scope="module")
def job(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return job_of(tiny_onnx(tmp_path_factory.mktemp("parent")), frames)


@pytest.fixture(scope="module")
def broken_job(broken: tuple[Path, str], frames: Path) -> Job:
    return job_of(broken[0], frames)


def job_of(path: Path, frames: Path) -> Job:
    parent = open_parent(path)
    squares = Squares(find_pictures([frames], parent.card.classes), parent.card)
    squares.survey()
    return open_job(parent, Wish(equalise=False), squares, None)


def batches(job: Job) -> list[np.ndarray]:
    return [batch for _, batch in job.squares.some(2).walk("test")]


def words_of(page: str) -> str:
    """What the page says, without marks and style."""
    return " ".join(html.unescape(re.sub(r"<style.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.S)).split())


def test_the_page_of_a_model_that_was_mended_says_how(broken_job: Job, broken: tuple[Path, str], gallery: Path,
                                                      tmp_path: Path) -> None:
    exam = Exam("gallery", read_split(gallery, "val", CLASSES), broken_job.parent.card)
    parent = exam.sit({"fp32": broken_job.parent.model})["fp32"]
    tried = []
    for lifted in ((), (broken[1],)):
        answers = exam.sit({"int8": broken_job.lowered(lifted).judged})["int8"]
        loss = loss_of(parent, answers, "head")
        tried.append(Tried(frozenset(lifted), answers, loss, 1.0 + len(lifted), None, loss.within(Budget())))
    trial = Trial(exam, Budget(), broken_job.wish, parent, None, tried, chosen=tried[1])
    outcome = Outcome(broken_job.lowered([broken[1]]), trial)
    write_report(tmp_path / "x.html", broken_job, outcome, [], broken_job.parent.path)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    words = words_of(page)
    assert "Passed" in words and re.search(r"Layers lifted from INT8, 1 of \d+", words) and "DOMAIN GAP" not in words
    assert all(row in words for row in ("FP32", "INT8, as first tried", "INT8, 1 lifted"))
    assert page.count('<td class="left">lifted</td>') == len(readers_of(broken))
    assert "Decisions that changed" in words and page.count("data:image/webp") >= 2
    Balanced(page)
    assert_alone(page)


@pytest.mark.slow
def test_a_refusal_leaves_a_page_and_no_model(broken: tuple[Path, str], frames: Path, gallery: Path, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize(broken[0], "--images", frames, "--gate", gallery, "--rendered", 0, "--max-cost", 1,
                    "--report", tmp_path / "x.html", "-o", tmp_path / "x.onnx") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    words = words_of(page)
    assert f"Refused {capsys.readouterr().err.splitlines()[-1].partition(': ')[2]}" in words
    assert "made nothing" in words and "FP16" in words
    assert_alone(page)


def test_without_a_gate_it_says_so_and_warns_of_a_site_that_looks_otherwise(
        broken: tuple[Path, str], frames: Path, tmp_path: Path) -> None:
    for row in range(3):
        write_picture(tmp_path / "red" / f"{row}.png", np.full((90, 120, 3), (0, 0, 255 - row), np.uint8))
    broken_picture = tmp_path / "torn.jpg"
    broken_picture.write_text("not a picture")
    sources = [flag for source in (frames, broken_picture) for flag in ("--images", source)]
    code = quantize(broken[0], *sources, "--form", "cpu", "--site", tmp_path / "red", "--report",
                    tmp_path / "x.html", "-o", tmp_path / "x.onnx")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    words = words_of(page)
    assert code == 3 and "Not gated" in words and "torn.jpg" in words
    assert words.index("DOMAIN GAP") < words.index("What was made from what")
    assert all(name in words for name in names_of_convolutions(broken[0]))
    Balanced(page)
    assert_alone(page)


def assert_alone(page: str) -> None:
    """Nothing is fetched, nothing runs."""
    assert not re.search(r"<script|<link|@import|url\((?!#)", page)
    fetched = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(address.startswith(("data:", "#")) for address in fetched)
    assert not re.search(r"https?://(?!www\.w3\.org|purl\.org|creativecommons\.org|matplotlib\.org)", page)


def names_of_convolutions(path: Path) -> list[str]:
    return [node.input[1].removeprefix("network.").removesuffix(".weight") for node in onnx.load(path).graph.node
            if node.op_type == "Conv"]


def readers_of(broken: tuple[Path, str]) -> list[str]:
    return [node.input[1].removeprefix("network.").removesuffix(".weight") for node in onnx.load(broken[0]).graph.node
            if node.op_type == "Conv" and node.input[0] == broken[1]]


@pytest.mark.parametrize("form", FORMS)
def test_drift_is_told_of_every_layer_in_the_order_of_the_graph(job: Job, form: str) -> None:
    lowered = replace(job, wish=Wish("int8", form)).lowered()
    found = drifts(job, lowered, batches(job), ())
    assert [one.name for one in found] == [*names_of_convolutions(job.parent.path), "scores"]
    assert all(one.sqnr > 1 and 0.5 < one.cosine <= 1 + 1e-9 for one in found)
    assert found[0].sqnr > 25  # in the CPU form its output is arranged otherwise


def test_the_fall_is_where_the_break_is(broken: tuple[Path, str], broken_job: Job) -> None:
    *layers, _ = drifts(broken_job, broken_job.lowered(), batches(broken_job), ())
    falls = [before.sqnr - after.sqnr for before, after in pairwise(layers)]
    assert layers[1 + int(np.argmax(falls))].name in readers_of(broken)


def test_a_model_does_not_drift_from_itself(job: Job) -> None:
    same = replace(job.lowered(), judged=job.parent.model, placement=None)
    assert all(np.isinf(one.sqnr) and one.cosine == pytest.approx(1) for one in drifts(job, same, batches(job), ()))


def test_what_the_stem_puts_into_blocks_is_put_back() -> None:
    picture = np.random.default_rng(0).random((1, 2, 6, 8))
    blocks = np.stack([picture[:, :, row::2, column::2] for row in range(2) for column in range(2)], axis=1)
    assert (from_blocks(blocks.reshape(1, 8, 3, 4)) == picture).all()


@pytest.mark.parametrize("form", FORMS)
def test_every_pair_has_its_range_and_what_calibration_put_into_it(job: Job, form: str) -> None:
    ours = replace(job, wish=Wish("int8", form, Clipping("percentile", 99.9)))
    lowered = ours.lowered()
    found = grids(ours, lowered, [])
    assert lowered.placement and [one.pair for one in found] == list(lowered.placement.pairs)
    assert [one.name for one in found if one.seen is None] == ["input"]
    assert all(one.clipped is not None and one.clipped < 0.05 and 0 < (one.used or 0) <= 1 for one in found if one.seen)
    drawn = worst(found)
    assert len({one.pair.tensor for one in drawn}) == len(drawn) == 12
    most = max(one.clipped or 0 for one in found)
    assert drawn[0].clipped == most > 0
    edges = bars(drawn[0])
    assert drawn[0].seen and shares(drawn[0].seen, edges).sum() == pytest.approx(1, abs=1e-3)  # to a bin


def test_shares_are_those_of_the_values() -> None:
    counts = np.array([0, 1, 2, 1])
    histogram = Histogram(-0.5, 1.0, -1.0, 1.0, counts)
    assert shares(histogram, np.array([-1, 0, 1])).tolist() == [0.25, 0.75]
    assert shares(histogram, np.array([0, 0.25, 0.5])).tolist() == [0.25, 0.25]


def found_of(*seen: Seen) -> Detections:
    boxes, scores, labels = zip(*seen, strict=True)
    return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(labels))


def answers_of(folder: Path, truth: list[Seen], *pictures: tuple[list[Seen], list[Seen]]) -> tuple[Answers, Answers]:
    """The same truth in all pictures; what the one and the other model finds in each."""
    truths = []
    for row in range(len(pictures)):
        write_picture(folder / f"{row}.png", np.full((120, 160, 3), 10 * row, np.uint8))
        boxes, _, labels = zip(*truth, strict=True)
        truths.append(Labelled(folder / f"{row}.png", np.array(boxes, np.float32), np.array(labels),
                               np.zeros(len(truth), bool), None))
    exam = Exam("made up", truths, tiny_card())
    ours, theirs = (tuple(found_of(*seen) if seen else no_detections() for seen in column)
                    for column in zip(*pictures, strict=True))
    return Answers(exam, ours), Answers(exam, theirs)


TRUTH: list[Seen] = [(LEFT, 1.0, HELMET), (RIGHT, 1.0, HEAD)]
BOTH: list[Seen] = [(LEFT, 0.9, HELMET), (RIGHT, 0.8, HEAD)]
FALSE: Seen = ((100.0, 60.0, 120.0, 80.0), 0.4, HEAD)


def test_lost_heads_come_first_and_pictures_without_a_change_not_at_all(tmp_path: Path) -> None:
    pictures = [(BOTH, BOTH), (BOTH, BOTH[1:]), (BOTH, [*BOTH, FALSE]), (BOTH, [BOTH[0], (RIGHT, 0.2, HEAD)]),
                (BOTH[:1], BOTH), ([*BOTH, FALSE], [*BOTH, ((103.0, 60.0, 123.0, 80.0), 0.3, HEAD)])]
    parent, child = answers_of(tmp_path, TRUTH, *pictures)
    changes = changes_of(parent, child, "head")
    assert [one.row for one in changes] == [3, 1, 2, 4]
    assert totals(changes, parent.exam.truths, 2).tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]
    told = [both.told for both in shown(changes, parent.exam)]
    assert told == ["lost head 1", "lost helmet 1", "new false head 1", "now found head 1"]
    assert changes_of(child, parent, "head")[0].row == 4
    assert not changes_of(parent, parent, "head")


def test_scores_are_matched_by_place_and_class(tmp_path: Path) -> None:
    moved = [((12.0, 10.0, 32.0, 30.0), 0.7, HELMET), (RIGHT, 0.85, HELMET), (RIGHT, 0.001, HEAD)]
    parent, child = answers_of(tmp_path, TRUTH, (BOTH, moved), (BOTH, []), ([], BOTH))
    shift = shift_of(parent, child)
    assert shift.before.tolist() == pytest.approx([0.9]) and shift.after.tolist() == pytest.approx([0.7])
    assert shift.labels.tolist() == [HELMET]


def test_pictures_are_few_small_and_show_what_is_meant(tmp_path: Path) -> None:
    parent, child = answers_of(tmp_path, TRUTH, *[(BOTH, BOTH[:1])] * (MOST + 3))
    pictures = shown(changes_of(parent, child, "head"), parent.exam)
    assert len(pictures) == MOST
    for both in pictures:
        assert both.before.startswith("data:image/webp") and both.before != both.after
        (mark,) = both.marks
        assert mark.left >= 0 and mark.left + mark.width <= both.width and mark.top + mark.height <= both.height
        assert mark.width > both.width / 10
        assert len(both.before) + len(both.after) < 80_000


@pytest.mark.parametrize(("report", "absent", "said"), [
    ("x.html", "jinja2", "Jinja2 is missing"), ("x.html", "matplotlib", "matplotlib is missing"),
    ("x.pdf", None, "must end in .html"), ("held/x.html", None, "is a file, not a folder"),
])
def test_what_stands_in_the_way_of_a_report_is_told_before_any_work(
        broken: tuple[Path, str], frames: Path, tmp_path: Path, report: str, absent: str | None, said: str,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "held").write_text("")
    if absent:
        monkeypatch.setitem(sys.modules, absent, None)
    capsys.readouterr()
    assert quantize(broken[0], "--images", frames, "--report", tmp_path / report, "-o", tmp_path / "x.onnx") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and [path.name for path in tmp_path.iterdir()] == ["held"]
