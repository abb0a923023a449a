"""Trees of files as four boards have them, and a PC. No board was at hand: none of them was recorded by us.

Names of files, labels of rails, zones, alerts and power modes come from what owners of such boards published; each tree
names its sources. Figures are taken from the same sources where they are in them, and made up in their range elsewhere,
versions of CUDA's packages too. Files that refuse to answer on a board (zones of parts that sleep) are empty here.
"""

from __future__ import annotations

from pathlib import Path

Files = dict[str, object]
ASLEEP = ""  # a zone whose part has no power answers EAGAIN
ORIN_ZONES = ("cpu", "gpu", "cv0", "cv1", "cv2", "soc0", "soc1", "soc2", "tj")
ORIN_ALERTS = ("cpu", "gpu", "cv0", "cv1", "cv2", "soc0", "soc1", "soc2")


def write(root: Path, files: Files) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(str(content) if str(content)[-1:] in ("", "\0") else f"{content}\n")


def rails(folder: str, **rails: tuple[int, int]) -> Files:
    """An INA3221: by label, millivolts and milliamperes of its channels in turn."""
    files: Files = {f"{folder}/name": "ina3221", f"{folder}/in7_label": "sum of shunt voltages",
                    f"{folder}/in7_input": 9}
    for channel, (label, (millivolts, milliamperes)) in enumerate(rails.items(), 1):
        files |= {f"{folder}/in{channel}_label": label.rstrip("_"), f"{folder}/in{channel}_input": millivolts,
                  f"{folder}/curr{channel}_input": milliamperes}
    return files


def zones(**celsius: float | str) -> Files:
    files: Files = {}
    for row, (kind, degrees) in enumerate(celsius.items()):
        files |= {f"sys/class/thermal/thermal_zone{row}/type": f"{kind}-thermal",
                  f"sys/class/thermal/thermal_zone{row}/temp":
                      degrees if isinstance(degrees, str) else round(1000 * degrees)}
    return files


def trips(zone: int, **celsius: float) -> Files:
    """Trip points of a zone, in turn: passive=99.0, active=74.0, active_=95.0."""
    files: Files = {}
    for row, (kind, degrees) in enumerate(celsius.items()):
        files |= {f"sys/class/thermal/thermal_zone{zone}/trip_point_{row}_type": kind.rstrip("_"),
                  f"sys/class/thermal/thermal_zone{zone}/trip_point_{row}_temp": round(1000 * degrees)}
    return files


def alerts(**states: int) -> Files:
    files: Files = {"sys/class/thermal/cooling_device19/type": "pwm-fan",
                    "sys/class/thermal/cooling_device19/cur_state": 2}
    for row, (part, state) in enumerate(states.items()):
        files |= {f"sys/class/thermal/cooling_device{row}/type": f"{part}-throttle-alert",
                  f"sys/class/thermal/cooling_device{row}/cur_state": state}
    return files


def gpu(name: str, hertz: int, load: int | None) -> Files:
    files: Files = {f"sys/class/devfreq/{name}/cur_freq": hertz, "sys/class/devfreq/15340000.vic/cur_freq": 115_200_000}
    return files if load is None else files | {f"sys/class/devfreq/{name}/device/load": load}


def over_current(under_voltage: int, average: int, peak: int) -> Files:
    folder = "sys/class/hwmon/hwmon3"
    return {f"{folder}/name": "soctherm_oc", f"{folder}/oc1_event_cnt": under_voltage,
            f"{folder}/oc2_event_cnt": average, f"{folder}/oc3_event_cnt": peak}


def emc(hertz: int, percent: float) -> Files:
    """The memory's clock, and how busy it was, as debugfs tells root alone."""
    return {"sys/kernel/debug/bpmp/debug/clk/emc/rate": hertz,
            "sys/kernel/debug/cactmon/mc_all": round(hertz / 1000 * percent)}


def cpus(*khz: int) -> Files:
    return {f"sys/devices/system/cpu/cpu{row}/cpufreq/scaling_cur_freq": clock for row, clock in enumerate(khz)}


