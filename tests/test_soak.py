"""What takes longer than CI has time for; `make soak` runs it."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from minehat import scenes
from minenet.checkpoint import load_checkpoint

pytestmark = pytest.mark.soak

KILLED_AFTER = 30.0  # seconds of training
EPOCHS = 20  # more than fit into that time


def training(data, out, *more):
    command = [sys.executable, ROOT / "export" / "train.py", "--data", data, "--val", data, "--out", out,
               "--size", "224", "--batch", "8", "--epochs", str(EPOCHS), "--every", "3", "--device", "cpu",
               "--precision", "bf16", "--save-every", "7", *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def ended(process) -> None:
    _, told = process.communicate(timeout=1800)
    assert process.returncode == 0, told


def curve(out) -> list[dict[str, str]]:
    with (out / "results.csv").open() as file:
        return [{key: value for key, value in row.items() if key not in ("seconds", "loading", "waiting")}
                for row in csv.DictReader(file)]


def steps_of(out) -> dict[int, float]:
    """The loss of each step that TensorBoard's events tell of; of a step told twice the later."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    found = EventAccumulator(str(out / "events"))
    found.Reload()
    return {event.step: event.value for event in found.Scalars("step/loss")}


def test_a_run_killed_after_thirty_seconds_goes_on_with_the_curve_of_the_unbroken_one(tmp_path):
    data = tmp_path / "gallery"
    scenes.write_pictures(data, 240, seed=0, split="train", width=480, height=360)
    scenes.write_pictures(data, 20, seed=240, split="val", width=480, height=360)
    ended(training(data, tmp_path / "whole"))
    broken = training(data, tmp_path / "broken")
    while not (tmp_path / "broken" / "last.pt").exists():
        time.sleep(0.5)
        assert broken.poll() is None
    time.sleep(KILLED_AFTER)
    broken.send_signal(signal.SIGKILL)
    assert broken.wait() == -signal.SIGKILL, "it was done before it was killed: give it more epochs"
    broken.stderr.close()
    place = load_checkpoint(tmp_path / "broken" / "last.pt")[2]["place"]
    assert 0 < place["total"] < EPOCHS * 30
    ended(training(data, tmp_path / "broken", "--resume"))
    assert curve(tmp_path / "broken") == curve(tmp_path / "whole") and len(curve(tmp_path / "whole")) == EPOCHS
    assert steps_of(tmp_path / "broken") == steps_of(tmp_path / "whole")
    whole, resumed = (load_checkpoint(tmp_path / name / "last.pt")[0].state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
