"""Training: who answers for a box, the loss, batches, checkpoints, and a run that resumes where it stopped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from minehat import scenes
from minehat.errors import MineHatError
from minehat.labels import Labelled
from minenet.checkpoint import load_checkpoint, save_checkpoint
from minenet.data.augment import augmented, mirrored
from minenet.data.batches import batches, epoch_order
from minenet.data.sources import Sample, Source
from minenet.loss import LossSettings, assign, complete_iou, yolo_loss
from minenet.network import STRIDES, MineNet, Recipe, decode
from minenet.training.run import Run, TrainSettings, rate_at, size_of_epoch
from tiny import tiny_card, tiny_network

RECIPE = Recipe("nano")


def scene_samples(count: int, size: int = 96) -> list[Sample]:
    shots = [scenes.picture(seed, size, size) for seed in range(count)]
    return [Sample(shot.frame, shot.boxes, shot.labels) for shot in shots]


def squares(count: int, size: int = 96) -> list[Sample]:
    """Bright squares (helmet) and dark ones (head) on grey: something that a few steps can learn."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        picture = np.full((size, size, 3), 110, np.uint8)
        label, side = int(rng.integers(2)), int(rng.integers(20, 40))
        x, y = rng.integers(0, size - side, 2)
        picture[y:y + side, x:x + side] = 20 if label else 240
        made.append(Sample(picture, np.array([[x, y, x + side, y + side]], np.float32), np.array([label])))
    return made


