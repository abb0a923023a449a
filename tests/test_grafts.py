"""Suppression inside the graph: is it what sequential greedy gives, and does the runtime serve it like any other?"""

import importlib.util
import platform
from pathlib import Path

import minehat
import numpy as np
import onnx
import onnxruntime
import pytest
from bright_onnx import bright_onnx
from minebench.accuracy import see
from minecalib.forms.fp16 import to_fp16
from minecalib.graph import Wiring
from minecalib.parent import open_parent
from minehat import MineHatError, read_card
from minehat.answers import check_answer, found_in
from minehat.card import KEY, OUTPUTS, ModelCard
from minehat.cli import main
from minehat.detections import MOST, Detections, suppress
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.grafts import MOST_CANDIDATES, with_suppression
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper
from tiny import noise_frames, tiny_onnx

CLASSES = ("helmet", "head", "visor")
INT8 = Path(__file__).parents[1] / "models/helmet-nano/helmet-nano.int8.onnx"
RTX = pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"),
                         reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")
OPENVINO = importlib.util.find_spec("openvino") is not None


def bare(rows, classes=2, opset=19, kind=TensorProto.FLOAT, batch="batch"):
    """A network that answers with what it is given."""
    sides = {"boxes": [batch, rows, 4], "scores": [batch, rows, classes]}
    nodes = [helper.make_node("Identity", [f"given_{name}"], [name], name=name) for name in sides]
    given, made = ([helper.make_tensor_value_info(prefix + name, kind, shape) for name, shape in sides.items()]
                   for prefix in ("given_", ""))
    return helper.make_model(helper.make_graph(nodes, "bare", given, made), ir_version=9,
                             opset_imports=[helper.make_opsetid("", opset)])


def card_for(classes=2, **thresholds):
    return ModelCard("bare", CLASSES[:classes], 416, 416, **thresholds)


class Grafted:
    """A bare network with suppression inside, in ONNX Runtime."""

    def __init__(self, rows, nms, candidates, classes=2, opset=19, **thresholds):
        self.model, self.card = with_suppression(bare(rows, classes, opset), card_for(classes, **thresholds), nms,
                                                 candidates)
        onnx.checker.check_model(self.model, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.model.SerializeToString(), options,
                                                    providers=["CPUExecutionProvider"])

    def __call__(self, boxes, scores):
        """[N, B, 4] and [N, B, C] -> the answer of each of N pictures."""
        given = {"given_boxes": boxes.astype(np.float32), "given_scores": scores.astype(np.float32)}
        return list(zip(*self.session.run(list(self.card.outputs), given), strict=True))

    def found(self, answer):
        return found_in(answer, self.card, self.card.conf, self.card.iou)


def slow(boxes, scores, conf, iou):
    """What greedy keeps, one box at a time in plain floats; rows of boxes."""
    best = [(-max(row), at) for at, row in enumerate(scores.tolist())
            if max(row) >= np.float32(conf) and np.isfinite(boxes[at]).all()]
    kept = []
    for _, at in sorted(best):
        rivals = [row for row in kept if scores[row].argmax() == scores[at].argmax()]
        if all(overlap(boxes[row].tolist(), boxes[at].tolist()) <= iou for row in rivals):
            kept.append(at)
    return kept[:MOST]


def overlap(a, b):
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = sum(max(0, one[2] - one[0]) * max(0, one[3] - one[1]) for one in (a, b)) - shared
    return shared / union if union > 0 else 0


def same(found, wanted):
    return all(np.array_equal(getattr(found, name), getattr(wanted, name)) for name in ("boxes", "scores", "labels"))


