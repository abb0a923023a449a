"""The siren: it sounds for events of now, once for many, and is silent when the watch ends."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hand_clock import NOON, HandClock
from minewatch.clock import SystemClock
from minewatch.config.schema import SinksPart, SirenPart
from minewatch.events.event import Event, Kept
from minewatch.sinks import gpio, siren
from minewatch.sinks.bell import Bell
from minewatch.sinks.gpio import GET_LINE, SET_VALUES, GpioLine, request
from minewatch.sinks.senders import Senders
from minewatch.sinks.sink import Undelivered
from minewatch.sinks.siren import STALE, Siren
from sinks_lab import add, filled
from waiting import eventually


def event(age: float = 0.0, kind: Any = "bare_head", loud: bool = True, seq: int = 1) -> Kept:
    return Kept(seq, Event(kind, NOON - age, "gate", loud=loud))


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell() as made:
        yield made


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Where the commands of these tests write what they were told."""
    return tmp_path / "noise"


def commanded(script: str, clock: Any = None, **told: Any) -> Siren:
    part = SirenPart(command=("sh", "-c", script), **told)
    return Siren(part, clock or HandClock())


def test_the_command_gets_the_event(bell: Bell, noise: Path) -> None:
    one = commanded(f"cat > {noise}")
    one.ready(bell)
    assert one.deliver([event(seq=5)], bell) == 1
    assert json.loads(noise.read_text()) == event(seq=5).to_dict() | {"id": json.loads(noise.read_text())["id"],
                                                                       "incident": json.loads(noise.read_text())["id"]}


@pytest.mark.parametrize("kept, heard", [
    (event(), True), (event(age=STALE - 1), True), (event(age=STALE + 1), False), (event(age=86400), False),
    (event(age=-86400), False),  # a clock that was set back a day
    (event(loud=False), False), (event(kind="config_reloaded"), False), (event(kind="camera_fault"), True)])
def test_a_siren_of_yesterday_is_a_false_alarm(bell: Bell, noise: Path, kept: Kept, heard: bool) -> None:
    one = commanded(f"echo x >> {noise}")
    assert one.deliver([kept], bell) == 1  # confirmed at once, in any case
    assert noise.exists() == heard


def test_many_events_at_once_sound_once(bell: Bell, noise: Path) -> None:
    one = commanded(f"echo x >> {noise}")
    assert one.deliver([event(loud=False), *[event(seq=row) for row in range(19)]], bell) == 20
    assert noise.read_text() == "x\n"


def test_only_its_kinds_are_heard(bell: Bell, noise: Path) -> None:
    one = commanded(f"echo x >> {noise}", kinds=("intruder",))
    one.deliver([event()], bell)
    assert not noise.exists()
    one.deliver([event(kind="intruder")], bell)
    assert noise.exists()


def test_an_event_of_the_store_is_heard_within_the_watch(tmp_path: Path, noise: Path) -> None:
    with filled(tmp_path, 3) as store:  # of before: nobody hears them
        part = SirenPart(command=("sh", "-c", f"cat >> {noise}"))
        sent = Senders(SinksPart(siren=part), tmp_path, "mine", SystemClock())
        try:
            assert eventually(lambda: sent.status()[0].standing == "well")
            add(store, 1)
            sent.wake()
            assert eventually(lambda: noise.exists() and noise.read_text().endswith("\n"))
            assert eventually(lambda: sent.status()[0].behind == 0)
            assert [json.loads(line)["seq"] for line in noise.read_text().splitlines()] == [4]
        finally:
            sent.stop()


def test_a_command_that_fails_is_told_with_its_last_words(bell: Bell) -> None:
    with pytest.raises(Undelivered, match="sh ended with 3: the horn is unplugged"):
        commanded("yes noise | head -c 300000; echo; echo the horn is unplugged >&2; exit 3").deliver([event()], bell)


def test_a_command_that_ignores_its_input_is_no_fault(bell: Bell) -> None:
    assert commanded("exec <&-; exit 0").deliver([event()], bell) == 1


def test_a_command_that_does_not_end_is_killed_with_all_its_children(bell: Bell, noise: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siren, "GRACE", 0.2)
    class Now(HandClock):
        def monotonic(self) -> float:
            return time.monotonic()

    one = commanded(f"sleep 600 & echo $! > {noise}; wait", Now(), seconds=0.1)
    with pytest.raises(Undelivered, match=r"did not end within 0\.3 s"):
        one.deliver([event()], bell)
    assert eventually(lambda: gone(int(noise.read_text())))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_stop_silences_at_once(bell: Bell, noise: Path) -> None:
    stop = threading.Timer(0.3, bell.stop)
    stop.start()
    began = time.monotonic()
    commanded(f"echo $$ > {noise}; exec sleep 600", SystemClock()).deliver(
        [Kept(1, Event("bare_head", time.time(), loud=True))], bell)
    assert time.monotonic() - began < 5 and gone(int(noise.read_text()))
    stop.join()


def test_a_command_that_is_not_there_is_told_before_it_is_needed(bell: Bell) -> None:
    with pytest.raises(Undelivered, match="no program that can be run"):
        Siren(SirenPart(command=("/no/such/horn",)), SystemClock()).ready(bell)