def test_every_box_has_an_anchor_that_answers_and_it_is_the_best_one():
    truths = torch.tensor([[0, 1, 10, 10, 30, 40], [1, 0, 50, 20, 250, 330.0]])
    rows = [assign(truths, s, (2, 2, 416 // STRIDES[s], 416 // STRIDES[s], 7), RECIPE, near=1.0) for s in range(3)]
    assert [len(r.labels) for r in rows] == [1, 0, 1]
    fine, deep = rows[0], rows[2]
    assert (int(fine.image), int(fine.anchor), int(fine.row), int(fine.column), int(fine.labels)) == (0, 1, 3, 2, 1)
    assert (int(deep.image), int(deep.anchor), int(deep.row), int(deep.column), int(deep.labels)) == (1, 1, 5, 4, 0)


@pytest.mark.parametrize("box", ["ciou", "yolov3"])
def test_the_loss_is_small_when_the_maps_say_what_is_there_and_grows_when_they_do_not(box):
    truths = torch.tensor([[0, 1, 20.0, 20.0, 40.0, 52.0]])
    settings = LossSettings(box=box, near=1.0)
    right = [torch.full((1, 14, s, s), -12.0) for s in (12, 6, 3)]
    found = assign(truths, 0, (1, 2, 12, 12, 7), RECIPE, 1.0)
    anchor = np.array(RECIPE.anchors[int(found.anchor)])
    logit = lambda p: float(np.log(p / (1 - p)))  # noqa: E731
    sides = np.log(np.array([20, 32]) / anchor)
    cell = [30 / 8 - int(found.column), 36 / 8 - int(found.row)]
    right[0].view(1, 2, 7, 12, 12)[0, int(found.anchor), :, int(found.row), int(found.column)] = torch.tensor(
        [logit(cell[0]), logit(cell[1]), *sides, 12.0, -12.0, 12.0], dtype=torch.float32)
    boxes, _ = decode(right, RECIPE)
    best, terms = yolo_loss(right, truths, RECIPE, settings)
    wrong = [m.clone() for m in right]
    wrong[0].view(1, 2, 7, 12, 12)[0, int(found.anchor), 2:4, int(found.row), int(found.column)] += 1.0
    worse, _ = yolo_loss(wrong, truths, RECIPE, settings)
    least = 1.4 if box == "yolov3" else 0.05  # cross-entropy on a centre inside its cell cannot reach 0
    assert best < least and worse > best + 0.5
    assert ((boxes[0] - truths[0, 2:]).abs().max(dim=1).values < 1e-3).sum() == 1
    assert set(terms) == {"box", "obj", "class"}


def test_complete_iou_is_one_for_equal_boxes_and_negative_far_away():
    a = torch.tensor([[0, 0, 10, 20], [0, 0, 10, 20.0]])
    b = torch.tensor([[0, 0, 10, 20], [200, 200, 240, 220.0]])
    same, far = complete_iou(a, b)
    assert same == pytest.approx(1, abs=1e-4) and far < 0


def test_mirroring_twice_changes_nothing():
    sample = scene_samples(1)[0]
    again = mirrored(mirrored(sample))
    np.testing.assert_array_equal(again.picture, sample.picture)
    np.testing.assert_allclose(again.boxes, sample.boxes)


def test_augmented_boxes_follow_the_pixels():
    for seed in range(20):
        sample, *others = squares(4)
        view = augmented(sample, others if seed % 2 else [], 96, np.random.default_rng(seed))
        assert view.picture.shape == (96, 96, 3)
        for x0, y0, x1, y1 in view.boxes:
            inside = view.picture[int(y0) + 2:int(y1) - 1, int(x0) + 2:int(x1) - 1].astype(int)
            assert inside.size == 0 or np.ptp(inside.mean(axis=2)) <= 8, "a box must hold one flat square"


def test_batches_depend_on_seed_and_epoch_alone():
    sources = [Source("a", scene_samples(6), 1.0), Source("b", scene_samples(10), 0.4)]
    order = epoch_order(sources, seed=3, epoch=2)
    assert len(order) == 10
    once, again = (list(batches(epoch_order(sources, 3, 2), 96, 4, 0.5, 3, 2)) for _ in range(2))
    other = next(iter(batches(epoch_order(sources, 3, 3), 96, 4, 0.5, 3, 3)))
    assert all(torch.equal(x, y) for a, b in zip(once, again, strict=True) for x, y in zip(a, b, strict=True))
    assert not torch.equal(once[0][0], other[0])
    assert len(once) == 2 and once[0][0].shape == (4, 3, 96, 96) and once[0][1].shape[1] == 6


def test_rate_warms_up_and_drops_at_its_shares_of_the_run():
    settings = TrainSettings(lr=1.0, warmup=0.1, schedule="steps", drops=(0.5, 0.8))
    rates = [round(rate_at(settings, p), 4) for p in (0, 0.05, 0.1, 0.49, 0.5, 0.8, 1)]
    assert rates == [0, 0.5, 1, 1, 0.1, 0.01, 0.01]


def test_size_grows_over_the_first_half():
    settings = TrainSettings(epochs=10, start_size=256, size=416)
    sizes = [size_of_epoch(settings, e) for e in range(10)]
    assert sizes[0] == 256 and sizes[5:] == [416] * 5 and sizes == sorted(sizes) and all(s % 32 == 0 for s in sizes)


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


def run_of(folder, epochs, resume=False, **changes) -> Run:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    settings = TrainSettings(epochs=epochs, batch=4, size=64, start_size=64, every=99, **changes)
    folder.mkdir(exist_ok=True)
    run = Run(MineNet(RECIPE), tiny_card(64), settings, folder, "cpu")
    if resume:
        run.resume(folder / "last.pt")
    return run


def test_a_resumed_run_ends_where_the_unbroken_one_does(tmp_path):
    sources = [Source("squares", squares(8, 64), 1.0)]
    whole = run_of(tmp_path / "whole", 2)
    whole.fit(sources, [])
    broken = run_of(tmp_path / "broken", 2)
    broken._one_epoch(sources)
    broken.epoch = 1
    broken._save("last.pt")
    resumed = run_of(tmp_path / "broken", 2, resume=True)
    resumed.fit(sources, [])
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value)
    for name, value in whole.average.weights.items():
        torch.testing.assert_close(resumed.average.weights[name], value)


def test_a_few_steps_learn_something(tmp_path):
    """The loss on bright and dark squares falls by a good part within a hundred steps."""
    run = run_of(tmp_path / "learn", 100, drops=(), mosaic=0.0)
    sources = [Source("squares", squares(32, 64), 1.0)]
    losses = []
    for run.epoch in range(12):
        losses.append(run._one_epoch(sources)["loss"])
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:2])


def test_a_run_validates_and_keeps_its_best(tmp_path):
    from minehat.pictures import write_picture
    samples = squares(4, 64)
    labelled = []
    for number, sample in enumerate(samples):
        path = tmp_path / f"{number}.png"
        write_picture(path, sample.picture)
        labelled.append(Labelled(path, sample.boxes, sample.labels, np.zeros(1, bool), None))
    run = run_of(tmp_path / "val", 1)
    run.fit([Source("squares", samples, 1.0)], labelled)
    assert (tmp_path / "val" / "best.pt").is_file() and 0 <= run.best <= 1
    header, row = (tmp_path / "val" / "results.csv").read_text().splitlines()
    assert header.startswith("epoch,lr,loss") and row.startswith("1,")
