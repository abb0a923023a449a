"""Sensors: Jetsons and PCs from made-up trees, NVML over a stub of its library, and this machine's own."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from jetson_trees import (
    BOARDS,
    agx_orin,
    agx_thor,
    alerts,
    gpu,
    orin_nano,
    orin_nx,
    over_current,
    pc,
    trips,
    write,
    zones,
)
from minehat.telemetry import Beside, Reading, merged, read_all, sensors_here
from minehat.telemetry.heat import Heat
from minehat.telemetry.reading import reading_from_json


def test_an_orin_nano_tells_power_clocks_heat_and_load(tmp_path):
    found = read_all(sensors_here(orin_nano(tmp_path)))
    assert found.total_watts == pytest.approx(9.3) and found.watts["VDD_CPU_GPU_CV"] == pytest.approx(3.1)
    assert set(found.watts) == {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"}
    assert found.clocks_mhz == pytest.approx({"cpu": 1120.0, "gpu": 624.75, "memory": 2133.0})
    assert found.celsius == pytest.approx({"cpu": 51.5, "gpu": 50.25, "soc0": 50.281, "soc1": 51.593, "soc2": 50.437,
                                           "tj": 51.593})
    assert found.loads == pytest.approx({"gpu": 0.87, "memory": 0.17})
    assert found.throttled == () and found.gpu_memory_mb is None


def test_an_agx_orin_adds_up_its_rails_less_what_another_feeds(tmp_path):
    found = read_all(sensors_here(agx_orin(tmp_path)))
    assert found.total_watts == pytest.approx(19.864 * 1.05 + 4) and "NC" not in found.watts
    assert found.watts["VDDQ_VDD2_1V8AO"] == pytest.approx(1.5)
    assert found.throttled == ("GPU too hot",) and found.clocks_mhz["gpu"] == pytest.approx(1300.5)


def test_over_current_is_told_when_it_happens_and_not_after(tmp_path):
    sensors = sensors_here(orin_nano(tmp_path))
    assert read_all(sensors).throttled == ()  # what happened before is not ours
    write(tmp_path, over_current(1, 0, 15) | alerts(cpu=1, gpu=0))
    assert read_all(sensors).throttled == ("CPU too hot", "supply voltage too low", "too much current at once")
    write(tmp_path, alerts(cpu=0, gpu=0))
    assert read_all(sensors).throttled == ()


def test_a_thor_tells_what_goes_into_the_board_and_nothing_of_a_gpu_that_sleeps(tmp_path):
    found = read_all(sensors_here(agx_thor(tmp_path)))
    assert found.total_watts == found.watts["VIN"] == pytest.approx(39.68)
    assert set(found.watts) == {"VIN", "VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"}
    assert set(found.celsius) == {"cpu", "soc012", "soc345", "tj"}
    assert found.clocks_mhz == pytest.approx({"cpu": 972.0, "gpu": 315.0, "memory": 4266.0}) and found.loads == {}


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_tells_power_heat_and_from_where_it_slows_down(tmp_path, name):
    root = BOARDS[name](tmp_path)
    found, limits = read_all(sensors_here(root)), Heat(root).limits()
    assert found.total_watts > 1 and max(found.celsius.values()) >= found.celsius["cpu"] > 30
    assert limits["cpu"] == limits["gpu"] == (108.5 if name == "agx_thor" else 99.0)
    assert "tj" in found.celsius and (name == "agx_thor") == ("tj" in limits)  # active trips turn up a fan


@pytest.mark.parametrize("name", ["17000000.gpu", "17000000.ga10b", "gpu-gpc-0"])  # JetPack 6, 5, and 7 on Thor
def test_the_gpu_is_known_by_each_of_its_names(tmp_path, name):
    write(tmp_path, gpu(name, 600_000_000, 500))
    found = read_all(sensors_here(tmp_path))
    assert found.clocks_mhz == {"gpu": 600.0} and found.loads == {"gpu": 0.5}


def test_a_zone_that_sleeps_is_left_out(tmp_path):
    orin_nx(tmp_path)
    asleep = tmp_path / "sys/class/thermal/thermal_zone1/temp"
    asleep.unlink()
    os.mkfifo(asleep)
    keep = os.open(asleep, os.O_RDWR)  # nothing in it and somebody who may write: reading answers EAGAIN
    try:
        assert set(read_all(sensors_here(tmp_path)).celsius) == {"cpu", "soc0", "soc1", "soc2", "tj"}
    finally:
        os.close(keep)


def test_zones_of_one_name_are_all_told_and_those_that_are_off_are_not(tmp_path):
    write(tmp_path, {f"sys/class/thermal/thermal_zone{row}/{file}": value for row, celsius in enumerate((40, 41, -256))
                     for file, value in (("type", "acpitz"), ("temp", 1000 * celsius))})
    assert read_all(sensors_here(tmp_path)).celsius == {"acpitz": 40.0, "acpitz 1": 41.0}


@pytest.mark.parametrize("points, limit", [({"passive": 95.0, "hot": 99.0, "critical": 105.0}, 95.0),
                                           ({"active": 85.0, "critical": 105.0}, 99.0), ({"passive": 46.0}, None),
                                           ({"passive": 0.0, "critical": 110.0}, 104.0), ({}, None)])
def test_a_limit_is_where_a_part_is_held_back_not_where_a_fan_turns(tmp_path, points, limit):
    write(tmp_path, zones(cpu=50.0) | trips(0, **points))
    assert Heat(tmp_path).limits().get("cpu") == limit


def test_a_pc_tells_watts_and_load_between_two_readings(tmp_path):
    sensors = sensors_here(pc(tmp_path))
    write(tmp_path, {"sys/class/powercap/intel-rapl:0/energy_uj": 2_000_000,  # past its largest and on: 7 joules
                     "sys/class/powercap/intel-rapl:0:1/energy_uj": 1_000_000,
                     "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": 4,
                     "proc/stat": "cpu  160 0 70 815 55 0 0 0 90 0"})
    time.sleep(0.05)
    found = read_all(sensors)
    assert found.total_watts == pytest.approx(sum(found.watts.values()))
    assert set(found.watts) == {"package-0", "dram 0"}
    assert found.watts["package-0"] == pytest.approx(7 * found.watts["dram 0"])
    assert 0 < found.watts["dram 0"] <= 1 / 0.05
    assert found.loads["cpu"] == pytest.approx(80 / 100) and found.clocks_mhz["cpu"] == 2500
    assert Heat(tmp_path).limits() == {"cpu Package id 0": 94.0}
    assert found.celsius == {"cpu Package id 0": 64.0} and found.throttled == ("CPU too hot",)


def test_a_machine_without_sensors_tells_nothing(tmp_path):
    assert sensors_here(tmp_path) == []
    assert set(read_all([]).to_json()) == {"at"}


def test_readings_add_up_and_travel_as_json():
    first = Reading(1.0, watts={"package-0": 20.5}, total_watts=20.5, loads={"cpu": 0.5}, throttled=("CPU too hot",))
    second = Reading(1.1, watts={"gpu": 100.0}, total_watts=100.0, throttled=("CPU too hot", "GPU too hot"))
    both = merged([first, second], at=2.0)
    assert both.total_watts == 120.5 and both.throttled == ("CPU too hot", "GPU too hot")
    assert reading_from_json(json.dumps(both.to_json())) == both


def test_an_nvidia_card_is_read_through_its_library(tmp_path):
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-o", tmp_path / "libnvidia-ml.so.1",
                    ROOT / "tests/libnvidia_ml_stub.c"], check=True)
    program = ("import json; from minehat.telemetry.nvml import Nvml; card = Nvml(); assert card\n"
               "print(json.dumps(card.read().to_json()))")
    ended = subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True,
                           env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    told = json.loads(ended.stdout)
    assert told["clocks_mhz"] == {"gpu": 1410, "memory": 9501} and told["celsius"] == {"gpu": 83}
    assert told["total_watts"] == 199.5 and told["gpu_memory_mb"] == 512
    assert told["throttled"] == ["GPU at its power limit", "GPU too hot"] and "loads" not in told


def test_readings_are_taken_beside_from_first_to_last(tmp_path):
    orin_nano(tmp_path)
    with Beside(every=0.05, root=str(tmp_path)) as beside:
        begun = time.monotonic()
        assert beside.readings
        time.sleep(0.3)
        ended = time.monotonic()
    assert len(beside.readings) >= 3
    first, last = beside.readings[0].at, beside.readings[-1].at
    assert first <= begun + 0.001 and last >= ended - 0.001  # one clock in both processes, told in whole milliseconds
    assert all(reading.total_watts == pytest.approx(9.3) for reading in beside.readings)


def test_the_command_prints_a_reading_a_line_and_ends_with_its_input():
    ended = subprocess.run([sys.executable, "-m", "minehat.telemetry", "--every", "0.05"], input="", text=True,
                           capture_output=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    first, last = (json.loads(line) for line in ended.stdout.splitlines())
    assert 0 < first["at"] <= last["at"]  # told in whole milliseconds


@pytest.mark.jetson
def test_this_jetson_tells_power_and_clocks():
    found = read_all(sensors_here())
    if not os.path.exists("/proc/device-tree/model"):
        pytest.skip("no Jetson")
    assert found.total_watts and found.total_watts > 1 and found.clocks_mhz["gpu"] > 0


@pytest.mark.gpu
def test_this_card_tells_power_and_clocks():
    from minehat.telemetry.nvml import Nvml
    card = Nvml()
    if not card:
        pytest.skip("no NVIDIA card with NVML")
    found = card.read()
    assert found.total_watts and found.clocks_mhz["gpu"] > 0 and found.gpu_memory_mb is not None
