"""Checks that end in every way there is."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from minebench.gpu.outcome import NotRun, expect
from minehat.cuda.driver import Faults


def good(value):
    print("said on the way")
    return {"value": value, "environment": os.environ.get("MADE_UP")}


def lacking():
    raise NotRun("libwonder is not installed")


def wrong():
    expect(1 + 1 == 3, "two is not three")


def raising():
    return {}["absent"]


def crashing():
    print("about to crash", flush=True)
    os.abort()


def leaving():
    print("last words", file=sys.stderr)
    os._exit(7)


def lost():
    raise Faults().fault("cuLaunchKernel", 700, "CUDA_ERROR_ILLEGAL_ADDRESS")


def endless(note):
    """With a child, whose number it notes, that would outlive it."""
    child = subprocess.Popen(["sleep", "600"])
    with open(note, "w") as file:
        file.write(str(child.pid))
    time.sleep(600)
