"""A run that goes on after any interruption, guards itself, stops early, and leaves what people look at."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from minehat.errors import MineHatError
from minehat.labels import Labelled
from minehat.pictures import read_picture, write_picture
from minenet.checkpoint import load_checkpoint, save_checkpoint
from minenet.data.augment import Augmentation
from minenet.data.sources import Source
from squares import run_of, squares
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SOURCES = [Source("squares", squares(12, 64), 1.0)]  # 3 steps an epoch


class Killed(BaseException):
    """As sudden as a kill: nothing of ours catches it."""


def killed_at(run, step, sources):
    """Let the run go until it has done so many steps; saved before each of them."""
    learn = run.learner.step

    def until(batch, rate):
        if run.place.total == step:
            raise Killed
        return learn(batch, rate)

    run.learner.step = until
    with pytest.raises(Killed):
        run.fit(sources, [])


def rows_of(folder) -> list[dict[str, str]]:
    """results.csv without what is a matter of time."""
    with (folder / "results.csv").open() as file:
        return [{key: value for key, value in row.items() if key not in ("seconds", "loading", "waiting")}
                for row in csv.DictReader(file)]


@pytest.mark.parametrize(("at", "changes"), [
    (1, {}), (3, {"augment": Augmentation()}), (4, {"precision": "bf16", "accumulate": 2, "multi_scale": 0.5})],
    ids=["within the first epoch", "between epochs, every augmentation", "bf16, in parts, many sizes"])
def test_a_run_killed_anywhere_ends_exactly_where_the_unbroken_one_does(tmp_path, at, changes):
    whole = run_of(tmp_path / "whole", **changes)
    whole.fit(SOURCES, [])
    killed_at(run_of(tmp_path / "broken", save_every=0.0, **changes), at, SOURCES)
    resumed = run_of(tmp_path / "broken", **changes)
    resumed.resume(tmp_path / "broken" / "last.pt")
    assert resumed.place.total == at
    resumed.fit(SOURCES, [])
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name
    for name, value in whole.learner.average.weights.items():
        assert torch.equal(resumed.learner.average.weights[name], value), name
    assert rows_of(tmp_path / "broken") == rows_of(tmp_path / "whole") and len(rows_of(tmp_path / "whole")) == 2


def test_half_precision_keeps_its_gradient_scale(tmp_path):
    run = run_of(tmp_path, epochs=1, precision="fp16")
    run.fit(SOURCES, [])
    kept = load_checkpoint(tmp_path / "last.pt")[2]["learner"]["scaler"]
    assert np.isfinite(run.place.rows[0]["loss"]) and kept == run.learner.scaler.state_dict() and kept["scale"] > 0
    assert all(torch.isfinite(value).all() for value in run.network.state_dict().values())


def test_a_gradient_that_no_scale_mends_ends_a_run_in_half_precision(tmp_path):
    run = run_of(tmp_path, epochs=3, precision="fp16")
    run.learner.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    run.network.heads[0][1].weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(MineHatError, match="epoch 2, step 1: the gradient is not finite"):
        run.fit(SOURCES, [])


def test_a_finished_run_that_is_resumed_only_mends_its_table(tmp_path):
    run_of(tmp_path).fit(SOURCES, [])
    before = (tmp_path / "results.csv").read_text()
    (tmp_path / "results.csv").unlink()  # as if killed between the checkpoint and the row
    again = run_of(tmp_path)
    again.resume(tmp_path / "last.pt")
    again.fit(SOURCES, [])
    assert (tmp_path / "results.csv").read_text() == before and again.place.epoch == 2


def test_a_checkpoint_without_a_run_cannot_be_resumed(tmp_path):
    run = run_of(tmp_path)
    save_checkpoint(tmp_path / "bare.pt", run.network, run.card)
    with pytest.raises(MineHatError, match="--init"):
        run.resume(tmp_path / "bare.pt")
    save_checkpoint(tmp_path / "old.pt", run.network, run.card, {"epoch": 3})
    with pytest.raises(MineHatError, match="another version"):
        run.resume(tmp_path / "old.pt")


def cursed(batches):
    """Batches in which the box of one picture, square-5.png, has no end."""
    for batch in batches:
        rows = [row for row, names in enumerate(batch.names) if names[0] == "square-5.png"]
        batch.truths[torch.isin(batch.truths[:, 0], torch.tensor(rows, dtype=torch.float32)), 4:] = float("inf")
        yield batch


def test_a_picture_that_breaks_the_loss_is_named_and_shown_and_nothing_is_learnt_from_it(tmp_path):
    run = run_of(tmp_path, save_every=0.0)
    whole = run._batches
    run._batches = lambda order, steps: cursed(whole(order, steps))
    with pytest.raises(MineHatError, match=r"epoch 1, step \d.*not finite for square-5\.png\..*--resume"):
        run.fit(SOURCES, [])
    assert read_picture(tmp_path / "not-finite-1.png").shape == (64, 64, 3)
    assert all(torch.isfinite(value).all() for value in run.network.state_dict().values())


def test_weights_that_ran_away_are_told_from_a_bad_picture(tmp_path):
    run = run_of(tmp_path)
    with torch.no_grad():
        run.network.heads[0][1].weight.fill_(float("inf"))
    with pytest.raises(MineHatError, match=r"diverged.*--lr"):
        run.fit(SOURCES, [])


def labelled(folder, samples):
    truths = []
    for sample in samples:
        write_picture(folder / sample.name, sample.picture)
        truths.append(Labelled(folder / sample.name, sample.boxes, sample.labels, np.zeros(1, bool), None))
    return truths


def test_a_run_validates_keeps_its_best_and_leaves_curves(tmp_path):
    run = run_of(tmp_path / "run", epochs=2, every=1)
    run.events = True
    run.fit(SOURCES, labelled(tmp_path, squares(4, 64)))
    rows = rows_of(tmp_path / "run")
    assert [row["epoch"] for row in rows] == ["1", "2"] and all(0 <= float(row["map50"]) <= 1 for row in rows)
    assert run.place.best == pytest.approx(max(float(row["map50"]) for row in rows), abs=1e-5)
    assert load_checkpoint(tmp_path / "run" / "best.pt")[1].accuracy["val"]["map50"] == run.place.best
    assert read_picture(tmp_path / "run" / "curves.png").size and list((tmp_path / "run" / "events").iterdir())


def test_a_run_that_is_resumed_only_to_end_there_is_scored_all_the_same(tmp_path):
    killed_at(run_of(tmp_path, epochs=50, save_every=0.0), 4, SOURCES)
    fewer = run_of(tmp_path, epochs=1)
    fewer.resume(tmp_path / "last.pt")
    fewer.fit(SOURCES, labelled(tmp_path, squares(2, 64)))
    assert fewer.place.total == 4 and load_checkpoint(tmp_path / "best.pt")[1].accuracy["val"]


def test_tensorboard_keeps_the_row_of_the_epoch_after_which_a_run_is_resumed(tmp_path):
    for epochs in (1, 2):
        run = run_of(tmp_path, epochs=epochs)
        run.events = True
        if epochs == 2:
            run.resume(tmp_path / "last.pt")
        run.fit(SOURCES, [])
    told = EventAccumulator(str(tmp_path / "events")).Reload().Scalars("epoch/loss")
    assert [round(point.value, 4) for point in told] == [round(row["loss"], 4) for row in run.place.rows]


def test_a_run_that_gets_no_better_ends_early(tmp_path, capsys):
    run = run_of(tmp_path / "run", epochs=50, every=1, patience=2, lr=1e-9)
    run.fit(SOURCES, labelled(tmp_path, squares(2, 64)))
    assert run.place.epoch < 10 and "stopped early" in capsys.readouterr().err