def crowds(random, pictures, rows, classes):
    """Boxes and scores of all kinds: clusters, grids that touch, chains, equal boxes, ties, a few that are wild."""
    kind = random.integers(4)
    if kind == 0:  # equal boxes, shared edges, overlaps that are the threshold exactly
        boxes = random.choice([0, 10, 20, 30, 40, 55.5], (pictures, rows, 4))
    elif kind == 1:  # a chain: each box overlaps the next few
        corners = np.arange(rows)[:, None] * random.choice([2.0, 3.0, 4.0]) * np.array([1, 0])
        boxes = np.tile(np.concatenate([corners, corners + 10], 1), (pictures, 1, 1))
    else:
        corners = random.uniform(0, 60, (pictures, rows, 2)) if kind == 2 else \
            random.integers(0, 8, (pictures, rows, 2)) * 2
        boxes = np.concatenate([corners, corners + random.choice([2, 4, 6, 8, 13.3, 30], (pictures, rows, 2))], 2)
    if random.random() < 0.4:
        hit = random.random(boxes.shape) < 0.03
        boxes[hit] = random.choice([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 1e-30, -1e10], hit.sum())
    scores = random.uniform(0, 1, (pictures, rows, classes)) if random.random() < 0.5 else \
        random.choice([0, 0.1, 0.25, 0.25, 0.5, 0.9], (pictures, rows, classes))
    if kind == 1 and random.random() < 0.7:
        scores = -np.sort(-scores, axis=1)
    return boxes.astype(np.float32), scores.astype(np.float32)


def best_of(boxes, scores, candidates):
    """The rows that a graph of so many candidates looks at, in the order that they came."""
    ranks = np.where(np.isfinite(boxes).all(axis=1), scores.max(axis=1), -1)
    return np.sort(np.argsort(-ranks, kind="stable")[:candidates])


@pytest.mark.parametrize("seed", [*range(30), *(pytest.param(seed, marks=pytest.mark.soak)
                                                for seed in range(30, 260))])
def test_the_graph_keeps_what_sequential_greedy_keeps(seed):
    """160 pictures a seed. What has converged is right as it stands, the rest once the host has finished it."""
    random = np.random.default_rng(seed)
    rows, classes, candidates = (int(random.integers(1, top)) for top in (50, 4, 60))
    conf, iou = (float(random.choice(values)) for values in ([0, 0.1, 0.25, 0.3], [0, 1 / 3, 0.45, 0.5, 0.7, 1]))
    graph = Grafted(rows, "graph", candidates, classes, conf=conf, iou=iou)
    for _ in range(10):
        boxes, scores = crowds(random, 16, rows, classes)
        for row, answer in enumerate(graph(boxes, scores)):
            seen = best_of(boxes[row], scores[row], candidates)
            kept = slow(boxes[row][seen], scores[row][seen], conf, iou)
            wanted = suppress(boxes[row][seen], scores[row][seen], conf, iou)
            assert_array_equal(wanted.boxes, boxes[row][seen][kept])
            places, likely, labels, count, converged = answer
            if count < 0:  # a picture without one box that is finite
                assert not np.isfinite(boxes[row]).all(axis=1).any()
                continue
            assert same(graph.found(answer), wanted)
            inside = Detections(places[:count], likely[:count], labels[:count])
            assert same(inside, wanted) or not converged
            assert {box.tobytes() for box in wanted.boxes} <= {box.tobytes() for box in inside.boxes}
            assert not likely[count:].any() and not places[count:].any() and np.isfinite(places).all()


def chain(links):
    """Each box overlaps its neighbours by 9 in 11 and those beyond by 8 in 12; scores fall along it."""
    left = np.arange(links)
    boxes = np.stack([left, 0 * left, left + 10, 0 * left + 10], 1)[None]
    return boxes, np.stack([np.linspace(0.9, 0.3, links), 0 * left], 1)[None]


@pytest.mark.parametrize(("links", "settles"), [(1, True), (12, True), (13, False), (100, False)])
def test_a_chain_that_is_too_long_is_told_and_the_host_finishes_it(links, settles):
    """At 0.7 a box suppresses but the next one, so every second one stays, and that is known link by link."""
    graph, (boxes, scores) = Grafted(120, "graph", 110, conf=0.25, iou=0.7), chain(links)
    gap = 120 - links
    (answer,) = graph(np.pad(boxes, ((0, 0), (0, gap), (0, 0))), np.pad(scores, ((0, 0), (0, gap), (0, 0))))
    assert bool(answer[4]) == settles
    assert answer[3] >= (links + 1) // 2
    assert_array_equal(graph.found(answer).boxes, boxes[0, ::2])


