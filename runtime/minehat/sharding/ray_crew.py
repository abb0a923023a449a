"""Parts done by Ray: on all cores of this machine, or of a cluster."""

from __future__ import annotations

import importlib
import logging
import os
import re
import secrets
import signal
import socket
import tempfile
from argparse import ArgumentTypeError
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..backends import ENGINES
from ..backends.ort import cores
from ..errors import MineHatError, missing
from .parts import Part
from .work import Done, Refused, Work, do_part

HERE = "here"
STORE = 80 << 20  # bytes of shared memory for what workers hand over, close to the least that Ray takes
TRIES = 3  # of a part whose worker died
AHEAD = 2  # parts for each worker that Ray knows of at a time
ALWAYS = {"RAY_USAGE_STATS_ENABLED": "0",  # else Ray reports to its makers
          "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that it will
          "RAY_task_oom_retries": str(TRIES - 1)}  # else for ever, where a part wants more memory than there is
# Ray's name for "the one machine alone" on other systems; on Linux too it makes all listen on the loopback only.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def ray_address(text: str) -> str:
    """What --ray takes: nothing (HERE), auto or HOST:PORT. For argparse."""
    if text not in (HERE, "auto") and not re.fullmatch(r"[^\s:/]+:[0-9]{1,5}", text):
        raise ArgumentTypeError(f"takes an ADDRESS (auto or HOST:PORT) or nothing; found {text!r}. Where a source "
                                "stands behind it, write it last.")
    return text


@contextmanager
def ray_crew(address: str, work: Work) -> Iterator[RayCrew]:
    """The crew of the cluster at `address`: HOST:PORT, or auto, the one that this machine is part of.

    Where that is HERE, of processes on this machine, which end with the block and listen on its loopback alone.

    Raises MineHatError where Ray is not installed, or the cluster cannot be joined or cannot do the work.
    """
    ray = _load_ray(address == HERE)
    ours = signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory(prefix="minehat-ray-", dir=_short(tempfile.gettempdir()),
                                     ignore_cleanup_errors=True) as folder:
        try:
            _join(ray, address, folder, work)
            signal.signal(signal.SIGTERM, ours)  # Ray's own would end us with another exit code
            yield RayCrew(ray, work)
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, ours)


class RayCrew:
    """Does parts as Ray's tasks, each on one core or as many as --threads says, and a GPU where the model wants one."""

    def __init__(self, ray: Any, work: Work) -> None:
        self._ray, self._waiting = ray, deque[Part]()
        self._under_way: dict[Any, Part] = {}
        self._wants = _wanted(work)
        self._work = ray.put(work)
        self._do = ray.remote(num_cpus=self._wants["CPU"], num_gpus=self._wants.get("GPU", 0),
                              max_retries=TRIES - 1)(do_part)
        if not self.workers():
            raise MineHatError(f"the Ray cluster has {_told(ray.cluster_resources())}, and each worker wants "
                               f"{_told(self._wants)}. Give fewer --threads, or another --backend.")

    def workers(self) -> int:
        """How many parts can be done at once, as the cluster is now."""
        there = self._ray.cluster_resources()
        return min(int(there.get(kind, 0) // wanted) for kind, wanted in self._wants.items())

    def begin(self, part: Part, first: bool = False) -> None:
        """Take it on; before all others that wait where `first`."""
        (self._waiting.appendleft if first else self._waiting.append)(part)

    def wait(self) -> tuple[Part, Done | Refused]:
        """One of the parts taken on, and what came of it. Raises MineHatError where Ray gives up."""
        errors = self._ray.exceptions
        try:
            self._hand_out()
            (ready, *_), _ = self._ray.wait(list(self._under_way))
        except errors.RayError as exc:
            raise _gave_up(exc) from exc
        part = self._under_way.pop(ready)
        try:
            return part, self._ray.get(ready)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError, errors.ObjectLostError):
            return part, Done(faults=(f"{part.name} could not be done: its worker died {TRIES} times. There is too "
                                      "little memory, or a file kills whoever reads it.",))
        except errors.RayTaskError as exc:
            if "No module named 'minehat" not in str(exc):
                raise
            raise MineHatError("the cluster's machines lack MineHat, or have another one. Install the same version "
                               "on all of them.") from exc
        except errors.RayError as exc:
            raise _gave_up(exc) from exc

    def _hand_out(self) -> None:
        most = AHEAD * max(1, self.workers())
        while self._waiting and len(self._under_way) < most:
            part = self._waiting.popleft()
            self._under_way[self._do.remote(self._work, part)] = part


def _load_ray(alone: bool) -> Any:
    """Ray, told by its environment, which it reads when it is imported and hands on to its processes."""
    os.environ.update(ALWAYS)
    if alone:
        os.environ.update(ALONE | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as exc:
        raise missing("Ray", "detect in parts", "`pip install 'minehat[ray]'`, or leave --ray away.") from exc


def _join(ray: Any, address: str, folder: str, work: Work) -> None:
    silent = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address != HERE:
        try:
            _call(address)
            ray.init(address, **silent)
        except (OSError, OverflowError, RuntimeError, ValueError) as exc:
            raise MineHatError(f"--ray {address}: no Ray cluster that can be joined ({_first_line(exc)}). This machine "
                               "must be part of it: `ray start --address=HOST:PORT`, with the same Ray and "
                               "Python.") from exc
        return
    ray.init("local", num_cpus=max(cores(), int(_wanted(work)["CPU"])), include_dashboard=False,
             object_store_memory=STORE, _temp_dir=folder, **silent)


def _call(address: str) -> None:
    """Raise OSError where nobody answers: Ray itself would try for minutes."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), 5).close()


def _short(folder: str) -> str:
    """A place for Ray's sockets, whose paths may have 107 bytes; Ray and we add 85 of them."""
    return folder if len(os.fsencode(folder)) <= 22 else "/tmp"


def _wanted(work: Work) -> dict[str, float]:
    """What a worker wants of Ray's resources."""
    asked = work.asked
    gpu = asked.backend in ("ort-cuda", "ort-tensorrt", "tensorrt") or Path(asked.model).suffix.lower() in ENGINES
    return {"CPU": float(asked.threads or 1)} | ({"GPU": 1.0} if gpu else {})


def _told(resources: dict[str, float]) -> str:
    return ", ".join(f"{resources.get(kind, 0):g} {kind}" for kind in ("CPU", "GPU"))


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0].strip()


def _gave_up(exc: BaseException) -> MineHatError:
    return MineHatError(f"Ray gave up: {_first_line(exc)} Run the same command again; what is done is kept.")
