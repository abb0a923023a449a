"""What takes longer than CI has time for; `make soak` runs it."""

from __future__ import annotations

import csv
import json
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


FRAMES = 10_000
LOOKED_ON = """
import itertools, json, sys, time
import minehat
from minehat import scenes

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

model, way, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
frames = [scenes.picture(seed, 1280, 720).frame for seed in range(16)]
rss, cpu, wall = [], [], []
with minehat.open(model, threads=1) as detector:
    shown = itertools.islice(itertools.cycle(frames), count)
    for _ in detector.stream(shown) if way == "stream" else map(detector, shown):
        now = time.perf_counter(), time.process_time()
        if rss:
            wall.append(now[0] - last[0])
            cpu.append(now[1] - last[1])
        rss.append(resident())
        last = time.perf_counter(), time.process_time()

def ratio(spent):
    ranked = sorted(spent[len(spent) // 10:])
    return ranked[len(ranked) * 99 // 100] / ranked[len(ranked) // 2]
warm = rss[count // 10:]
print(json.dumps({"drift": max(warm) - warm[0], "resident": warm[-1], "cpu": ratio(cpu), "wall": ratio(wall)}))
"""


@pytest.mark.parametrize("way", ["calls", "stream"])
def test_ten_thousand_frames_cost_no_memory_and_no_frame_much_more_than_another(way):
    """Drift in MB after a tenth of them. Percentiles are asserted of processor time: others' work is none of ours."""
    model = ROOT / "models" / "helmet-nano" / "helmet-nano.int8-cpu.onnx"
    told = subprocess.run([sys.executable, "-c", LOOKED_ON, model, way, str(FRAMES)], capture_output=True, text=True,
                          check=True).stdout
    print(way, told)
    found = json.loads(told)
    assert found["drift"] < 2
    if way == "calls":
        assert found["cpu"] <= 1.5