@pytest.mark.parametrize(("iou", "kept"), [(0.5, 2), (np.nextafter(0.5, 0), 1), (0.5 - 1e-4, 1), (0.5 + 1e-4, 2)])
def test_an_overlap_on_the_threshold_is_left_to_the_host_which_counts_in_float64(iou, kept):
    boxes, scores = np.array([[[0, 0, 10, 20], [0, 0, 10, 10]]]), np.array([[[0.9, 0], [0.8, 0]]])
    graph = Grafted(2, "graph", 2, conf=0.25, iou=iou)
    (answer,) = graph(boxes, scores)
    assert bool(answer[4]) == (abs(iou - 0.5) > 1e-5)
    assert len(graph.found(answer)) == kept == len(suppress(boxes[0], scores[0], 0.25, iou))


def test_boxes_that_only_touch_keep_each_other_even_at_no_overlap():
    boxes = np.array([[[0, 0, 10, 10], [10, 0, 20, 10], [0, 10, 10, 20], [9, 0, 19, 10]]])
    (answer,) = Grafted(4, "graph", 4, conf=0.25, iou=0.0)(boxes, np.array([[[0.9, 0], [0.8, 0], [0.7, 0], [0.6, 0]]]))
    assert (answer[3], bool(answer[4])) == (3, True)


def test_a_crowd_comes_out_whole_and_not_converged():
    """As many over the floor as there are candidates: what is weaker was not looked at, and the answer says so."""
    random = np.random.default_rng(0)
    boxes, scores = crowds(random, 1, 40, 2)
    graph = Grafted(40, "graph", 20, conf=0.0, iou=0.5)
    (answer,) = graph(boxes, scores)
    assert (answer[3], bool(answer[4])) == (20, False)
    seen = best_of(boxes[0], scores[0], 20)
    assert same(graph.found(answer), suppress(boxes[0][seen], scores[0][seen], 0.0, 0.5))


def test_nothing_over_the_floor_is_nothing():
    graph = Grafted(30, "graph", 10, conf=0.5)
    (answer,) = graph(np.ones((1, 30, 4)), np.full((1, 30, 2), 0.4))
    assert (answer[3], bool(answer[4])) == (0, True) and len(graph.found(answer)) == 0


