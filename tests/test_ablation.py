"""Ablation: every row is there, finished runs are not done twice, a budget is kept, and what is shown holds."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import torch
from ablate import main
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.scenes import write_pictures
from minenet.ablation.budget import SPARE, Cost, _epochs, with_epochs
from minenet.ablation.figures import Figures, Found
from minenet.ablation.plan import Plan
from minenet.ablation.plots import plot_table
from minenet.ablation.report import Made, page_of
from minenet.ablation.rows import ATTENTION, BACKBONE, RECIPE, TABLES, Row, Table, rows_of, table_of
from minenet.backbones import WIDTHS
from minenet.checkpoint import load_checkpoint
from minenet.data.sources import read_material
from minenet.network import Recipe
from minenet.training import logbook
from minenet.training.settings import CELLS, MODERN, PAPER, TrainSettings

PLAN = Plan(("helmets",), "helmets", "nano", 10, 16, 416, 0.01, False)


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory):
    """A Pascal VOC folder of mine scenes: eight to train on, two to score."""
    folder = tmp_path_factory.mktemp("scenes")
    write_pictures(folder, 8, seed=0, split="train", width=160, height=96)
    write_pictures(folder, 2, seed=8, split="val", width=160, height=96)
    return str(folder)


@pytest.fixture(autouse=True)
def slim(monkeypatch):
    """Networks of a quarter of nano's channels, on one thread; curves of single runs are drawn in other tests."""
    monkeypatch.setitem(WIDTHS, "nano", WIDTHS["nano"] / 4)
    monkeypatch.setattr(logbook, "plot_history", lambda rows, path: None)
    torch.set_num_threads(1)


def command(folder, out, *more, length=("--epochs", "1")) -> list[str]:
    return ["--data", folder, "--val", folder, *length, "--size", "64", "--batch", "4", "--device", "cpu",
            "--out", str(out), *more]


def said(capsys) -> tuple[dict, str]:
    """The one JSON line of stdout, and stderr."""
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    return json.loads(out), err


def test_a_table_is_whole_lies_beside_the_papers_and_is_not_trained_twice(scene_folder, tmp_path, capsys):
    asked = command(scene_folder, tmp_path, "--table", "backbone")
    assert main(asked) == 0
    told, err = said(capsys)
    page, found = (tmp_path / "table.md").read_text(), told["tables"]["backbone"]
    assert [row["row"] for row in found] == [row.label for row in BACKBONE]
    for row, ours in zip(BACKBONE, found, strict=True):
        assert 0 <= ours["map50"] <= 1 and ours["ms"] > 0 and ours["fps"] == pytest.approx(1000 / ours["ms"], rel=0.01)
        assert ours["paper"]["map50"] == pytest.approx(row.paper_map / 100) and f"| {row.label} |" in page
        assert (tmp_path / f"{row.name}-0" / "best.pt").is_file()
    assert page in err and "rank nothing" in page and "1 epochs" in page and told["timed_on"] in page
    assert (tmp_path / "backbone.png").is_file() and "(backbone.png)" in page
    assert load_checkpoint(tmp_path / "resnet50-none-default-0" / "best.pt")[0].recipe.backbone == "resnet50"
    own = load_checkpoint(tmp_path / "darknet53-both-own-0" / "best.pt")[0].recipe
    assert (own.attention, len(own.anchors)) == ("both", 6)

    last = tmp_path / "darknet53-none-default-0" / "last.pt"
    before = last.stat().st_mtime_ns
    assert main(asked) == 0
    again, err = said(capsys)
    assert "4 of them finished before" in err and last.stat().st_mtime_ns == before
    assert [row["map50"] for row in again["tables"]["backbone"]] == [row["map50"] for row in found]


def test_tables_share_the_runs_of_the_rows_that_they_have_in_common():
    names = {name: {row.name for row in table_of(name, ("helmets", "heads")).rows} for name in TABLES}
    rows = rows_of([table_of(name, ("helmets", "heads")) for name in TABLES])
    assert len(rows) == len(set().union(*names.values())) == 5 + 1 + 1 + 6
    assert len(names["attention"] & names["backbone"]) == 3 and len(names["attention"] & names["recipe"]) == 1


def test_a_run_that_was_broken_off_goes_on_and_a_second_seed_gives_a_spread(scene_folder, tmp_path, capsys):
    asked = command(scene_folder, tmp_path, "--data", scene_folder, "--table", "data")
    main(asked)
    whole, _ = said(capsys)
    assert [row["row"].split(" (")[0] for row in whole["tables"]["data"]] == ["helmets only", "+ PartA + PartB"]
    journal = tmp_path / "results.json"
    kept = json.loads(journal.read_text())
    assert set(kept["runs"]) == {"darknet53-none-default-sets1-0", "darknet53-none-default-0"}
    assert [run["pictures"] for run in kept["runs"].values()] == [8, 16]

    del kept["runs"]["darknet53-none-default-0"]  # as if killed between the last epoch and the journal
    journal.write_text(json.dumps(kept))
    main([*asked, "--seeds", "0,1"])
    told, err = said(capsys)
    assert "4 runs, 1 of them finished" in err and err.count("epoch 1 ") == 2
    assert [row["seeds"] for row in told["tables"]["data"]] == [2, 2]
    assert all(row["spread"] >= 0 for row in told["tables"]["data"])
    assert told["tables"]["data"][1]["difference"]["clear"] in (True, False)