def power_modes(now: int, default: int, *names: str, ids: tuple[int, ...] | None = None) -> Files:
    """/etc/nvpmodel.conf with nothing but what names its modes, and the state that nvpmodel keeps."""
    modes = [f"< POWER_MODEL ID={number} NAME={name} >\nCPU_ONLINE CORE_0 1\nGPU MAX_FREQ -1\n"
             for number, name in zip(ids or range(len(names)), names, strict=True)]
    about = "# Copyright (c) NVIDIA CORPORATION.\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\n" \
            "CORE_0 /sys/devices/system/cpu/cpu0/online\n"
    return {"etc/nvpmodel.conf": "\n".join([about, *modes, f"< PM_CONFIG DEFAULT={default} >"]),
            "var/lib/nvpmodel/status": f"pmode:{now:04d} fmode:quiet"}


def board(model: str, *compatible: str) -> Files:
    """Of the device tree: text that ends with NUL, and no line break."""
    return {"proc/device-tree/model": f"{model}\0", "proc/device-tree/compatible": "\0".join(compatible) + "\0"}


def jetpack(release: str, kernel: str, **packages: str) -> Files:
    """What a system is: NVIDIA's release line, the kernel, and dpkg's list of packages."""
    listed = "\n".join(f"Package: {name.replace('_', '-')}\nStatus: install ok installed\nArchitecture: arm64\n"
                       f"Version: {version}\n" for name, version in packages.items())
    return {"etc/nv_tegra_release": f"{release}\n# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n"
                                    "TARGET_USERSPACE_LIB_DIR_PATH=usr/lib/aarch64-linux-gnu/nvidia",
            "proc/sys/kernel/osrelease": kernel, "proc/version": f"Linux version {kernel} (build@host) #1 SMP PREEMPT",
            "var/lib/dpkg/status": listed}


def memory(total_mb: int, free_mb: int, *zram_mb: int) -> Files:
    """proc/meminfo and swap; JetPack makes one zram for each core, half the memory in all."""
    swap = 1024 * sum(zram_mb)
    files: Files = {"proc/meminfo": f"MemTotal: {1024 * total_mb:>15} kB\nMemFree: {512 * free_mb:>16} kB\n"
                                    f"MemAvailable: {1024 * free_mb:>11} kB\nSwapTotal: {swap:>14} kB\n"
                                    f"SwapFree: {swap:>15} kB\nCmaTotal: {262144:>15} kB\nCmaFree: {200000:>16} kB",
                    "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"}
    for row, size in enumerate(zram_mb):
        files["proc/swaps"] = f"{files['proc/swaps']}\n/dev/zram{row}\tpartition\t{1024 * size}\t\t0\t\t5"
        files |= {f"sys/block/zram{row}/disksize": size << 20}
    return files


def emmc(life: int, spare: int = 1) -> Files:
    """An eMMC on mmcblk0: both estimates of its life in steps of 10 %, and how much of its spare blocks is used."""
    device = "sys/block/mmcblk0/device"
    return {f"{device}/type": "MMC", f"{device}/name": "G1M15L", f"{device}/life_time": f"0x{life:02x} 0x{life:02x}",
            f"{device}/pre_eol_info": f"0x{spare:02x}", "sys/block/mmcblk0/size": 122142720}


def nvme(model: str) -> Files:
    return {"sys/block/nvme0n1/device/model": f"{model:<40}", "sys/block/nvme0n1/size": 976773168,
            "sys/class/nvme/nvme0/model": f"{model:<40}"}


