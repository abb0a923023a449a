"""Does the progress bar give every item, and keep off stdout and out of logs?"""

from __future__ import annotations

import pytest
from minehat import progress
from minehat.progress import bar, say


def test_every_item_comes_and_a_short_wait_says_nothing(capsys):
    assert [*bar(range(5))] == [*range(5)] == [*bar(iter(range(5)), total=5, label="x")]
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "BETWEEN_LINES", 0.0)
    assert [*bar([7, 8], label="reading")] == [7, 8]
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[1].startswith("reading 1/2 after")


def test_say_speaks_on_stderr(capsys):
    say("头盔")
    assert capsys.readouterr() == ("", "头盔\n")


def test_an_error_inside_passes_through():
    with pytest.raises(ZeroDivisionError):
        [*bar(1 // x for x in (1, 0))]