def test_what_is_finished_so_far_is_reported_without_training_and_without_places_of_this_machine(
        scene_folder, tmp_path, capsys):
    out, report = tmp_path / "out", tmp_path / "report"
    asked = command(scene_folder, out, "--data", scene_folder, "--table", "data")
    with pytest.raises(MineHatError, match="no finished run"):
        main([*asked, "--report", str(report)])
    main(asked)
    journal = json.loads((out / "results.json").read_text())
    for run in journal["runs"].values():  # journals of the first version had neither
        del run["machine"], run["finished"]
    del journal["plan"]["budget"], journal["runs"]["darknet53-none-default-0"]
    (out / "results.json").write_text(json.dumps(journal))
    with pytest.raises(MineHatError, match="Name another folder"):
        main([*asked, "--report", str(out)])
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert main([*asked, "--seeds", "0,1", "--report", str(report)]) == 0
    told, _ = said(capsys)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    page = (report / "README.md").read_text()
    assert "**1 of 2**" in page and "**0 of 2**" in page and (report / "data.png").is_file()
    assert json.loads((report / "results.json").read_text()) == told
    assert told["minutes"] == pytest.approx(journal["runs"]["darknet53-none-default-sets1-0"]["seconds"] / 60, abs=0.06)
    for text in (page, json.dumps(told)):
        assert str(tmp_path.parent) not in text and "--report" not in text and "--seeds 0,1" in text


def test_results_of_another_plan_are_not_mixed_in(scene_folder, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"plan": {"epochs": 3}, "runs": {}}))
    with pytest.raises(MineHatError, match="epochs 3 instead of 1"):
        main(command(scene_folder, tmp_path, "--table", "attention"))
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(MineHatError, match="Name another --out"):
        main(command(scene_folder, tmp_path, "--table", "attention"))


@pytest.mark.parametrize("wrong", [("--table", "colour"), ("--table", "data"), ("--table", "attention", "--seeds", "x"),
                                   ("--table", "attention", "--size", "100"),
                                   ("--table", "attention", "--budget", "5"), ("--table", "recipe", "--epochs", "0"),
                                   ("--table", "attention", "--device", "foo")])
def test_what_cannot_be_run_ends_with_2_before_anything_is_made(scene_folder, tmp_path, wrong):
    out = tmp_path / "out"
    try:
        code = run_door(main, command(scene_folder, out, *wrong))
    except SystemExit as exc:
        code = exc.code
    assert code == 2 and not out.exists()


def test_a_budget_holds_as_many_epochs_as_fit_and_not_one_more(scene_folder, tmp_path, capsys):
    cost, spent = Cost(epoch=90.0, scoring=30.0), 20.0
    for minutes in (4, 30, 61.5):
        epochs = _epochs(minutes, 5, cost, spent)
        room = 60 * minutes * (1 - SPARE) - spent - cost.scoring
        assert epochs * cost.epoch <= room < (epochs + 1) * cost.epoch
    with pytest.raises(MineHatError, match=r"epoch of all 5 runs takes 1\.5 minutes.*--budget 3 .*--seeds.*--table"):
        _epochs(2, 5, cost, spent)
    assert _epochs(3, 5, cost, spent) == 1, "the advice that the refusal gives is enough"


def test_a_budget_is_measured_on_real_steps_and_a_larger_one_trains_longer(scene_folder, tmp_path):
    plan = replace(PLAN, data=(scene_folder,), val=scene_folder, size=64, batch=4, epochs=0)
    material = read_material(plan.data, plan.val, Recipe().classes, plan.size)
    jobs = [(ATTENTION[-1], material.sources)]
    few, many = (with_epochs(replace(plan, budget=minutes), jobs, material.val, tmp_path, "cpu", time.monotonic())
                 for minutes in (1, 30))
    assert 0 < 3 * few.epochs < many.epochs
    assert not list(tmp_path.iterdir()), "nothing is left of what was timed"


def test_epochs_that_a_budget_chose_stand(scene_folder, tmp_path, capsys):
    asked = command(scene_folder, tmp_path, "--table", "data", "--data", scene_folder, length=("--budget", "0.0001"))
    assert run_door(main, asked) == 2 and "minutes" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()
    plan = Plan((scene_folder, scene_folder), scene_folder, "nano", 1, 4, 64, 0.01, False, budget=5.0)
    as_if_killed = json.dumps({"plan": asdict(plan), "runs": {}})
    (tmp_path / "results.json").write_text(as_if_killed)
    assert main(asked) == 0
    told, _ = said(capsys)
    assert (told["epochs"], told["budget_minutes"]) == (1, 5.0)
    assert "as a budget of 5 minutes held" in (tmp_path / "table.md").read_text()