def test_no_shell_reads_the_arguments(bell: Bell, noise: Path) -> None:
    part = SirenPart(command=(sys.executable, "-c", f"import sys; open({str(noise)!r}, 'w').write(sys.argv[1])",
                              "$(touch /tmp/x); *"))
    Siren(part, HandClock()).deliver([event()], bell)
    assert noise.read_text() == "$(touch /tmp/x); *"


class Chip:
    """The kernel's side of the character device: it records what it is asked, and gives a line's descriptor."""

    def __init__(self, fault: int = 0) -> None:
        self.asked: list[tuple[int, bytes]] = []
        self.fault, self.line = fault, os.open("/dev/null", os.O_RDWR)

    def ioctl(self, handle: int, number: int, buffer: bytearray) -> int:
        self.asked.append((number, bytes(buffer)))
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))
        if number == GET_LINE:
            buffer[gpio.FD_AT:] = self.line.to_bytes(4, sys.byteorder)
        else:
            assert handle == self.line
        return 0

    def levels(self) -> list[int]:
        """What the line was set to."""
        return [asked[0] for number, asked in self.asked if number == SET_VALUES]


PROBE = r"""
#include <linux/gpio.h>
#include <stdio.h>
#include <string.h>
int main(void) {
    struct gpio_v2_line_request r; struct gpio_v2_line_values v;
    memset(&r, 0, sizeof r); memset(&v, 0, sizeof v);
    r.offsets[0] = 105; r.num_lines = 1; strcpy(r.consumer, "minewatch");
    r.config.flags = GPIO_V2_LINE_FLAG_OUTPUT | GPIO_V2_LINE_FLAG_ACTIVE_LOW;
    v.bits = 1; v.mask = 1;
    printf("%lu %lu %zu\n", (unsigned long)GPIO_V2_GET_LINE_IOCTL, (unsigned long)GPIO_V2_LINE_SET_VALUES_IOCTL,
           (size_t)((char *)&r.fd - (char *)&r));
    for (size_t i = 0; i < sizeof r; i++) printf("%02x", ((unsigned char *)&r)[i]);
    printf("\n");
    for (size_t i = 0; i < sizeof v; i++) printf("%02x", ((unsigned char *)&v)[i]);
}
"""


def test_the_bytes_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    if shutil.which("g++") is None or not Path("/usr/include/linux/gpio.h").exists():
        pytest.skip("no compiler with the kernel's headers")
    (tmp_path / "probe.c").write_text(PROBE)
    subprocess.run(["gcc", "probe.c", "-o", "probe"], cwd=tmp_path, check=True)
    numbers, asked, values = subprocess.run([tmp_path / "probe"], capture_output=True, text=True,
                                            check=True).stdout.split("\n")
    assert [int(one) for one in numbers.split()] == [GET_LINE, SET_VALUES, gpio.FD_AT]
    assert request(105, True) == bytes.fromhex(asked)
    assert gpio.VALUES.pack(1, 1) == bytes.fromhex(values)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    """A chip in place of the kernel's: there is none on the machines where tests run."""
    made = Chip()
    monkeypatch.setattr(siren, "GpioLine", lambda chip, line, low: GpioLine("/dev/null", line, low, made.ioctl))
    return made


class Turning(HandClock):
    """Goes on by itself, a second at each look."""

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def test_a_line_is_held_silent_then_active_then_silent(bell: Bell, chip: Chip) -> None:
    one = Siren(SirenPart(gpio_chip="/dev/gpiochip0", gpio_line=105, seconds=3, active_low=True), Turning())
    one.ready(bell)
    one.ready(bell)
    assert [number for number, _ in chip.asked] == [GET_LINE]  # asked for once, inactive
    assert chip.asked[0][1] == request(105, True)
    bell.ring()
    assert one.deliver([event(), event(seq=2)], bell) == 2
    assert chip.levels() == [1, 0]
    one.close()
    assert chip.levels()[-1] == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(chip.line)


def test_a_stop_silences_the_line(bell: Bell, chip: Chip) -> None:
    one = Siren(SirenPart(gpio_chip="/dev/gpiochip0", gpio_line=1, seconds=600), SystemClock())
    one.ready(bell)
    stop = threading.Timer(0.1, bell.stop)
    stop.start()
    began = time.monotonic()
    one.deliver([Kept(1, Event("bare_head", time.time(), loud=True))], bell)
    assert chip.levels() == [1, 0] and time.monotonic() - began < 5
    stop.join()
    one.close()


@pytest.mark.parametrize("fault, words", [(errno.EBUSY, "another program holds the line"),
                                          (errno.EINVAL, "the chip has no such line"),
                                          (errno.ENOTTY, "this is no GPIO chip")])
def test_a_line_that_cannot_be_had_says_why(fault: int, words: str) -> None:
    chip = Chip(fault)
    with pytest.raises(Undelivered, match=f"/dev/null line 3: {words}"):
        GpioLine("/dev/null", 3, False, chip.ioctl)
    os.close(chip.line)


def test_the_real_kernel_answers_too() -> None:
    with pytest.raises(Undelivered, match="there is no such chip"):
        GpioLine("/dev/gpiochip-none", 3, False)
    with pytest.raises(Undelivered, match="this is no GPIO chip"):
        GpioLine("/dev/null", 3, False)


