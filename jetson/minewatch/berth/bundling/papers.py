"""What goes along for whoever has to answer for what is installed: licences and the bill of materials (CycloneDX)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ..manifest import Listed
from .wheels import Need, Packed

MODEL = "machine-learning-model"


def licences(wheels: Sequence[Packed]) -> dict[str, bytes]:
    """Path in the bundle -> text: those that the wheels carry, and a list of what each one declares."""
    files, rows = {}, []
    for wheel in wheels:
        folder = f"licences/{wheel.name}-{wheel.version}"
        files.update({f"{folder}/{_short(path, wheel)}": text for path, text in wheel.licences.items()})
        rows.append(f"{wheel.name} {wheel.version}: {wheel.licence or 'declares none'}; "
                    f"{len(wheel.licences) or 'no'} licence files in its wheel")
    head = ["What each wheel declares; the texts lie in the folders beside.", ""]
    files["licences/LIST.txt"] = ("\n".join([*head, *rows]) + "\n").encode()
    return files


def sbom(version: str, when: str, wheels: Mapping[str, Packed], needs: Sequence[Need],
         files: Mapping[str, Listed]) -> bytes:
    """sbom.cdx.json: CycloneDX 1.6 of the wheels, who needs whom, and the models among `files`.

    when: RFC 3339. The same bundle has the same serial number.
    """
    models = [_model(path, one) for path, one in sorted(files.items()) if path.endswith(".onnx")]
    parts = [_library(one, files[f"wheels/{file}"]) for file, one in wheels.items() if one.name != "minehat"]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, when, parts, models], sort_keys=True))
    root = {"type": "application", "bom-ref": _ref("minehat", version), "name": "minehat", "version": version,
            "licenses": [{"expression": "Apache-2.0"}], "purl": _ref("minehat", version)}
    tree = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1,
            "metadata": {"timestamp": when, "component": root}, "components": parts + models,
            "dependencies": _dependencies([*wheels.values()], needs)}
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()


def _dependencies(wheels: Sequence[Packed], needs: Sequence[Need]) -> list[dict[str, Any]]:
    refs = {wheel.name: _ref(wheel.name, wheel.version) for wheel in wheels}
    return [{"ref": refs[wheel.name], "dependsOn": [refs[need.name] for need in needs if need.by == wheel.name]}
            for wheel in wheels]


def _library(wheel: Packed, listed: Listed) -> dict[str, Any]:
    ref = _ref(wheel.name, wheel.version)
    said: dict[str, Any] = {"type": "library", "bom-ref": ref, "name": wheel.name, "version": wheel.version,
                            "purl": ref, "hashes": [_hash(listed)]}
    if wheel.licence:
        said["licenses"] = [{"expression": wheel.licence} if wheel.spdx
                            else {"license": {"name": wheel.licence}}]
    return said


def _model(path: str, listed: Listed) -> dict[str, Any]:
    return {"type": MODEL, "bom-ref": path, "name": PurePosixPath(path).name, "hashes": [_hash(listed)]}


def _ref(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _hash(listed: Listed) -> dict[str, str]:
    return {"alg": "SHA-256", "content": listed.sha256}


def _short(path: str, wheel: Packed) -> str:
    """Path of a licence without the wheel's folder for them, where that leaves it its own."""
    head, _, rest = path.partition("/")
    short = rest.removeprefix("licenses/") if head.endswith(".dist-info") else path
    twins = [other for other in wheel.licences if other != path and other.endswith(f"/{short}")]
    return path if twins else short
