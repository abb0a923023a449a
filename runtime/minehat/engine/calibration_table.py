"""TensorRT's calibration table: a text that holds the INT8 scale of each tensor, read where no Q/DQ pair says it.

    TRT-100300-EntropyCalibration2
    images: 3c010204

The first line names the TensorRT version (another one's table is refused) and the calibrator's kind. Each other line
is a tensor and its scale, one INT8 step, as the hexadecimal of a big-endian float32. Unverified on a board; the form
is the one that NVIDIA's own translator writes: https://github.com/NVIDIA/Deep-Learning-Accelerator-SW
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from ..errors import MineHatError

_HEADER = re.compile(r"TRT-(\d+)-EntropyCalibration2")


def table_from_scales(scales: Mapping[str, float], version: str) -> bytes:
    """The table for a TensorRT `version` ("10.3.0") of 10 or later."""
    lines = [f"TRT-{version_number(version)}-EntropyCalibration2"]
    lines += [f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in scales.items()]
    return ("\n".join(lines) + "\n").encode()


def scales_from_table(table: bytes) -> dict[str, float]:
    """Tensor -> scale. Raises MineHatError for what is no such table."""
    header, *lines = table.decode("utf-8", "replace").splitlines() or [""]
    found = [re.fullmatch(r"(.+): ([0-9a-f]{1,8})", line) for line in lines]
    if not _HEADER.fullmatch(header) or not all(found):
        raise MineHatError("This is not a calibration table of TensorRT's EntropyCalibration2.")
    return {match[1]: struct.unpack(">f", bytes.fromhex(match[2].zfill(8)))[0] for match in found if match}


def version_number(version: str) -> int:
    """As NV_TENSORRT_VERSION counts from 10 on: "10.3.0.26" -> 100300."""
    major, minor, patch = (int(number) for number in re.findall(r"\d+", version)[:3])
    return major * 10000 + minor * 100 + patch