def test_the_table_of_data_follows_the_papers_order():
    rows = table_of("data", ("helmets", "a/PartA@0.5", "PartB")).rows
    assert [row.sets for row in rows] == [(0,), (0, 1), (0, 2), ()]
    assert rows[1].label == "+ PartA (helmets + PartA)" and len({row.name for row in rows}) == 4


def test_most_rows_train_as_they_did():
    """Results that were published with the same command stay comparable."""
    settings = PLAN.settings(ATTENTION[0], seed=3)
    assert settings == TrainSettings(epochs=10, every=10, seed=3, augment=replace(MODERN.augment, mine=0.0))
    assert (settings.schedule, settings.augment.mosaic, settings.loss.box, ATTENTION[0].way.cells) == (
        "cosine", 0.5, "ciou", 1)


def test_the_recipe_goes_from_the_papers_to_ours_by_one_thing_a_row():
    of_the_plan = {"epochs": 10, "every": 10}
    ways = [PLAN.settings(row, 0) for row in RECIPE]
    assert ways[0] == replace(PAPER, **of_the_plan) and RECIPE[0].way.cells == CELLS["paper"]
    assert ways[-1] == replace(MODERN, **of_the_plan) and RECIPE[-1].way.cells == CELLS["modern"]
    things = {"rate": {"lr", "schedule", "warmup", "average"}, "loss": {"loss"}, "views": {"augment"}}
    for before, after, row, other in zip(ways, ways[1:], RECIPE, RECIPE[1:], strict=False):
        changed = {name for name in asdict(before) if asdict(before)[name] != asdict(after)[name]}
        touched = [thing for thing, names in things.items() if changed & names]
        assert len(touched) + (row.way.cells != other.way.cells) == 1 and changed <= set().union(*things.values())
    assert ATTENTION[-1].name in {row.name for row in RECIPE}, "the usual way is trained once for both tables"
    assert len({row.name for row in RECIPE}) == len(RECIPE) and {row.paper_map for row in RECIPE} == {None}


def found_of(*rows: tuple[float, ...], steps: bool = False, asked: int = 2) -> Found:
    """A table of made-up rows with these scores; the paper prints 80, 81, ..."""
    table = Table("attention", "made up", tuple(Row(f"row {number}", "darknet53", f"kind{number}", "own", 80.0 + number)
                                                for number in range(len(rows))), steps)
    return Found(table, tuple(Figures(row, scores, asked, 20.0 + number if scores else None)
                              for number, (row, scores) in enumerate(zip(table.rows, rows, strict=True))))


def test_rows_are_told_apart_by_chance_once_in_twenty_times():
    """Of rows that do not differ; with two and three seeds, few rows and many."""
    rng = np.random.default_rng(0)
    for rows, seeds in ((2, 2), (4, 3), (12, 2)):
        told = [found_of(*map(tuple, rng.normal(40, 3, (rows, seeds)))).difference(1).clear for _ in range(1000)]
        assert 0.03 < np.mean(told) < 0.075


def test_a_difference_beyond_the_scatter_is_told_and_one_seed_tells_nothing():
    far = found_of((40.0, 41.0), (60.0, 61.0), (40.5, 41.5))
    assert [far.difference(row).clear for row in (1, 2)] == [True, False]
    assert (far.difference(1).ours, far.difference(1).paper) == (20.0, 1.0) and far.difference(0) is None
    assert found_of((40.0,), (60.0,)).difference(1).clear is None
    assert found_of((40.0, 41.0), ()).difference(1).clear is None
    assert found_of((10.0,), (20.0,), (50.0,), steps=True).difference(2).ours == 30.0


def test_the_page_shows_mean_spread_differences_and_the_papers_figures():
    made = Made(PLAN.shared(), "the command", ("a chip",), "a chip", 12.3, "2026-01-02", {})
    page = page_of([found_of((40.0, 41.0), (50.0, 60.0), (70.0,), ())], made)
    assert "| row 0 | 40.5 | 0.7 | 2 |  |  |  | 20.0 | 50.0 | 80.0 | - | - |" in page
    assert "| row 1 | 55.0 | 7.1 | 2 | +14.5 | +1.0 | not distinguishable | 21.0 | 47.6 | 81.0 | - | - |" in page
    assert "| row 2 | 70.0 | - | **1 of 2** | +29.5 | +2.0 |" in page and "| row 3 | - | - | **0 of 2** | - |" in page
    assert "`the command`" in page and "took 12 minutes for 0 runs, finished 2026-01-02" in page


@pytest.mark.parametrize("rows", [((40.0, 41.0), (50.0, 60.0), (70.0,)), ((), ())])
def test_a_plot_shows_what_was_found(rows, tmp_path):
    plot_table(found_of(*rows), tmp_path / "one.png")
    plot_table(found_of(*rows[:-1], (12.0,)), tmp_path / "other.png")
    one, other = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "other.png"))
    assert one.shape == other.shape and one.shape[1] == 1200 and (one != other).any()
    assert (one < 250).any(axis=2).mean() > 0.02, "there is ink"