@pytest.mark.parametrize("nms", ["topk", "graph"])
@pytest.mark.parametrize("worth", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_seen_and_do_not_harm_other_boxes_or_pictures(nms, worth):
    boxes, scores = crowds(np.random.default_rng(3), 3, 30, 2)
    graph = Grafted(30, nms, 10, conf=0.25, iou=0.5)
    clean = graph(boxes, scores)
    scores[1, 29, 0] = worth
    harmed = graph(boxes, scores)
    for row in (0, 2):
        assert all(map(np.array_equal, clean[row], harmed[row]))
        check_answer([column[None] for column in harmed[row]], graph.card, Path("x.onnx"))
    with pytest.raises(MineHatError, match="not finite"):
        check_answer([column[None] for column in harmed[1]], graph.card, Path("x.onnx"))
    if nms == "graph":
        assert harmed[1][3] == -1 and np.isfinite(harmed[1][1]).all() and harmed[1][1].any()


@pytest.mark.parametrize("opset", [13, 17, 18, 19, 21])
def test_every_opset_from_13_on_gives_the_same(opset):
    boxes, scores = crowds(np.random.default_rng(4), 4, 30, 2)
    for nms in ("topk", "graph"):
        wanted, found = (Grafted(30, nms, 20, opset=number)(boxes, scores) for number in (19, opset))
        assert all(all(map(np.array_equal, *pair)) for pair in zip(wanted, found, strict=True))


def test_topk_leaves_the_best_boxes_and_their_suppression_as_it_was():
    boxes, scores = crowds(np.random.default_rng(6), 8, 60, 2)
    graph = Grafted(60, "topk", 25)
    for row, (best, likely) in enumerate(graph(boxes, scores)):
        seen = best_of(boxes[row], scores[row], 25)
        assert best.shape == (25, 4) and likely.shape == (25, 2)
        assert (np.diff(likely[np.isfinite(best).all(axis=1)].max(axis=1)) <= 0).all()
        assert same(suppress(best, likely, 0.25, 0.5), suppress(boxes[row][seen], scores[row][seen], 0.25, 0.5))


@pytest.mark.parametrize("nms", ["topk", "graph", "plugin"])
def test_the_file_carries_a_card_that_fits_it(nms):
    model, card = with_suppression(bare(40), card_for(), nms, 25)
    assert (card.suppression, card.outputs, card.candidates) == (nms, OUTPUTS[nms], 25)
    assert [value.name for value in model.graph.output] == list(OUTPUTS[nms])
    assert {entry.key: entry.value for entry in model.metadata_props}[KEY] == card.to_json()
    assert with_suppression(bare(40), card_for(), nms, 41)[1].candidates == 0
    assert with_suppression(bare(4000), card_for(), nms)[1].candidates == 300


@pytest.mark.parametrize("batch", [None, 2, "n"])
def test_the_batch_stays_as_open_or_fixed_as_it_was(batch):
    model, _ = with_suppression(bare(40, batch=batch), card_for(), "graph", 25)
    onnx.checker.check_model(model, full_check=True)
    sides = [value.type.tensor_type.shape.dim[0] for value in (*model.graph.input, *model.graph.output)]
    assert {(side.dim_param, side.dim_value) for side in sides} == {
        (batch, 0) if batch == "n" else ("", batch or 0)}
    assert all(side.HasField("dim_value") == (batch == 2) for side in sides)


def test_tensors_that_bear_the_names_of_new_outputs_are_set_aside():
    model = bare(10)
    model.graph.node[1].output[0] = "count"
    model.graph.node.append(helper.make_node("Identity", ["count"], ["scores"], name="last"))
    grown, _ = with_suppression(model, card_for(), "graph", 5)
    onnx.checker.check_model(grown, full_check=True)
    assert [value.name for value in model.graph.output] == ["boxes", "scores"], "the model given is left as it was"


def test_the_plugin_s_node_says_what_its_documents_want():
    """Structure only: nothing here can run it. It drops from iou on and we beyond it."""
    model, _ = with_suppression(bare(40), card_for(conf=0.3, iou=0.6), "plugin", 25)
    onnx.checker.check_model(model)
    (node,) = [node for node in model.graph.node if node.op_type == "EfficientNMS_TRT"]
    found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    assert found.pop("iou_threshold") == np.nextafter(np.float32(0.6), np.float32(1))
    assert found.pop("score_threshold") == np.float32(0.3)
    assert found == {"plugin_version": b"1", "max_output_boxes": 25, "background_class": -1, "score_activation": 0,
                     "box_coding": 0}
    assert node.domain == "TRT" and len(node.input) == 2 and list(node.output[1:3]) == ["boxes", "scores"]


def test_the_plugin_sees_one_label_a_box_and_none_that_is_not_finite():
    """What goes into it, run in ONNX Runtime up to there."""
    model, _ = with_suppression(bare(40), card_for(), "plugin", 25)
    at = [node.op_type for node in model.graph.node].index("EfficientNMS_TRT")
    given = list(model.graph.node[at].input)
    del model.graph.node[at:], model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in given)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    boxes, scores = crowds(np.random.default_rng(2), 5, 40, 2)
    boxes[0, 3], scores[0, 4] = np.nan, np.nan
    places, shown = session.run(None, {"given_boxes": boxes, "given_scores": scores})
    assert np.isfinite(places).all() and np.isfinite(shown).all()
    sound = np.isfinite(boxes).all(axis=2) & np.isfinite(scores).all(axis=2)
    assert_array_equal((shown >= 0).sum(axis=2), sound)
    assert_array_equal(shown.argmax(axis=2)[sound], scores.argmax(axis=2)[sound])


