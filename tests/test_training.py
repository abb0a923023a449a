"""Training: who answers for a box, the loss, batches, the schedule, checkpoints, what a few steps learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from minehat.errors import MineHatError
from minenet.checkpoint import load_checkpoint, save_checkpoint
from minenet.data.augment import Augmentation
from minenet.data.batches import Turn, batches, box_sizes, epoch_order
from minenet.data.sources import Sample, Source
from minenet.loss import LossSettings, assign_all, complete_iou, yolo_loss
from minenet.network import MineNet, Recipe, decode
from minenet.training.schedule import rate_at, size_at
from minenet.training.settings import MODES, TrainSettings
from squares import run_of, squares
from tiny import tiny_card, tiny_network

RECIPE = Recipe("nano")
SEVERAL = Recipe("nano", cells=3)


def test_every_box_has_an_anchor_that_answers_and_it_is_the_best_one():
    truths = torch.tensor([[0, 1, 10, 10, 30, 40], [1, 0, 50, 20, 250, 330.0]])
    rows = assign_all(truths, 416, RECIPE, near=1.0)
    assert [len(r.labels) for r in rows] == [1, 0, 1]
    fine, deep = rows[0], rows[2]
    assert (int(fine.image), int(fine.anchor), int(fine.row), int(fine.column), int(fine.labels)) == (0, 1, 3, 2, 1)
    assert (int(deep.image), int(deep.anchor), int(deep.row), int(deep.column), int(deep.labels)) == (1, 1, 5, 4, 0)


def test_with_three_cells_the_two_nearest_answer_too_but_for_those_outside_the_map():
    truths = torch.tensor([[0, 1, 10, 10, 30, 40], [0, 0, 0, 0, 6, 8.0]])  # centres 2.5 3.1 and 0.4 0.5, in cells of 8
    found = assign_all(truths, 416, SEVERAL, near=1.0)[0]
    cells = sorted(zip(found.labels.tolist(), found.column.tolist(), found.row.tolist(), strict=True))
    assert cells == [(0, 0, 0), (0, 0, 1), (1, 2, 2), (1, 2, 3), (1, 3, 3)]


def maps_that_say(truths, recipe, size=96):
    """Raw maps that place each truth exactly, in every cell and anchor that answers for it."""
    maps = [torch.full((1, 14, size // s, size // s), -12.0) for s in (8, 16, 32)]
    logit = lambda p: torch.log(p / (1 - p))  # noqa: E731
    for scale, found in enumerate(assign_all(truths, size, recipe, 1.0)):
        stride = (8, 16, 32)[scale]
        fields = maps[scale].view(1, 2, 7, size // stride, size // stride)
        for k in range(len(found.labels)):
            corner = torch.stack([found.column[k], found.row[k]]) - (recipe.reach - 1) / 2
            centre = (found.boxes[k, :2] + found.boxes[k, 2:]) / 2 / stride
            sides = found.boxes[k, 2:] - found.boxes[k, :2]
            anchor = torch.tensor(recipe.anchors_of(scale)[int(found.anchor[k])])
            classes = torch.tensor([12.0, -12.0] if found.labels[k] == 0 else [-12.0, 12.0])
            fields[0, found.anchor[k], :, found.row[k], found.column[k]] = torch.cat(
                [logit((centre - corner) / recipe.reach), torch.log(sides / anchor), torch.tensor([12.0]), classes])
    return maps


@pytest.mark.parametrize("recipe", [RECIPE, SEVERAL], ids=["one cell", "three cells"])
@pytest.mark.parametrize("box", ["ciou", "yolov3"])
def test_the_loss_is_small_when_the_maps_say_what_is_there_and_grows_when_they_do_not(box, recipe):
    truths = torch.tensor([[0, 1, 20.0, 20.0, 41.0, 53.0]])
    settings, found = LossSettings(box=box, near=1.0), assign_all(truths, 96, recipe, 1.0)
    answering = len(found[0].labels)
    right = maps_that_say(truths, recipe)
    boxes, scores = decode(right, recipe)
    best = yolo_loss(right, truths, found, recipe, settings)
    wrong = [m.clone() for m in right]
    for k in range(answering):
        fields = wrong[0].view(1, 2, 7, 12, 12)
        fields[0, found[0].anchor[k], 2:4, found[0].row[k], found[0].column[k]] += 1.0
    worse = yolo_loss(wrong, truths, found, recipe, settings)
    least = 1.4 if box == "yolov3" else 0.05  # cross-entropy on a centre inside its cell cannot reach 0
    assert answering == recipe.cells and best.sum() < least * answering and worse[0] > best[0] + 0.5 * answering
    right_ones = (boxes[0] - truths[0, 2:]).abs().max(dim=1).values < 1e-3
    assert right_ones.sum() == answering and (scores[0, right_ones, 1] > 0.99).all()


def test_complete_iou_is_one_for_equal_boxes_and_negative_far_away():
    a = torch.tensor([[0, 0, 10, 20], [0, 0, 10, 20.0]])
    b = torch.tensor([[0, 0, 10, 20], [200, 200, 240, 220.0]])
    same, far = complete_iou(a, b)
    assert same == pytest.approx(1, abs=1e-4) and far < 0


def all_batches(order, how, epoch=2, **turn):
    return list(batches(order, Turn(3, epoch, 4, **turn), lambda step: 96, how))


def test_batches_depend_on_seed_and_epoch_alone_and_may_begin_anywhere():
    sources = [Source("a", squares(6), 1.0), Source("b", squares(10), 0.4)]
    order = epoch_order(sources, seed=3, epoch=2)
    once, again = all_batches(order, Augmentation()), all_batches(order, Augmentation())
    (late,) = all_batches(order, Augmentation(), first=1)
    other = all_batches(epoch_order(sources, 3, 3), Augmentation(), epoch=3)[0]
    assert len(order) == 10 and len(once) == 2
    assert all(torch.equal(x.images, y.images) and torch.equal(x.truths, y.truths)
               for x, y in zip(once, again, strict=True))
    assert torch.equal(late.images, once[1].images) and late.names == once[1].names
    assert not torch.equal(once[0].images, other.images)
    assert once[0].images.shape == (4, 3, 96, 96) and once[0].truths.shape[1] == 6 and len(once[0].names) == 4


def test_processes_share_every_batch_between_them():
    order = epoch_order([Source("a", squares(9), 1.0)], 3, 2)
    whole = all_batches(order, Augmentation())
    halves = [all_batches(order, Augmentation(), rank=rank, processes=2) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        assert torch.equal(torch.cat([half[step].images for half in halves]), batch.images)
        for rank, half in enumerate(halves):
            assert torch.equal(half[step].truths, batch.rows(2 * rank, 2).truths)


def test_a_set_is_drawn_as_often_as_its_share_says():
    sources = [Source("a", squares(10), 2.5), Source("b", squares(4, name="b"), 0.5)]
    names = [sample.name for epoch in range(4) for sample in epoch_order(sources, 0, epoch)]
    counts = {name: names.count(name) for name in set(names)}
    assert len(names) == 4 * (25 + 2)
    assert all(8 <= count <= 12 for name, count in counts.items() if name.startswith("square"))


def test_a_crowd_does_not_make_the_anchors():
    """Forty pictures of two large heads against four of a hundred small ones."""
    large, small = np.array([[0, 0, 40, 50.0]], np.float32), np.array([[0, 0, 6, 8.0]], np.float32)
    pairs = [Sample(np.zeros((96, 96, 3), np.uint8), np.repeat(large, 2, 0), np.zeros(2, int)) for _ in range(40)]
    crowds = [Sample(np.zeros((96, 96, 3), np.uint8), np.repeat(small, 100, 0), np.ones(100, int)) for _ in range(4)]
    sizes = box_sizes([Source("pairs", pairs, 1.0), Source("crowds", crowds, 1.0)], seed=0)
    assert len(sizes) == 88 and (sizes == [40, 50]).all(axis=1).sum() == 80


def test_the_rate_warms_up_then_follows_its_schedule():
    cosine = TrainSettings(lr=1.0, warmup=0.1)
    rates = [rate_at(cosine, step, 100) for step in range(100)]
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[10] == pytest.approx(1) and 0.01 < rates[-1] < 0.02
    paper = MODES["paper"]
    rates = [rate_at(paper, step, 10**6) for step in (0, 9_999, 10_000, 25_000)]
    assert rates == pytest.approx([5e-4, 5e-4, 5e-5, 5e-6])


def test_the_paper_mode_is_the_papers():
    paper = MODES["paper"]
    assert (paper.lr, paper.momentum, paper.decay, paper.size, paper.drop_every) == (5e-4, 0.9, 1e-4, 416, 10_000)
    assert paper.loss.near == 1 and paper.loss.box == "yolov3" and paper.average == 0 and paper.augment.mosaic == 0


def test_size_grows_over_the_first_half_and_is_drawn_around_it():
    grown = TrainSettings(epochs=10, start_size=256, size=416)
    sizes = [size_at(grown, epoch, 0) for epoch in range(10)]
    assert sizes[0] == 256 and sizes[5:] == [416] * 5 and sizes == sorted(sizes) and all(s % 32 == 0 for s in sizes)
    drawn = TrainSettings(multi_scale=0.25)
    sizes = [size_at(drawn, 1, step) for step in range(200)]
    assert min(sizes) == 320 and max(sizes) == 512 and 400 < np.mean(sizes) < 430
    assert sizes == [size_at(drawn, 1, step) for step in range(200)]


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"size": 100}, {"start_size": 448}, {"multi_scale": 0.9}, {"schedule": "up"}, {"precision": "int3"}):
        with pytest.raises(MineHatError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
            TrainSettings(**wrong)
    with pytest.raises(MineHatError, match="--batch 16"):
        TrainSettings(batch=16, accumulate=3).share_of(1)


def test_a_checkpoint_gives_back_the_same_network(tmp_path):
    network = tiny_network()
    save_checkpoint(tmp_path / "a.pt", network, tiny_card())
    again, card, run = load_checkpoint(tmp_path / "a.pt")
    x = torch.rand(1, 3, 64, 64)
    assert all(torch.equal(a, b) for a, b in zip(network(x), again(x), strict=True))
    assert card == tiny_card() and run is None and again.recipe == network.recipe


def test_foreign_files_are_refused_and_no_code_is_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"format": 1, "x": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    for name in ("evil.pt", "text.pt", "other.pt", "absent.pt"):
        with pytest.raises(MineHatError, match=name):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"accumulate": 2, "multi_scale": 0.3}],
                         ids=["plain", "bf16", "parts of many sizes"])
def test_a_few_steps_learn_something(tmp_path, changes):
    """The loss on bright and dark squares falls by a good part within a hundred steps."""
    run = run_of(tmp_path, epochs=13, warmup=0.1, **changes)
    run.fit([Source("squares", squares(32, 64), 1.0)], [])
    losses = [row["loss"] for row in run.place.rows]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:2])


def test_a_network_of_three_cells_keeps_them_in_its_checkpoint(tmp_path):
    save_checkpoint(tmp_path / "a.pt", MineNet(SEVERAL), tiny_card())
    assert load_checkpoint(tmp_path / "a.pt")[0].recipe.cells == 3
