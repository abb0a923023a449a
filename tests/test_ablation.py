"""Ablation: every row of a table is there, finished runs are not done twice, and what does not fit is refused."""

from __future__ import annotations

import json

import pytest
import torch
from ablate import main
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.scenes import write_pictures
from minenet.ablation.report import figures_of, page_of
from minenet.ablation.runs import ATTENTION, BACKBONE, Plan, rows_of
from minenet.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory):
    """A Pascal VOC folder of mine scenes: eight to train on, two to score."""
    folder = tmp_path_factory.mktemp("scenes")
    write_pictures(folder, 8, seed=0, split="train", width=320, height=192)
    write_pictures(folder, 2, seed=8, split="val", width=320, height=192)
    return str(folder)


def command(folder, out, *more) -> list[str]:
    torch.set_num_threads(1)
    return ["--data", folder, "--val", folder, "--epochs", "1", "--size", "64", "--batch", "4", "--device", "cpu",
            "--out", str(out), *more]


def said(capsys) -> tuple[dict, str]:
    """The one JSON line of stdout, and stderr."""
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    return json.loads(out), err


def test_both_tables_are_whole_share_runs_and_resume(scene_folder, tmp_path, capsys):
    asked = command(scene_folder, tmp_path, "--table", "attention", "--table", "backbone")
    assert main(asked) == 0
    told, err = said(capsys)
    page = (tmp_path / "table.md").read_text()
    assert [row["row"] for row in told["tables"]["attention"]] == [row.label for row in ATTENTION]
    assert [row["row"] for row in told["tables"]["backbone"]] == [row.label for row in BACKBONE]
    found = [*told["tables"]["attention"], *told["tables"]["backbone"]]
    for row, ours in zip(ATTENTION + BACKBONE, found, strict=True):
        assert 0 <= ours["map50"] <= 1 and ours["ms"] > 0 and ours["fps"] == pytest.approx(1000 / ours["ms"], rel=0.01)
        assert ours["paper"]["map50"] == pytest.approx(row.paper_map / 100) and f"| {row.label} |" in page
        assert (tmp_path / f"{row.name}-0" / "best.pt").is_file()
    assert page in err and "rank nothing" in page and "1 epochs" in page and told["machine"]["cpu"] in page
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results["runs"]) == 6, "the two tables have three rows in common"
    assert load_checkpoint(tmp_path / "resnet50-none-default-0" / "best.pt")[0].recipe.backbone == "resnet50"
    own = load_checkpoint(tmp_path / "darknet53-both-own-0" / "best.pt")[0].recipe
    assert (own.attention, len(own.anchors)) == ("both", 6)

    last = tmp_path / "darknet53-none-default-0" / "last.pt"
    before = last.stat().st_mtime_ns
    assert main(asked) == 0
    again, err = said(capsys)
    assert "6 of them finished before" in err and last.stat().st_mtime_ns == before
    assert [row["map50"] for row in again["tables"]["attention"]] == [row["map50"]
                                                                      for row in told["tables"]["attention"]]


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
    assert "4 runs of 1 epochs, 1 of them finished" in err and err.count("epoch 1 ") == 2
    assert [row["seeds"] for row in told["tables"]["data"]] == [2, 2]
    assert all(row["spread"] >= 0 for row in told["tables"]["data"])


def test_results_of_another_plan_are_not_mixed_in(scene_folder, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"plan": {"epochs": 3}, "runs": {}}))
    with pytest.raises(MineHatError, match="epochs 3 instead of 1"):
        main(command(scene_folder, tmp_path, "--table", "attention"))
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(MineHatError, match="Name another --out"):
        main(command(scene_folder, tmp_path, "--table", "attention"))


@pytest.mark.parametrize("wrong", [("--table", "colour"), ("--table", "data"), ("--table", "attention", "--seeds", "x"),
                                   ("--table", "attention", "--size", "100")])
def test_what_cannot_be_run_ends_with_2_before_anything_is_made(scene_folder, tmp_path, wrong):
    out = tmp_path / "out"
    try:
        code = run_door(main, command(scene_folder, out, *wrong))
    except SystemExit as exc:
        code = exc.code
    assert code == 2 and not out.exists()


def test_the_table_of_data_follows_the_papers_order():
    rows = rows_of("data", ("helmets", "a/PartA@0.5", "PartB"))
    assert [row.sets for row in rows] == [(0,), (0, 1), (0, 2), ()]
    assert rows[1].label == "+ PartA (helmets + PartA)" and len({row.name for row in rows}) == 4


def test_the_page_shows_mean_spread_and_the_papers_figures():
    plan = Plan(("helmets",), "helmets", "nano", 10, 16, 416, 0.01, False)
    figures = figures_of(ATTENTION[1], [0.5, 0.6], 20.0)
    page = page_of({"attention": [figures]}, plan, "the command",
                   {"device": "a chip", "cores": 2, "threads": 2, "torch": "2"})
    assert "| channel | 55.0 | 7.1 | 2 | 20.0 | 50.0 | 84.2 | 28 | 35 |" in page
    assert figures.to_json()["paper"] == {"map50": 0.842, "ms": 28, "fps": 35}