@pytest.mark.parametrize(("model", "card", "nms", "candidates", "words"), [
    (bare(9), card_for().with_(suppression="topk"), "graph", 5, "inside already"),
    (bare(9), card_for(), "none", 5, "--nms must be one of"),
    (bare(9), card_for(), "nms", 5, "--nms must be one of"),
    (bare(9), card_for(), "graph", 0, "--candidates must lie in"),
    (bare(9), card_for(), "graph", MOST_CANDIDATES + 1, "--candidates must lie in"),
    (bare(9), card_for(3), "graph", 5, "with --card"),
    (bare(9), card_for().with_(outputs=("dets", "scores")), "graph", 5, "with --card"),
    (bare(9, opset=12), card_for(), "graph", 5, "opset 12"),
    (bare("many"), card_for(), "graph", 5, "how many boxes"),
    (bare(9, kind=TensorProto.FLOAT16), card_for(), "graph", 5, "must be float32"),
    (bare(9), card_for(conf=0.001), "plugin", 5, "at least 0.01"),
])
def test_what_cannot_be_grafted_is_refused_in_one_line(model, card, nms, candidates, words):
    with pytest.raises(MineHatError, match=words) as refused:
        with_suppression(model, card, nms, candidates)
    assert "\n" not in str(refused.value)


# The runtime


