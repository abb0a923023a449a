"""The power goes at any moment of an update: what was before holds, or what comes after, and it comes to pass."""

import os
import random
import signal
import time

import pytest
from bright_onnx import CARD, bright_onnx
from fleet_lab import Keys, packed
from minewatch.config.load import read_config
from minewatch.fleet.ledger import read_ledger
from watching import Watching, bare_clip, wait_for

ROUNDS = 20


@pytest.mark.soak
def test_twenty_power_cuts_at_random_moments(tmp_path, figure):
    """I8: watch and errand are killed together; each round brings another model and another rule."""
    clip = bare_clip(tmp_path / "bare.mp4", 2.0, (0.2, 1.9))
    keys, chance, stick = Keys(tmp_path, "trusted"), random.Random(8), tmp_path / "stick"
    camera = {"name": "gate", "url": str(clip), "repeat": True, "health": dict.fromkeys(
        ("dark", "glare", "blurred", "covered", "frozen", "moved"), False)}
    watch = Watching(tmp_path, [camera], updates={"sources": [str(stick)], "every": 1, "settle": 1, "box": "one"},
                     rules={"frames": 2, "seconds": 0.2})
    found = {"before": 0, "after": 0}
    with watch:
        for round_ in range(ROUNDS):
            watch.watching(120)
            before = watch.config.read_text()
            packed(stick, keys, round_, site="test", change=f"rules: {{frames: {round_ + 3}}}",
                   models={"file": bright_onnx(tmp_path / f"model{round_}.onnx", CARD)})
            time.sleep(chance.uniform(0, 12))
            for pid in watch.children():
                if b"fleet.process" in _line(pid):
                    os.kill(pid, signal.SIGKILL)
            watch.kill()
            config = read_config(watch.config)  # whole and right, whenever it was
            after = config.rules.frames == round_ + 3
            assert after or watch.config.read_text() == before
            assert config.model.file.is_file()
            found["after" if after else "before"] += 1
            watch.start()
            wait_for(lambda wanted=round_: _is(watch, wanted), 120)
        figure("I8", f"{ROUNDS} kills of watch and errand: {found['before']} configurations as before, "
                     f"{found['after']} as after, every update kept in the end")
        assert read_ledger(watch.state).refused == {} and len(watch.rows("update_applied")) >= ROUNDS / 2


def _is(watch, round_):
    """Whether the update of this round was kept."""
    applied = read_ledger(watch.state).applied
    return applied and applied[-1]["build"].endswith(f"{round_:02}Z")


def _line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
