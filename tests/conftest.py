"""Shared by all tests: tests/ on the path, where the real pictures are, and what may be skipped in CI."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"
FIGURES = ROOT / "out" / "soak" / "figures.jsonl"
PASSED = pytest.StashKey[bool]()
NO_REAL_DATA = "the real pictures (../shared/data) are not here"
sys.path.insert(0, str(Path(__file__).resolve().parent))

os.environ.pop("COLUMNS", None)  # of a terminal, or of who runs tests side by side: what is printed would be wrapped
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # of tests that load ONNX Runtime by themselves

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background jobs, and in all that they start
    signal.signal(signal.SIGINT, signal.default_int_handler)

_skipped: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's cache is read or written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def nothing_kept(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own: the test finds nothing that another one built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("kept")))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures beside the checkout; tests that need it skip where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(NO_REAL_DATA)
    return REAL_DATA


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], None]]:
    """Note what a soak test measured of a fault case, for docs/faults.md: figure("A5", "live again after 0.9 s").

    Figures of a test that fails are not kept.
    """
    told: list[dict[str, str]] = []
    test, machine = f"{request.module.__name__}.{request.node.name}", f"{os.cpu_count()} cores, {platform.machine()}"

    def note(case: str, measured: str) -> None:
        told.append({"case": case, "measured": measured, "test": test, "date": date.today().isoformat(),
                     "machine": machine})

    yield note
    if request.node.stash.get(PASSED, False):
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        with open(FIGURES, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in told)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Note whether the test itself passed, for fixtures that end after it."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note each skip that CI must not let pass: all but for want of a GPU, a Jetson or the real pictures."""
    if report.skipped and not {"gpu", "jetson"} & set(report.keywords) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NO_REAL_DATA not in reason:
            _skipped.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped and os.environ.get("CI") == "true":
        print("\nskipped in CI, where only GPU and Jetson tests may skip:", *_skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