def orin_nano(root: Path) -> Path:
    """Orin Nano 8 GB developer kit, JetPack 6.2 (R36.4.3): VDD_IN measures what goes into the module; an NVMe disk.

    Rails, zones and their order of magnitude: tegrastats lines in rbonghi/jetson_stats' and beszel's threads. Alerts,
    "cv*" that never answer, tj's active trips of 74 and 95: lists of owners, and linux-tegra's patch "Enable thermal
    support on Jetson Orin NX" (2023-06-09), the same module family. The passive trip of 99 and the critical one of
    104.5: linux-tegra's patch for AGX Orin; that this board has them is taken over from there. Modes: published
    nvpmodel_p3767_0003_super.conf. Release line: /etc/nv_tegra_release in several repositories.
    """
    write(root, {**board("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
                         "nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234"),
                 **jetpack("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
                           "DATE: Wed Jan  8 01:49:37 UTC 2025", "5.15.148-tegra",
                           nvidia_l4t_core="36.4.3-20250107174145", nvidia_jetpack="6.2+b77",
                           libnvinfer10="10.3.0.30-1+cuda12.5", cuda_cudart_12_6="12.6.68-1"),
                 **power_modes(1, 1, "15W", "25W", "MAXN_SUPER", "7W"),
                 **memory(7620, 4900, *[635] * 6), **nvme("Samsung SSD 980 500GB"),
                 **rails("sys/class/hwmon/hwmon1", VDD_IN=(5000, 1860), VDD_CPU_GPU_CV=(5000, 620),
                         VDD_SOC=(5000, 410)),
                 **zones(cpu=51.5, gpu=50.25, cv0=ASLEEP, cv1=ASLEEP, cv2=ASLEEP, soc0=50.281, soc1=51.593,
                         soc2=50.437, tj=51.593),
                 **trips(0, critical=104.5, passive=99.0), **trips(1, critical=104.5, passive=99.0),
                 **trips(8, active=74.0, active_=95.0),
                 **alerts(**dict.fromkeys(ORIN_ALERTS, 0)), **over_current(0, 0, 12),
                 **gpu("17000000.gpu", 624_750_000, 870), **cpus(1_510_400, 729_600), **emc(2_133_000_000, 17)})
    return root


def orin_nx(root: Path) -> Path:
    """Orin NX 16 GB on the same carrier, JetPack 6.2.1 (R36.4.4), its GPU asleep; an NVMe disk.

    Model, compatible and release line: published environment reports of such boards, and linux-tegra's binding. Modes 0
    to 3: Seeed's reComputer J4012 pages. Rails, zones and trips as on the Orin Nano, whose module family it is.
    """
    write(root, {**board("NVIDIA Jetson Orin NX Engineering Reference Developer Kit",
                         "nvidia,p3768-0000+p3767-0000", "nvidia,p3767-0000", "nvidia,tegra234"),
                 **jetpack("# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic, EABI: aarch64, "
                           "DATE: Mon Jun 16 16:07:13 UTC 2025", "5.15.148-tegra",
                           nvidia_l4t_core="36.4.4-20250616085344", nvidia_jetpack="6.2.1+b38",
                           libnvinfer10="10.3.0.30-1+cuda12.5", cuda_cudart_12_6="12.6.68-1"),
                 **power_modes(2, 2, "MAXN", "10W", "15W", "25W"),
                 **memory(15655, 12484, *[978] * 8), **nvme("KIOXIA-EXCERIA"),
                 **rails("sys/class/hwmon/hwmon1", VDD_IN=(4976, 1310), VDD_CPU_GPU_CV=(4976, 224),
                         VDD_SOC=(4976, 376)),
                 **zones(cpu=47.5, gpu=ASLEEP, cv0=ASLEEP, cv1=ASLEEP, cv2=ASLEEP, soc0=46.406, soc1=46.593,
                         soc2=46.812, tj=47.5),
                 **trips(0, critical=104.5, passive=99.0), **trips(1, critical=104.5, passive=99.0),
                 **trips(8, active=74.0, active_=95.0),
                 **alerts(**dict.fromkeys(ORIN_ALERTS, 0)), **over_current(0, 0, 0),
                 **gpu("17000000.gpu", 306_000_000, 0), **cpus(*[729_600] * 8)})
    return root


