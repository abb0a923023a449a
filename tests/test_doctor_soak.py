"""`minewatch doctor` on a box that was installed from a bundle, under a systemd of its own."""

from __future__ import annotations

import json

import pytest
from minehat.doctor import FAULT, NOTE, WARNING, WELL
from private_systemd import Booted, missing
from test_berth_units_soak import CONFIG, UNIT, a_debian_that_watches, is_watching
from waiting import wait_for

pytestmark = [pytest.mark.soak, pytest.mark.skipif(bool(missing()), reason=missing())]
__all__ = ["a_debian_that_watches"]


def doctor(box: Booted) -> dict[str, dict[str, str]]:
    """What it finds, by name; people read the same without a traceback."""
    said = box.run("minewatch", "doctor", "--json", "/tmp/doctor.json", check=False)
    assert "Traceback" not in said and "could not be looked at" not in said, said
    return {one["what"]: one for one in json.loads(box.run("cat", "/tmp/doctor.json"))["findings"]}


def test_a_box_that_watches_is_well_and_one_that_does_not_says_why(box: Booted, figure) -> None:
    """H4: release, service, state and watch of an installed box."""
    wait_for(lambda: is_watching(box), 90, 0.5)
    found = doctor(box)
    assert {what for what, one in found.items() if one["level"] == FAULT} == set()
    for what in ("release", "configuration", "model", "state", "camera scene", "watch", "service"):
        assert found[what]["level"] == WELL, found[what]
    assert found["service"]["found"].startswith("active (running): The camera is watched")
    figure("H4", f"on a box installed from a bundle, under systemd 252: {len(found)} lines, none of them a fault")

    box.run("systemctl", "stop", UNIT)
    found = doctor(box)
    assert (found["service"]["level"], found["watch"]["level"]) == (WARNING, NOTE)

    box.shell(f"cp {CONFIG} /tmp/kept && chown root: /var/lib/minewatch/events.db && echo nonsense: 1 >>{CONFIG}")
    box.run("systemctl", "start", UNIT, check=False)
    wait_for(lambda: box.shown(UNIT, "ActiveState") == "failed", 60, 0.5)
    found = doctor(box)
    assert "exit code 78" in found["service"]["found"] and found["service"]["level"] == FAULT
    assert "nonsense" in found["configuration"]["found"] and "events.db" in found["state"]["found"]
    box.shell(f"cat /tmp/kept >{CONFIG} && chown minewatch: /var/lib/minewatch/events.db")
