"""Dockerfiles before a linter, compose files before the compose specification; nothing here builds an image."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose
from conftest import ROOT
from minewatch.berth.installing.layout import USER, Layout
from minewatch.berth.targets import TARGETS

DOCKER = ROOT / "jetson" / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
COMPOSE_FILES = sorted(DOCKER.glob("compose*.yaml"))
HADOLINT = shutil.which("hadolint", path=Path(sys.executable).parent) or "hadolint"
BOX = {"VIDEO_GID": "44", "RENDER_GID": "104"}  # what README.md has people set
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def linted(file: Path) -> str:
    """What hadolint has to say, down to its smallest remark."""
    told = subprocess.run([HADOLINT, "--no-color", "--failure-threshold", "style", str(file)], capture_output=True,
                          text=True, timeout=60)
    assert (told.returncode == 0) == (told.stdout == ""), told.stderr
    return told.stdout


def filled(text: str, variables: dict[str, str]) -> str:
    """A compose file with its variables put in, as compose does first. Raises KeyError for one that is wanted."""
    def value(found: re.Match[str]) -> str:
        name, kind, rest = found["name"], found["kind"], found["rest"]
        return variables.get(name) or rest if kind == "-" else variables[name]
    return VARIABLE.sub(value, text)


def services(file: Path) -> dict[str, Any]:
    """The services of a compose file that the specification admits."""
    return dict(PyCompose.from_yaml(filled(file.read_text("utf-8"), BOX)).to_dict()["services"])


def instructions(file: Path, word: str) -> list[str]:
    """The arguments of an instruction, wherever it stands."""
    whole = file.read_text("utf-8").replace("\\\n", " ")
    return re.findall(rf"^{word} (.*)$", whole, re.MULTILINE)


def test_there_is_an_image_for_every_kind_of_bundle() -> None:
    assert {file.stem for file in DOCKERFILES} == set(TARGETS)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_a_dockerfile_lints(file: Path, tmp_path: Path) -> None:
    assert linted(file) == ""
    worse = tmp_path / "Dockerfile"
    worse.write_text(re.sub(r"FROM (\S+):\S+", r"FROM \1:latest", file.read_text("utf-8")), "utf-8")
    assert "DL3007" in linted(worse)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_an_image_is_the_bundle_installed_without_a_network_and_watches_as_its_user(file: Path) -> None:
    layout = Layout(Path("/"))
    install, = (one for one in instructions(file, "RUN") if "install.sh" in one)
    assert install.startswith("--network=none --mount=type=bind,") and '--accept-key "${FINGERPRINT}"' in install
    number = re.search(rf"useradd --uid (\d+) .* {USER}$", "\n".join(instructions(file, "RUN")), re.MULTILINE)
    assert number and instructions(file, "USER") == [number[1]]
    assert instructions(file, "ENTRYPOINT") == [f'["{layout.current}/venv/bin/minewatch"]']
    assert instructions(file, "CMD") == [f'["run", "{layout.settings}/minewatch.yaml"]']


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=lambda file: file.stem)
def test_a_compose_file_says_what_the_specification_knows(file: Path) -> None:
    assert "watch" in services(file)
    misspelt = file.read_text("utf-8").replace("  watch:\n", "  watch:\n    restrat: always\n", 1)
    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_yaml(filled(misspelt, BOX))


def test_the_containers_have_no_rights_to_spare_and_room_for_frames_and_log() -> None:
    watch, nginx = (services(DOCKER / "compose.yaml")[name] for name in ("watch", "nginx"))
    for one in (watch, nginx):
        assert one["read_only"] is True and one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"] and one["restart"] == "unless-stopped"
        assert one["logging"]["options"].keys() == {"max-size", "max-file"}
        assert "ports" not in one and "privileged" not in one
    assert "cap_add" not in watch and watch["shm_size"] == "1gb"


def test_what_must_last_lies_in_volumes_and_what_is_mounted_is_there() -> None:
    layout, text = Layout(Path("/")), (DOCKER / "compose.yaml").read_text("utf-8")
    nginx = ROOT / "jetson" / "nginx" / "minewatch.conf"
    for folder in (layout.settings, layout.state, layout.cache):
        assert re.search(rf"^ +- \w+:{folder}$", text, re.MULTILINE), folder
    mounted = re.findall(r"^ +- (\.\S+?):(\S+?):ro", text, re.MULTILINE)
    assert [(DOCKER / here).resolve() for here, _ in mounted] == [nginx, DOCKER / "tls"]
    certificates = re.findall(r"ssl_certificate(?:_key)? (\S+)/\w+\.pem;", nginx.read_text("utf-8"))
    assert {there for _, there in mounted[1:]} == set(certificates)


def test_the_jetson_is_asked_for_the_numbers_of_its_groups() -> None:
    with pytest.raises(KeyError, match="RENDER_GID"):
        filled((DOCKER / "compose.jetson.yaml").read_text("utf-8"), {"VIDEO_GID": "44"})
    assert services(DOCKER / "compose.jetson.yaml")["watch"]["group_add"] == [44, 104]