def agx_orin(root: Path) -> Path:
    """AGX Orin 64 GB developer kit, JetPack 6 (R36.4.3), too hot: no rail measures the whole; worn eMMC.

    Rails and which monitor has them: owners' notes against tegrastats, and the listing of /sys/bus/i2c/drivers/ina3221
    in alumet-dev/alumet issue 212. Trips: linux-tegra's patch for AGX Orin. Modes: published nvpmodel.conf of the 64 GB
    module. Wear: the kernel's sysfs-bus-mmc documentation.
    """
    write(root, {**board("NVIDIA Jetson AGX Orin Developer Kit",
                         "nvidia,p3737-0000+p3701-0005", "nvidia,p3701-0005", "nvidia,tegra234"),
                 **jetpack("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
                           "DATE: Wed Jan  8 01:49:37 UTC 2025", "5.15.148-tegra",
                           nvidia_l4t_core="36.4.3-20250107174145", nvidia_jetpack="6.2+b77",
                           libnvinfer10="10.3.0.30-1+cuda12.5", cuda_cudart_12_6="12.6.68-1"),
                 **power_modes(0, 2, "MAXN", "MODE_15W", "MODE_30W", "MODE_50W"),
                 **memory(62780, 48000, *[2615] * 12), **emmc(life=9, spare=2),
                 **rails("sys/class/hwmon/hwmon1", VDD_GPU_SOC=(19864, 900), VDD_CPU_CV=(19864, 150),
                         VIN_SYS_5V0=(5000, 800)),
                 **rails("sys/class/hwmon/hwmon2", NC=(0, 0), VDDQ_VDD2_1V8AO=(5000, 300)),
                 **zones(cpu=98.0, gpu=98.75, cv0=ASLEEP, cv1=ASLEEP, cv2=ASLEEP, soc0=96.531, soc1=95.968,
                         soc2=97.0, tj=98.75),
                 **trips(0, critical=104.5, passive=99.0), **trips(1, critical=104.5, passive=99.0),
                 **alerts(**dict.fromkeys(ORIN_ALERTS, 0) | {"gpu": 1}), **over_current(0, 0, 0),
                 **gpu("17000000.gpu", 1_300_500_000, 995), **cpus(*[2_201_600] * 12)})
    return root


def agx_thor(root: Path) -> Path:
    """AGX Thor developer kit, JetPack 7.1 (R38.4), its GPU asleep: an INA238 of the carrier measures what goes in.

    Rails, zones and their critical trip of 114.5, alerts, GPU clocks under gpu-gpc-0 without a load, no swap: the notes
    of swsususu/ThorFAN (R38.4). The INA238, its label and microwatts: rbonghi/jetson_stats pull request 900, and a test
    that mirrors what its author saw. Compatible: a published device report. Modes: published nvpmodel.conf of T5000.
    The memory's clock under bwmgr: notes of a published benchmark (R39.2). Release line: as published.
    """
    write(root, {**board("NVIDIA Jetson AGX Thor Developer Kit",
                         "nvidia,p3971-0080+p3834-0008", "nvidia,p3834-0008", "nvidia,tegra264"),
                 **jetpack("# R38 (release), REVISION: 4.0, GCID: 43443517, BOARD: generic, EABI: aarch64, "
                           "DATE: Wed Dec 31 00:15:19 UTC 2025", "6.8.12-tegra",
                           nvidia_l4t_core="38.4.0-20251230160601", libnvinfer10="10.13.3.9-1+cuda13.0",
                           cuda_cudart_13_0="13.0.48-1"),
                 **power_modes(1, 1, "MAXN", "120W", "90W", "70W"), **memory(125772, 108000),
                 **nvme("WD PC SN5000S SDEPNSJ-1T00"),
                 **rails("sys/class/hwmon/hwmon5", VDD_GPU=(12040, 640), VDD_CPU_SOC_MSS=(12040, 960),
                         VIN_SYS_5V0=(5088, 1740)),
                 "sys/class/hwmon/hwmon4/name": "ina238", "sys/class/hwmon/hwmon4/label": "VIN",
                 "sys/class/hwmon/hwmon4/in1_input": 19900, "sys/class/hwmon/hwmon4/curr1_input": 1994,
                 "sys/class/hwmon/hwmon4/power1_input": 39_680_000,
                 **zones(cpu=53.7, gpu=ASLEEP, soc012=55.1, soc345=53.7, tj=55.1),
                 **{path: value for zone in range(5) for path, value in trips(zone, critical=114.5).items()},
                 **alerts(cpu=0, gpu=0, soc012=0, soc345=0),
                 **gpu("gpu-gpc-0", 315_000_000, None), **cpus(*[972_000] * 14),
                 "sys/class/devfreq/gpu-nvd-0/cur_freq": 314_000_000,
                 "sys/class/devfreq/bwmgr/cur_freq": 4_266_000_000})
    return root


BOARDS = {"orin_nano": orin_nano, "orin_nx": orin_nx, "agx_orin": agx_orin, "agx_thor": agx_thor}


def pc(root: Path) -> Path:
    """A PC whose RAPL counters may be read."""
    write(root, {"sys/class/hwmon/hwmon0/name": "coretemp", "sys/class/hwmon/hwmon0/temp1_input": 64000,
                 "sys/class/hwmon/hwmon0/temp1_label": "Package id 0", "sys/class/hwmon/hwmon0/temp1_crit": 100000,
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
