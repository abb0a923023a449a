"""How worn disks are, as far as sysfs tells. Unverified on a board: paths are those of the kernel's documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding
from minehat.telemetry.sysfs import number, text

# life_time counts in tenths: 0x01 up to 10 % used, 0x0a up to 100 %, 0x0b beyond; 0x00 not told
WORN, DONE_FOR = 0x09, 0x0B
SPARE_LOW, SPARE_GONE = 2, 3  # pre_eol_info: 80 % of the spare blocks are used, nearly all
LIVE = "live"  # how the kernel calls a disk that works
SOON = "It will fail, and what is on it will be lost"
REPLACE = "Copy /etc/minewatch and the state folder, and replace it"


def wear(root: Path) -> Iterator[Finding]:
    """Every eMMC, SD card and NVMe disk, and ext4 file systems with errors. root: the folder that stands for `/`."""
    for block in sorted((root / "sys/block").glob("mmcblk*")):
        if (block / "device").is_dir():
            yield from _card(block.name, block / "device")
    for disk in sorted((root / "sys/class/nvme").glob("nvme*")):
        yield _nvme(disk)
    for system in sorted((root / "sys/fs/ext4").glob("*")):
        if (count := number(system / "errors_count") or 0) > 0:
            yield Finding(f"disk {system.name}", WARNING, f"its file system had {count:.0f} errors", SOON,
                          f"`sudo touch /forcefsck` and restart; {REPLACE.lower()} where they come again")


def _card(name: str, device: Path) -> Iterator[Finding]:
    what = f"disk {name}"
    if text(device / "type") == "SD":
        yield Finding(what, NOTE, "an SD card, which does not tell how worn it is", "A database wears them out soon",
                      "Keep the state folder on an NVMe disk")
        return
    worst, spare = (max(_hexadecimals(text(device / name) or ""), default=0) for name in ("life_time", "pre_eol_info"))
    if not worst:
        yield Finding(what, WELL, "an eMMC, which does not tell how worn it is")
        return
    told = f"eMMC, {'all' if worst >= DONE_FOR else f'up to {10 * worst} %'} of its life used"
    if worst >= DONE_FOR or spare >= SPARE_GONE:
        yield Finding(what, FAULT, told, SOON, REPLACE)
    elif worst >= WORN or spare >= SPARE_LOW:
        yield Finding(what, WARNING, told, "It will fail one day soon", "Order another one; move the state folder to "
                      "an NVMe disk")
    else:
        yield Finding(what, WELL, told)


def _hexadecimals(words: str) -> list[int]:
    return [int(word, 16) for word in re.findall(r"\b0x[0-9a-fA-F]{1,2}\b", words)]


def _nvme(disk: Path) -> Finding:
    """Its wear is in its own log, which root alone may ask for."""
    what, name, condition = f"disk {disk.name}", text(disk / "model") or "NVMe", text(disk / "state") or LIVE
    monitors = list(disk.glob("hwmon*/temp1_input"))
    celsius = next((value / 1000 for path in monitors if (value := number(path)) is not None), None)
    warm = "" if celsius is None else f", {celsius:.0f} C"
    if condition != LIVE:
        return Finding(what, FAULT, f"{name}: {condition}", "Nothing on it can be read or written", "Restart; where "
                       "that does not help replace it")
    if any(number(path.with_name("temp1_alarm")) for path in monitors):
        return Finding(what, WARNING, f"{name}: too hot{warm}", "It slows down, and wears out sooner", "Give it air, "
                       "or a heat sink")
    return Finding(what, WELL, f"{name}{warm}", "", f"How worn it is says `sudo nvme smart-log /dev/{disk.name}`")
