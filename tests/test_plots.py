"""Plots and the contact sheet of the worst pictures: there, readable, and the worst first."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from minehat.detections import Detections, no_detections
from minehat.errors import MineHatError
from minehat.labels import Labelled
from minehat.pictures import picture_size, read_picture, write_picture
from minehat.scoring import detail
from minenet.plots import draw_worst, plot_detail, plot_history
from minenet.plots.worst import CAPTION, MARGIN, TILE

CLASSES = ("helmet", "head")
SPOT = np.array([[30, 30, 90, 90]], np.float32)


def ink(path) -> float:
    """Share of the pixels that are neither the white of the sheet nor nearly so."""
    return float((read_picture(path) < 200).any(axis=2).mean())


@pytest.fixture
def scored(tmp_path):
    """Three plain pictures of a bare head each: red unseen, green seen rightly, blue seen as a helmet."""
    truths, found = [], []
    for name, colour, label in (("red", (0, 0, 200), None), ("green", (0, 200, 0), 1), ("blue", (200, 0, 0), 0)):
        path = tmp_path / f"{name}.png"
        write_picture(path, np.full((160, 200, 3), colour, np.uint8))
        truths.append(Labelled(path, SPOT, np.array([1]), np.array([False]), None, (200, 160)))
        found.append(no_detections() if label is None else
                     Detections(SPOT + 3, np.array([0.9], np.float32), np.array([label])))
    return truths, found


def test_a_history_is_drawn_whatever_columns_its_rows_have(tmp_path):
    rows = [{"epoch": epoch, "lr": 0.01 / epoch, "loss": 9 / epoch, "box": 3 / epoch} for epoch in range(1, 30)]
    plot_history(rows, tmp_path / "bare.png")
    scored = [row | ({"map50": 0.8, "map": 0.4, "ap50_head": 0.7, "recall_head": 0.9} if row["epoch"] % 5 == 0 else {})
              for row in rows]
    plot_history([*scored, {"loss": float("nan"), "own": 1.0}], tmp_path / "full.png")
    plot_history([], tmp_path / "empty.png")
    assert all(picture_size(tmp_path / f"{name}.png")[0] == 1200 for name in ("bare", "full", "empty"))
    assert ink(tmp_path / "empty.png") < ink(tmp_path / "bare.png") < ink(tmp_path / "full.png")


def test_a_detail_becomes_four_plots_with_or_without_anything_to_show(tmp_path, scored):
    truths, found = scored
    plot_detail(detail(found, truths, CLASSES, 0.25), tmp_path / "plots")
    plot_detail(detail([], [], CLASSES, 0.25), tmp_path / "nothing")
    for name in ("pr.png", "thresholds.png", "sizes.png", "confusion.png"):
        assert picture_size(tmp_path / "plots" / name)[0] == 1200
        assert ink(tmp_path / "plots" / name) > ink(tmp_path / "nothing" / name) > 0


def middle_of_tile(sheet, column):
    left = MARGIN + column * (TILE[1] + MARGIN)
    return sheet[2 * CAPTION + TILE[0] - 60, left + TILE[1] // 2]


def test_the_worst_pictures_come_first_and_faultless_ones_not_at_all(tmp_path, scored):
    truths, found = scored
    draw_worst(truths, found, CLASSES, 0.25, tmp_path / "worst.png")
    sheet = read_picture(tmp_path / "worst.png")
    assert middle_of_tile(sheet, 0).tolist() == [200, 0, 0]  # blue: seen as a helmet
    assert middle_of_tile(sheet, 1).tolist() == [0, 0, 200]  # red: unseen
    assert middle_of_tile(sheet, 2).tolist() == [255, 255, 255]
    draw_worst(truths, found, CLASSES, 0.25, tmp_path / "one.png", count=1)
    assert middle_of_tile(read_picture(tmp_path / "one.png"), 1).tolist() == [255, 255, 255]


def test_truth_and_found_are_drawn_apart(tmp_path, scored):
    """What is missed is dashed: its line is not all of one colour. What is found is solid."""
    truths, found = scored
    draw_worst(truths, found, CLASSES, 0.25, tmp_path / "worst.png")
    sheet = read_picture(tmp_path / "worst.png")
    top, left = 2 * CAPTION, MARGIN
    solid = sheet[top + round(93 * TILE[1] / 200) - 13, left + 100:left + 220]  # lower edge of the helmet box
    dashed = sheet[top + round(90 * TILE[1] / 200) - 13, left + 532 + 100:left + 532 + 220]
    assert len(np.unique(solid, axis=0)) == 1 and len(np.unique(dashed, axis=0)) > 1


def test_nothing_wrong_is_said(tmp_path):
    draw_worst([], [], CLASSES, 0.25, tmp_path / "worst.jpg")
    assert ink(tmp_path / "worst.jpg") > 0


def test_matplotlib_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MineHatError, match="matplotlib is missing"):
        plot_history([], tmp_path / "curves.png")
