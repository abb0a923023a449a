"""The doors of the export room: what a slip of the hand ends in, and a run from pictures to ONNX and on."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch
import train
from conftest import ROOT
from minehat import scenes
from minehat.card import read_card
from minehat.doors import run_door
from minehat.pictures import read_picture
from minenet.checkpoint import load_checkpoint, save_checkpoint
from minenet.training.owned import owned
from tiny import tiny_card, tiny_network


def door(name, *arguments):
    return subprocess.run([sys.executable, ROOT / "export" / f"{name}.py", *map(str, arguments)],
                          capture_output=True, text=True, timeout=300)


def train_here(*arguments):
    """train.py in this process, which spares the start of another: for runs that end before they begin."""
    try:
        return run_door(train.main, list(map(str, arguments)))
    except SystemExit as exc:  # argparse leaves so
        return exc.code


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc") / "gallery"
    scenes.write_pictures(folder, 8, seed=0, split="train", width=160, height=128)
    (folder / "ImageSets/Main/val.txt").write_text((folder / "ImageSets/Main/train.txt").read_text())
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "nano.pt"
    save_checkpoint(path, tiny_network(), tiny_card().with_(accuracy={"a val": {"map50": 0.5}}))
    return path


SHORT = ("--size", 64, "--batch", 4, "--threads", 1)


@pytest.mark.slow
def test_a_run_trains_resumes_ships_and_exports(voc, tmp_path):
    run = tmp_path / "run"
    first = door("train", "--data", voc, "--val", voc, "--epochs", 1, *SHORT, "--out", run)
    assert first.returncode == 0, first.stderr
    again = door("train", "--data", voc, "--val", voc, "--epochs", 2, *SHORT, "--out", run)
    assert again.returncode == 2 and "--resume" in again.stderr
    other = door("train", "--resume", "--out", run, "--lr", 0.5)
    assert other.returncode == 2 and "--lr was not given" in other.stderr
    more = door("train", "--resume", "--out", run, "--epochs", 2)
    assert more.returncode == 0, more.stderr
    assert [row.split(",")[0] for row in (run / "results.csv").read_text().splitlines()] == ["epoch", "1", "2"]
    for made in ("curves.png", "plots/pr.png", "plots/confusion.png", "plots/worst.jpg"):
        assert read_picture(run / made).size, made
    shipped, onnx = tmp_path / "shipped.pt", tmp_path / "shipped.onnx"
    assert door("ship", run / "best.pt", shipped, "--name", "gallery", "--source", "rendered").returncode == 0
    assert shipped.stat().st_size < 0.6 * (run / "best.pt").stat().st_size
    exported = door("to_onnx", shipped, onnx)
    assert exported.returncode == 0, exported.stderr
    card = read_card(onnx)
    assert card.name == "gallery" and card.data_sources == ("rendered",) and "gallery val" in card.accuracy
    assert (card.width, card.height) == (64, 64)


@pytest.mark.slow
def test_the_papers_recipe_pre_trains_on_rendered_scenes_and_fine_tunes_on_frames(voc, tmp_path):
    pre, fine = tmp_path / "pre", tmp_path / "fine"
    first = door("train", "--mode", "paper", "--scenes", "6@2", "--epochs", 1, *SHORT, "--out", pre)
    assert first.returncode == 0, first.stderr
    second = door("train", "--mode", "paper", "--data", voc, "--val", voc, "--init", pre / "last.pt", "--epochs", 1,
                  *SHORT, "--out", fine)
    assert second.returncode == 0, second.stderr
    assert load_checkpoint(pre / "last.pt")[0].recipe == load_checkpoint(fine / "best.pt")[0].recipe
    assert load_checkpoint(fine / "best.pt")[0].recipe.cells == 1
    assert load_checkpoint(fine / "best.pt")[1].data_sources == ("scenes:6", "gallery")


def test_bad_data_ends_in_a_list_of_every_fault_before_any_step(voc, tmp_path, capsys):
    bad = tmp_path / "bad"
    shutil.copytree(voc, bad)
    first, second, third, *_ = sorted((bad / "Annotations").iterdir())
    first.write_text(first.read_text().replace("<object>", "<object><name>sombrero</name>", 1))
    second.unlink()
    picture = bad / "JPEGImages" / f"{third.stem}.jpg"
    picture.write_bytes(picture.read_bytes()[:2000])
    code = train_here("--data", voc, "--data", bad, "--val", bad, *SHORT, "--epochs", 1, "--out", tmp_path / "run")
    told = capsys.readouterr().err
    assert code == 2 and "sombrero" in told and all(one.stem in told for one in (first, second, third))
    assert "epoch 1" not in told and not (tmp_path / "run" / "last.pt").exists()


def test_what_a_run_will_need_at_its_end_is_asked_for_at_its_beginning(voc, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code = train_here("--data", voc, *SHORT, "--out", tmp_path / "run")
    assert code == 2 and "matplotlib is missing" in capsys.readouterr().err
    assert not (tmp_path / "run" / "last.pt").exists()


def test_a_run_that_is_going_on_keeps_its_folder_to_itself(voc, tmp_path, capsys):
    (tmp_path / ".last.0123.tmp.pt").write_bytes(b"left by a run that was killed")
    with owned(tmp_path):
        assert not (tmp_path / ".last.0123.tmp.pt").exists()
        code = train_here("--data", voc, *SHORT, "--out", tmp_path)
    assert code == 2 and "another run" in capsys.readouterr().err


def test_one_coco_file_is_not_trained_on_and_scored_alike(tmp_path, capsys):
    book = tmp_path / "all.json"
    book.write_text("{}")
    code = train_here("--data", book, "--val", book, *SHORT, "--out", tmp_path / "run")
    assert code == 2 and "trained on as well" in capsys.readouterr().err


def test_a_checkpoint_brings_its_network_along(voc, checkpoint, tmp_path):
    ended = door("train", "--data", voc, "--epochs", 1, *SHORT, "--init", checkpoint, "--width", "small",
                 "--out", tmp_path / "run")
    assert ended.returncode == 2 and "has nano" in ended.stderr


@pytest.mark.parametrize(("arguments", "says"), [
    (("--batch", 0), "--batch"), (("--lr", "-1"), "--lr"), (("--mosaic", 3), "--mosaic"), (("--seed", -1), "--seed"),
    (("--seed", 10**20), "--seed"),
    (("--epochs", 0), "--epochs"), (("--size", 100), "multiples of 32"), (("--multi-scale", 0.9), "--multi-scale"),
    (("--accumulate", 3), "--batch 4"), (("--scenes", "many"), "--scenes many"),
    (("--scenes", "4@99"), "--scenes 4@99"), (("--map", "hat"), "--map hat"), (("--map", "hat=cap"), "cap"),
    (("--device", "foo"), "--device foo"), (("--out", "/proc/run"), "/proc"), (("--out", __file__), "no"),
    (("--val", "absent"), "absent"), (("--data", "absent@21"), "@"), (("--init", "absent.pt"), "absent.pt"),
    (("--resume",), "last.pt")])
def test_a_slip_of_the_hand_ends_in_words_and_code_2(voc, tmp_path, capsys, arguments, says):
    code = train_here("--data", voc, "--epochs", 1, *SHORT, "--out", tmp_path / "run", *arguments)
    told = capsys.readouterr().err.splitlines()[-1]
    assert code == 2 and says in told, told


def test_an_empty_split_is_told_before_anything_is_trained(voc, tmp_path, capsys):
    empty = tmp_path / "empty/ImageSets/Main"
    empty.mkdir(parents=True)
    for split in ("train", "val"):
        (empty / f"{split}.txt").write_text("")
    for flag in ("--data", "--val"):
        code = train_here("--data", voc, flag, tmp_path / "empty", *SHORT, "--out", tmp_path / "run")
        assert code == 2 and "names no picture" in capsys.readouterr().err


def test_to_onnx_writes_onnx_files_only_and_never_over_its_checkpoint(checkpoint, tmp_path):
    before = checkpoint.read_bytes()
    for out in (checkpoint, tmp_path / "a.txt"):
        ended = door("to_onnx", checkpoint, out)
        assert ended.returncode == 2 and ".onnx" in ended.stderr
    assert checkpoint.read_bytes() == before and not (tmp_path / "a.txt").exists()


def test_another_size_forgets_what_was_measured_at_the_old_one(checkpoint, tmp_path):
    assert door("to_onnx", checkpoint, tmp_path / "same.onnx").returncode == 0
    assert door("to_onnx", checkpoint, tmp_path / "wide.onnx", "--size", "128x64").returncode == 0
    same, wide = read_card(tmp_path / "same.onnx"), read_card(tmp_path / "wide.onnx")
    assert same.accuracy == {"a val": {"map50": 0.5}} and wide.accuracy == {} and wide.size_text == "128x64"


def test_weights_that_are_not_numbers_are_not_exported(tmp_path):
    network = tiny_network()
    with torch.no_grad():
        network.heads[0][1].weight[0, 0] = float("nan")
    save_checkpoint(tmp_path / "nan.pt", network, tiny_card())
    ended = door("to_onnx", tmp_path / "nan.pt", tmp_path / "nan.onnx")
    assert ended.returncode == 2 and "not finite" in ended.stderr
    assert not (tmp_path / "nan.onnx").exists()


def test_ship_does_not_overwrite_what_it_reads(checkpoint):
    ended = door("ship", checkpoint, checkpoint)
    assert ended.returncode == 2 and "itself" in ended.stderr
    assert door("ship", checkpoint, checkpoint.with_name("b.pt"), "--conf", 3).returncode == 2


def test_a_checkpoint_whose_parts_do_not_fit_is_refused(checkpoint, tmp_path):
    from minehat.errors import MineHatError
    content = torch.load(checkpoint, weights_only=True)
    for key, value in (("recipe", {**content["recipe"], "width": "small"}), ("weights", {}), ("card", None)):
        torch.save({**content, key: value}, tmp_path / "odd.pt")
        with pytest.raises(MineHatError, match="odd"):
            load_checkpoint(tmp_path / "odd.pt")
