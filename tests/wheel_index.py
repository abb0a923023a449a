"""A package index on this machine's loopback: small wheels made on the spot, and the faults of a bad network."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import re
import threading
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomllib
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

JSON = "application/vnd.pypi.simple.v1+json"


def wheel(name: str, version: str, requires: Iterable[str] = (), body: bytes = b"", licence: str = "MIT") -> bytes:
    """A wheel of one module and one licence text."""
    module, raw = name.replace("-", "_"), io.BytesIO()
    said = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: {licence}",
            *(f"Requires-Dist: {one}" for one in requires)]
    with zipfile.ZipFile(raw, "w") as made:
        made.writestr(f"{module}.py", f"HERE = {name!r}\n")
        made.writestr(f"{module}.bin", body)
        made.writestr(f"{module}-{version}.dist-info/METADATA", "\n".join(said) + "\n\nabout\n")
        made.writestr(f"{module}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        made.writestr(f"{module}-{version}.dist-info/licenses/LICENSE", f"the licence of {name}\n")
        made.writestr(f"{module}-{version}.dist-info/RECORD", "")
    return raw.getvalue()


def wheels_of_the_watch() -> dict[str, bytes]:
    """File name -> wheel: small ones of all that minehat[watch] and the targets ask for, some of them native."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = extras["optional-dependencies"]
    asked = [*extras["dependencies"], *more["watch"], *more["cpu"],
             "pip>=24.1", "onnx>=1.17", "cuda-bindings>=12.6", "nvidia-cuda-nvrtc-cu12>=12.6"]
    made = {}
    for line in asked:
        one = Requirement(line)
        bound = re.search(r">=\s*([\d.]+)", line)
        if one.name != "minehat" and bound:
            name, version = canonicalize_name(one.name), bound[1]
            made[f"{name.replace('-', '_')}-{version}-py3-none-any.whl"] = wheel(name, version)
    del made["numpy-1.26-py3-none-any.whl"]
    for version in ("1.26.4", "2.2.6"):
        for tag in ("cp310-cp310-manylinux_2_17_aarch64", "cp310-cp310-manylinux_2_17_x86_64",
                    "cp312-cp312-manylinux_2_17_aarch64", "cp310-cp310-manylinux_2_38_aarch64"):
            made[f"numpy-{version}-{tag}.whl"] = wheel("numpy", version, body=tag.encode())
    return made


class Index:
    """What is served, what was asked for, and what goes wrong meanwhile."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.address = files, ""
        self.sent: Counter[str] = Counter()  # bytes of each file
        self.asked: Counter[str] = Counter()  # requests for each file, without uv's looks into it
        self.cut_at: dict[str, int] = {}  # bytes of an answer after which the line breaks, once
        self.stall_at: dict[str, int] = {}  # bytes of an answer after which no more come, once
        self.go_on = threading.Event()  # ends a stall
        self.instead: dict[str, bytes] = {}  # what is sent in a file's place
        self.ranges = True  # whether a part can be asked for

    def page(self, name: str) -> dict[str, Any]:
        """The index's page of a distribution."""
        rows = [{"filename": file, "url": f"{self.address}/files/{file}", "size": len(raw),
                 "hashes": {"sha256": hashlib.sha256(raw).hexdigest()}}
                for file, raw in self.files.items() if canonicalize_name(file.partition("-")[0]) == name]
        return {"meta": {"api-version": "1.1"}, "name": name, "versions": sorted({one["filename"].split("-")[1]
                                                                                  for one in rows}), "files": rows}


@contextmanager
def served(files: dict[str, bytes]) -> Iterator[Index]:
    """The index while the block runs; its `address` is that of the server, `address`/simple/ that of the index."""
    index = Index(files)

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = self.path.strip("/").split("/")
            if parts[0] == "simple" and len(parts) == 2 and index.page(parts[1])["files"]:
                self._give(json.dumps(index.page(parts[1])).encode(), JSON)
            elif parts[0] == "files":
                index.asked[parts[-1]] += not self.headers.get("User-Agent", "").startswith("uv/")
                self._file(parts[-1])
            else:
                self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _file(self, file: str) -> None:
            raw = index.instead.get(file) or index.files.get(file, b"")
            if not raw:
                self.send_error(404)
            elif self.headers.get("Range") and index.ranges:
                first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
                end = min(int(last or len(raw) - 1), len(raw) - 1)
                if first == "" or int(first) > end:
                    self.send_error(416)
                else:
                    self._give(raw[int(first):end + 1], "application/octet-stream", file,
                               f"bytes {int(first)}-{end}/{len(raw)}")
            else:
                self._give(raw, "application/octet-stream", file)

        def _give(self, raw: bytes, kind: str, file: str = "", part: str = "") -> None:
            self.send_response(206 if part else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            if file and index.ranges:
                self.send_header("Accept-Ranges", "bytes")
            if part:
                self.send_header("Content-Range", part)
            self.end_headers()
            if self.command == "HEAD":
                return
            stall = index.stall_at.pop(file, None)
            cut = index.cut_at.pop(file, stall)
            self.wfile.write(raw[:cut])
            index.sent[file] += len(raw[:cut])
            self.close_connection = cut is not None
            if stall is not None:
                index.go_on.wait()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        index.address = f"http://127.0.0.1:{server.server_port}"
        running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        running.start()
        try:
            yield index
        finally:
            index.go_on.set()
            server.shutdown()
            running.join()


def stored(folder: Path) -> list[str]:
    """Names of the files in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())
