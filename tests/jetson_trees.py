"""Made-up trees of sysfs files, as NVIDIA's and the kernel's documentation name them: none was recorded on a board."""

from __future__ import annotations

from pathlib import Path


def write(root: Path, files: dict[str, object]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{content}\n")


def rails(folder: str, **rails: tuple[int, int]) -> dict[str, object]:
    """An INA3221: by label, millivolts and milliamperes of its channels in turn."""
    files: dict[str, object] = {f"{folder}/name": "ina3221", f"{folder}/in7_label": "sum of shunt voltages",
                                f"{folder}/in7_input": 9}
    for channel, (label, (millivolts, milliamperes)) in enumerate(rails.items(), 1):
        files |= {f"{folder}/in{channel}_label": label, f"{folder}/in{channel}_input": millivolts,
                  f"{folder}/curr{channel}_input": milliamperes}
    return files


def zones(**celsius: float) -> dict[str, object]:
    files: dict[str, object] = {}
    for row, (kind, degrees) in enumerate(celsius.items()):
        files |= {f"sys/class/thermal/thermal_zone{row}/type": f"{kind}-thermal",
                  f"sys/class/thermal/thermal_zone{row}/temp": round(1000 * degrees)}
    return files


def alerts(**states: int) -> dict[str, object]:
    files: dict[str, object] = {"sys/class/thermal/cooling_device9/type": "pwm-fan",
                                "sys/class/thermal/cooling_device9/cur_state": 2}
    for row, (part, state) in enumerate(states.items()):
        files |= {f"sys/class/thermal/cooling_device{row}/type": f"{part}-throttle-alert",
                  f"sys/class/thermal/cooling_device{row}/cur_state": state}
    return files


def gpu(name: str, hertz: int, load: int) -> dict[str, object]:
    return {f"sys/class/devfreq/{name}/cur_freq": hertz, f"sys/class/devfreq/{name}/device/load": load,
            "sys/class/devfreq/15340000.vic/cur_freq": 115_200_000}


def over_current(under_voltage: int, average: int, peak: int) -> dict[str, object]:
    folder = "sys/class/hwmon/hwmon3"
    return {f"{folder}/name": "soctherm_oc", f"{folder}/oc1_event_cnt": under_voltage,
            f"{folder}/oc2_event_cnt": average, f"{folder}/oc3_event_cnt": peak}


def orin_nano(root: Path) -> Path:
    """JetPack 6 on an Orin Nano: VDD_IN measures what goes into the module."""
    write(root, {**rails("sys/class/hwmon/hwmon1", VDD_IN=(5000, 1860), VDD_CPU_GPU_CV=(5000, 620),
                         VDD_SOC=(5000, 410)),
                 **zones(cpu=51.5, gpu=50.25, tj=51.5), **alerts(cpu=0, gpu=0),
                 **gpu("17000000.gpu", 624_750_000, 870), **over_current(0, 0, 12),
                 "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1_510_400,
                 "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 729_600,
                 "sys/kernel/debug/bpmp/debug/clk/emc/rate": 2_133_000_000})
    return root


def agx_orin(root: Path) -> Path:
    """JetPack 5 on an AGX Orin: no rail measures the whole; the second monitor's lies behind the first's third."""
    write(root, {**rails("sys/class/hwmon/hwmon3", VDD_GPU_SOC=(20000, 900), VDD_CPU_CV=(20000, 150),
                         VIN_SYS_5V0=(5000, 800)),
                 **rails("sys/class/hwmon/hwmon4", NC=(0, 0), VDDQ_VDD2_1V8AO=(5000, 300)),
                 **zones(cpu=88.0, gpu=93.5, tj=94.0), **alerts(cpu=0, gpu=1),
                 **gpu("17000000.ga10b", 1_300_500_000, 995)})
    return root


def pc(root: Path) -> Path:
    """A PC whose RAPL counters may be read."""
    write(root, {"sys/class/hwmon/hwmon0/name": "coretemp", "sys/class/hwmon/hwmon0/temp1_input": 64000,
                 "sys/class/hwmon/hwmon0/temp1_label": "Package id 0",
                 "sys/class/hwmon/hwmon1/name": "nvme", "sys/class/hwmon/hwmon1/temp1_input": 40000,
                 "sys/class/powercap/intel-rapl:0/name": "package-0",
                 "sys/class/powercap/intel-rapl:0/energy_uj": 5_000_000,
                 "sys/class/powercap/intel-rapl:0/max_energy_range_uj": 10_000_000,
                 "sys/class/powercap/intel-rapl:0:0/name": "core", "sys/class/powercap/intel-rapl:0:0/energy_uj": 1,
                 "sys/class/powercap/intel-rapl:0:1/name": "dram", "sys/class/powercap/intel-rapl:0:1/energy_uj": 0,
                 "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": 3,
                 "proc/cpuinfo": "cpu MHz\t\t: 2000.0\ncpu MHz\t\t: 3000.0",
                 "proc/stat": "cpu  100 0 50 800 50 0 0 0 30 0\ncpu0 1 1 1 1"})
    return root
