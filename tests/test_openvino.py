"""OpenVINO as a backend: the same answers as ONNX Runtime where it is installed, a clear word where it is not."""

import importlib.util

import minehat
import numpy as np
import pytest
from minehat.errors import MineHatError
from tiny import noise_frames, tiny_onnx

INSTALLED = importlib.util.find_spec("openvino") is not None


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_onnx(tmp_path_factory.mktemp("model"))


def test_openvino_answers_as_onnx_runtime_does_or_says_what_to_install(model):
    if not INSTALLED:
        with pytest.raises(MineHatError, match="pip install openvino"):
            minehat.open(model, backend="openvino")
        return
    frames = noise_frames(3)
    with minehat.open(model, threads=1) as ours, minehat.open(model, backend="openvino", threads=1) as other:
        batch = np.concatenate([ours.prepare(frame)[0].copy() for frame in frames])
        for one in (batch[:1], batch, batch[:2]):  # other sizes of batch, each with its own memory
            for wanted, found in zip(ours.backend.infer(one), other.backend.infer(one), strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
        assert other.backend.name == "openvino"


def test_what_is_no_model_is_refused_in_words(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(MineHatError, match=r"OpenVINO"):
        minehat.open(broken, minehat.ModelCard("m", ("helmet", "head"), 96, 96), backend="openvino")
