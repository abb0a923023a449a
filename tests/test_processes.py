"""Several processes that train together end with the weights of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from minehat import scenes
from minenet.checkpoint import load_checkpoint
from minenet.data.augment import Augmentation
from minenet.data.sources import Source
from squares import run_of, squares

# Two processes work off half a batch each; one process works it off in two parts: batch norms see the same pictures.
TOGETHER = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from minenet.training.processes import joined
from test_processes import trained
with joined("cpu") as processes:
    trained(Path({out!r}), processes)
"""


def trained(folder, processes=None):
    run = run_of(folder, epochs=2, processes=processes, accumulate=1 if processes else 2, augment=Augmentation())
    run.fit([Source("squares", squares(12, 64), 1.0)], [])
    return run


def torchrun(count: int, script, *arguments: str) -> subprocess.CompletedProcess[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count),
                           "--master-addr", "127.0.0.1", "--master-port", str(port), str(script), *arguments],
                          capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(tmp_path):
    script = tmp_path / "together.py"
    script.write_text(TOGETHER.format(tests=str(ROOT / "tests"), out=str(tmp_path / "two")))
    ended = torchrun(2, script)
    assert ended.returncode == 0, ended.stderr
    one = trained(tmp_path / "one")
    _, _, two = load_checkpoint(tmp_path / "two" / "last.pt")
    for name, value in one.network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue  # a count that nothing reads; of parts, not of steps
        torch.testing.assert_close(two["learner"]["network"][name], value, rtol=1e-4, atol=1e-5, msg=name)
    for mine, theirs in zip(one.place.rows, two["place"]["rows"], strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


@pytest.mark.slow
def test_the_door_trains_under_torchrun_and_tells_a_mistake_in_words(tmp_path):
    scenes.write_pictures(tmp_path / "gallery", 8, seed=0, split="train", width=160, height=128)
    scenes.write_pictures(tmp_path / "gallery", 2, seed=8, split="val", width=160, height=128)
    asked = ("--data", str(tmp_path / "gallery"), "--val", str(tmp_path / "gallery"), "--epochs", "1", "--size", "64",
             "--device", "cpu", "--out", str(tmp_path / "run"))
    odd = torchrun(2, ROOT / "export" / "train.py", *asked, "--batch", "3")
    assert odd.returncode != 0 and odd.stderr.count("--batch 3 cannot be shared by 2") == 1
    ended = torchrun(2, ROOT / "export" / "train.py", *asked, "--batch", "4")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("done: best mAP50") == 1 and (tmp_path / "run" / "best.pt").is_file()
    assert len((tmp_path / "run" / "results.csv").read_text().splitlines()) == 2
