"""Secrets that systemd hands to the service, seen for a moment by whoever may read them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minehat.telemetry.sysfs import text

FILE = "minewatch.env"  # beside the configuration; NAME=secret, a line each, of root alone


@contextmanager
def as_the_service_has_it(config: Path) -> Iterator[None]:
    """Inside, variables of FILE are set that are not set already."""
    before = dict(os.environ)
    try:
        for name, value in _variables(text(config.with_name(FILE)) or ""):
            os.environ.setdefault(name, value)
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]


def _variables(lines: str) -> Iterator[tuple[str, str]]:
    """As systemd.exec(5) has it, as far as anybody writes a password: comments, and quotes around a value."""
    for line in lines.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name.isidentifier():
            try:
                yield name, " ".join(shlex.split(value))
            except ValueError:  # a quote that nothing closes
                yield name, value
