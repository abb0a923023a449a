"""Bundles of a few kilobytes, made and signed on the spot: wheels with two commands, the installer, a unit, a model."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import replace
from pathlib import Path

from minewatch.berth import manifest, signing

JETSON = Path(__file__).resolve().parent.parent / "jetson"
PYTHON = "{}.{}".format(*sys.version_info[:2])
PIP = [*Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled").glob("pip-*.whl"),
       *Path("/usr/share/python-wheels").glob("pip-*.whl")][0]
UNIT = "[Service]\nExecStart=/opt/minehat/current/venv/bin/minewatch run /etc/minewatch/minewatch.yaml\n"
COMMAND = """
import sys
def main():
    print("{name} {version}", *sys.argv[1:])
    return {code}
"""


def small_wheel(folder, name, version="1.0", text="", commands=()):
    """A wheel of one module; `commands` are names of programs that call its main()."""
    files = {f"{name}.py": text,
             f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    if commands:
        files[f"{name}-{version}.dist-info/entry_points.txt"] = "[console_scripts]\n" + "".join(
            f"{command} = {name}:main\n" for command in commands)
    record = f"{name}-{version}.dist-info/RECORD"
    rows = [f"{path},sha256={_digest(content)},{len(content.encode())}" for path, content in files.items()]
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in {**files, record: "\n".join([*rows, f"{record},,"]) + "\n"}.items():
            packed.writestr(path, content)
    return wheel


def _digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()


class Maker:
    """Whoever makes bundles: a pair of keys."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.private, self.public = folder / "private.pem", folder / "public.pem"
        self.fingerprint = signing.new_key(self.private, self.public)

    def bundle(self, folder, version="1.0", build="20260101T000000Z", code=0, extra=(), text=COMMAND, **changes):
        """An unpacked bundle in a new folder. `changes` are of what its manifest says; `extra` wheels as
        (name, the text of its module, what `unless` says); `text` is of its commands, `code` what they end with."""
        (folder / "wheels").mkdir(parents=True)
        wheels = [("minehat", small_wheel(folder / "wheels", "minehat", version,
                                          text.format(name="minehat", version=version, code=code),
                                          ("minehat", "minewatch")), None),
                  ("pip", Path(shutil.copy(PIP, folder / "wheels")), None),
                  *((name, small_wheel(folder / "wheels", name, "1.0", text), unless) for name, text, unless in extra)]
        shutil.copytree(JETSON / "minewatch/berth", folder / "berth", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(JETSON / "install.sh", folder)
        for path, text in {"models/helmet.onnx": f"a model of {version}", "units/minewatch.service": UNIT}.items():
            (folder / path).parent.mkdir()
            (folder / path).write_text(text)
        more = {"target": "cpu", "python": PYTHON, "arch": os.uname().machine, "glibc": "2.17", "bytes_installed": 9000,
                "wheels": [{"name": name, "version": wheel.name.split("-")[1], "file": f"wheels/{wheel.name}",
                            "unless": unless} for name, wheel, unless in wheels], **changes}
        self.sign(folder, manifest.Manifest("release", "minehat", version, build, manifest.hashed(folder), more))
        return folder

    def sign(self, folder, listed):
        """Write manifest, signature and key."""
        (folder / manifest.NAME).write_bytes(manifest.to_bytes(listed))
        signing.sign(folder / manifest.NAME, folder / manifest.SIGNATURE, self.private)
        shutil.copy(self.public, folder / manifest.SIGNER)

    def change(self, folder, **changes):
        """Say something else in the manifest, and sign that."""
        listed = manifest.read(folder)
        self.sign(folder, replace(listed, more={**listed.more, **changes}, files=manifest.hashed(folder)))


def install(bundle, *arguments, wrap=(), **more):
    """Run install.sh to its end, as a technician does."""
    return subprocess.run([*wrap, "sh", str(Path(bundle) / "install.sh"), *map(str, arguments)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=300, **more)
