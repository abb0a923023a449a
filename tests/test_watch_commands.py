"""Do `minewatch`'s commands speak to anybody, on any terminal, and never with a traceback?"""

import os
import subprocess
import sys

import pytest
from conftest import ROOT
from minebench.faults import asked_by, read_catalogue, read_seen, table
from minewatch.config.passwords import agrees

COMMANDS = ("run", "check", "setup", "replay", "support", "doctor", "hash-password")


def minewatch(*words, stdin="", **env):
    return subprocess.run([sys.executable, "-m", "minewatch", *map(str, words)], input=stdin, capture_output=True,
                          text=True, timeout=60, env={**os.environ, **env})


@pytest.mark.parametrize("env", [{"COLUMNS": "40"}, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_given_on_any_terminal(command, env):
    """H5: a narrow one, one without a language, none at all."""
    done = minewatch(*filter(None, [command]), "--help", **env)
    assert done.returncode == 0 and "usage: minewatch" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["replay", "--help"]])
def test_a_reader_that_goes_away_is_no_fault(words):
    """H5: minewatch --help | head -0."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "minewatch", *words], stdout=writer, stderr=subprocess.PIPE, text=True,
                          timeout=60)
    os.close(writer)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["rnu"], ["run"], ["check"], ["replay"], ["run", "a.yaml", "b.yaml"]])
def test_wrong_words_are_2_and_a_usage_line(words):
    done = minewatch(*words)
    assert done.returncode == 2 and done.stderr.startswith("usage: minewatch")


@pytest.mark.parametrize("command, code", [("run", 78), ("check", 2), ("support", 2)])
@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_configuration_that_is_not_there_is_one_line(tmp_path, command, code, name):
    """H1: absent, or a folder."""
    done = minewatch(command, tmp_path / name)
    assert done.returncode == code and len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr


def test_a_hash_of_a_password_is_what_the_page_takes():
    done = minewatch("hash-password", stdin="Glück auf 42\n")
    assert done.returncode == 0 and agrees("Glück auf 42", done.stdout.strip())
    assert not agrees("Glück auf 43", done.stdout.strip())


def test_the_table_of_faults_is_as_the_tests_and_figures_say():
    """docs/faults.md: `python benchmarks/fault_table.py` makes it."""
    home = ROOT / "docs" / "faults"
    catalogue, tests = read_catalogue(home / "catalogue.tsv"), asked_by(ROOT / "tests")
    told = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert told == table(catalogue, tests, read_seen(home / "measured.jsonl"))
    assert set(tests) <= {fault.case for fault in catalogue}
