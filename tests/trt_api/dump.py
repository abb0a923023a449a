"""What each TensorRT that MineHat builds with offers to Python, one JSON file a version beside this one.

    python tests/trt_api/dump.py            make them anew
    python tests/trt_api/dump.py --check    say which differ, and exit 1

The bindings come from the package index. They are linked against NVIDIA's libraries, gigabytes that their
import does not call; small stand-ins made with gcc take their place. TensorRT-RTX is the one installed here.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
TENSORRT = ("10.3.0", "10.13.0.35", "10.16.1.11", "11.0.0.114", "11.4.0.106")
RTX = "rtx-1.7.1.116"
VERSIONS = (*TENSORRT, RTX)


def dumped(version: str, folder: Path) -> str:
    """The text of the JSON file of one of VERSIONS; what has to be fetched and made goes into `folder`."""
    if version == RTX:
        return _members("tensorrt_rtx_bindings", {})
    return _members("tensorrt_bindings", {"PYTHONPATH": str(importable(version, folder))})


def importable(version: str, folder: Path) -> Path:
    """A folder inside `folder` that `tensorrt_bindings` of one of TENSORRT can be imported from."""
    place = folder / version
    _stand_in_for_libraries(_unpacked_bindings(version, place))
    return place


def _members(module: str, env: dict[str, str]) -> str:
    """In a process of its own: no two versions share one."""
    command = [sys.executable, str(HERE / "members.py"), module]
    return subprocess.run(command, env=os.environ | env, check=True, stdout=subprocess.PIPE, text=True).stdout


def _unpacked_bindings(version: str, place: Path) -> Path:
    """Fetch the wheel for this Python; the shared library inside it is the answer."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps",
                    "--only-binary", ":all:", "--dest", str(place), f"tensorrt_cu12_bindings=={version}"], check=True)
    wheel, = place.glob("*.whl")
    with ZipFile(wheel) as content:
        content.extractall(place)
    return place / "tensorrt_bindings" / "tensorrt.so"


def _stand_in_for_libraries(bindings: Path) -> None:
    """Put libraries beside the bindings, where they look first, that define all that they lack and do nothing."""
    here = ctypes.CDLL(None)
    lacking = [name for name in re.findall(r" U (\w+)$", _output("nm", "-D", str(bindings)), re.MULTILINE)
               if not hasattr(here, name)]
    needed = re.findall(r"NEEDED.*\[(libnv\S+)\]", _output("readelf", "-d", str(bindings)))
    code = "".join(f"void* {name}(void) {{ return 0; }}\n" for name in lacking)
    for soname in needed:
        subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-", f"-Wl,-soname,{soname}", "-o",
                        str(bindings.with_name(soname))], input=code, text=True, check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    check = "--check" in sys.argv[1:]
    with TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda version: dumped(version, Path(folder)), VERSIONS))
    differing = [version for version, text in zip(VERSIONS, texts, strict=True)
                 if not (file := HERE / f"{version}.json").is_file() or file.read_text() != text]
    for version, text in zip(VERSIONS, texts, strict=True):
        if version in differing and not check:
            (HERE / f"{version}.json").write_text(text)
    print(f"{'differing' if check else 'written'}: {', '.join(differing) or 'none'}")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