def graft(model, out, *flags):
    return main(["graft", str(model), "-o", str(out), *map(str, flags)])


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A network of ours, 96 x 96, and the same with either kind of suppression; thresholds at which it finds a lot."""
    folder = tmp_path_factory.mktemp("real")
    plain = tiny_onnx(folder)
    model = onnx.load(str(plain))
    card = read_card(plain).with_(iou=0.4)
    helper.set_model_props(model, {KEY: card.to_json()})
    onnx.save(model, str(plain))
    for nms in ("topk", "graph"):
        assert graft(plain, folder / f"{nms}.onnx", "--nms", nms, "--candidates", "300") == 0
    return folder


@pytest.mark.parametrize("backend", ["ort", *(["openvino"] if OPENVINO else [])])
@pytest.mark.parametrize("nms", ["topk", "graph"])
def test_the_runtime_finds_the_same_in_whatever_form(real, nms, backend):
    with minehat.open(real / "tiny.onnx", threads=1) as plain, \
            minehat.open(real / f"{nms}.onnx", backend=backend, threads=1) as other:
        assert (other.card.conf, other.card.iou, other.card.suppression) == (0.25, 0.4, nms)
        seen = 0
        for frame in noise_frames(6):
            wanted, found = plain(frame), other(frame)
            seen += len(wanted)
            np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-2)
            assert_array_equal(found.labels, wanted.labels)
        assert seen > 20
        batch = np.concatenate([other.prepare(frame)[0].copy() for frame in noise_frames(3)])
        assert {len(column) for column in other.backend.infer(batch)} == {3}


def test_a_higher_threshold_may_be_asked_for_and_a_lower_one_or_another_overlap_not(real):
    frame = noise_frames(1)[0]
    with minehat.open(real / "tiny.onnx", conf=0.26) as plain, minehat.open(real / "graph.onnx", conf=0.26) as other:
        assert same(other(frame), plain(frame))
    with pytest.raises(MineHatError, match=r"--conf 0\.25 or more"):
        minehat.open(real / "graph.onnx", conf=0.2)
    with pytest.raises(MineHatError, match="Leave --iou away"):
        minehat.open(real / "graph.onnx", iou=0.5)
    minehat.open(real / "topk.onnx", conf=0.001, iou=0.5).close()


def test_scoring_wants_low_scores_and_refuses_a_graph_that_has_none(real, tmp_path):
    with pytest.raises(MineHatError, match=r"scores from 0\.001 on are wanted"):
        see([real / "graph.onnx"], tmp_path, "val")


def test_a_crowd_is_told_once(real, tmp_path, capsys):
    for nms in ("topk", "graph"):
        few = tmp_path / f"{nms}.onnx"
        assert graft(real / "tiny.onnx", few, "--nms", nms, "--candidates", 5, "--conf", 0.05) == 0
        capsys.readouterr()
        with minehat.open(few) as detector:
            for frame in noise_frames(3):
                assert 1 <= len(detector(frame)) <= 5
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1 and "5 boxes over 0.05" in told[0] and "--candidates" in told[0]


def test_an_answer_that_is_not_finite_is_refused_in_every_form(tmp_path):
    for nms in ("topk", "graph"):
        for spoiled in ("pick", "grid"):  # of the scores, of the boxes
            model = tmp_path / f"{nms}-{spoiled}.onnx"
            assert graft(bright_onnx(tmp_path / "nan.onnx", spoiled=spoiled), model, "--nms", nms) == 0
            with minehat.open(model) as detector, pytest.raises(MineHatError, match="not finite"):
                detector(np.zeros((50, 50, 3), np.uint8))


def test_the_plugin_is_refused_where_only_full_tensorrt_has_it(real):
    assert graft(real / "tiny.onnx", real / "plugin.onnx", "--nms", "plugin") == 0
    for backend in ("ort", *(["openvino"] if OPENVINO else [])):
        with pytest.raises(MineHatError, match="full TensorRT has and"):
            minehat.open(real / "plugin.onnx", backend=backend)


def test_what_has_suppression_inside_is_not_quantized(real):
    for nms in ("topk", "graph"):
        with pytest.raises(MineHatError, match="which comes last"):
            open_parent(real / f"{nms}.onnx")


def test_a_card_that_does_not_fit_the_file_is_refused(real):
    card = read_card(real / "graph.onnx")
    with pytest.raises(MineHatError, match="wanted scores float32"):
        minehat.open(real / "tiny.onnx", card=card)


@pytest.mark.parametrize(("flags", "words"), [
    (("--nms", "graph", "-o", "out.engine"), "must end in .onnx"),
    (("--nms", "graph", "-o", "{model}"), "is the model"),
    (("--nms", "graph", "-o", "{folder}/x.onnx", "--candidates", "9999"), "--candidates must lie"),
])
def test_the_door_refuses_in_one_line_and_leaves_nothing(real, capsys, flags, words):
    before = sorted(real.iterdir())
    model = real / "tiny.onnx"
    assert main(["graft", str(model), *(flag.format(model=model, folder=real) for flag in flags)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line and sorted(real.iterdir()) == before


def test_the_door_s_thresholds_become_the_file_s(real, tmp_path):
    assert graft(real / "tiny.onnx", tmp_path / "x.onnx", "--nms", "graph", "--conf", 0.3, "--iou", 0.6) == 0
    card = read_card(tmp_path / "x.onnx")
    assert (card.conf, card.iou, card.candidates) == (0.3, 0.6, 300)


# Engines


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """The shipped INT8 file with FP16 around its pairs, as `calib/quantize.py --precision int8+fp16` makes it."""
    path = tmp_path_factory.mktemp("halves") / "nano.int8-fp16.onnx"
    model = onnx.load(str(INT8))
    assert to_fp16(Wiring(model))
    helper.set_model_props(model, {KEY: read_card(INT8).with_(precision="int8+fp16").to_json()})
    onnx.save(model, str(path))
    return path


@RTX
def test_rtx_refuses_the_plugin_before_it_parses(halves, tmp_path):
    with pytest.raises(MineHatError, match=r"full TensorRT has and TensorRT-RTX [0-9.]* has not"):
        engine_from_onnx(halves, tmp_path / "x.engine", BuildOptions(target="rtx", nms="plugin"))
    assert not list(tmp_path.iterdir())


def test_the_graft_itself_stays_in_float32(halves):
    """Nothing of it is half or quantized, whatever the file's precision."""
    model, _ = with_suppression(onnx.load(str(halves)), read_card(halves), "graph")
    typed = onnx.shape_inference.infer_shapes(model)
    ours = [value for value in typed.graph.value_info if value.name.startswith("suppression/")]
    kinds = {value.type.tensor_type.elem_type for value in ours}
    assert len(ours) > 100 and kinds == {TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64}
