"""Does each TensorRT have what our source calls? Asked of the real bindings of five versions and of TensorRT-RTX."""

import json
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorrt_rtx_bindings as trt
from minehat.engine.differences import SOME_VERSIONS, Where, has
from trt_api.dump import VERSIONS, dumped
from trt_calls import api_from_dump, calls_in, has_member, merged

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the bindings that are looked at are x86-64 Linux ones")

HERE = Path(__file__).parent
ROOM = HERE.parent / "runtime" / "minehat"
TEXTS = {version: (HERE / "trt_api" / f"{version}.json").read_text() for version in VERSIONS}
APIS = {version: api_from_dump(json.loads(text)) for version, text in TEXTS.items()}
FOUND = calls_in({str(path.relative_to(ROOM)): path.read_text() for path in sorted(ROOM.rglob("*.py"))},
                 merged(APIS.values()))


def lacking(member):
    """The versions that do not have it."""
    return [version for version, api in APIS.items() if not has_member(api, member)]


def calls_of(source):
    return {call.member for call in calls_in({"engine/source.py": source}, merged(APIS.values())).calls}


@pytest.fixture(scope="module")
def anew(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bindings")
    with ThreadPoolExecutor() as pool:
        return dict(zip(VERSIONS, pool.map(lambda version: dumped(version, folder), VERSIONS), strict=True))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_committed_dump_is_what_the_bindings_say(version, anew):
    assert anew[version] == TEXTS[version], "make them anew: `python tests/trt_api/dump.py`"


def test_the_dumps_differ_where_versions_are_known_to():
    assert lacking("BuilderFlag.INT8") == ["11.0.0.114", "11.4.0.106", "rtx-1.7.1.116"]
    assert lacking("Builder.build_serialized_network") == []
    assert lacking("ICudaEngine.create_runtime_config") == ["10.3.0"]


def test_all_that_we_call_is_in_every_version_or_in_the_table():
    strangers = sorted(f"{call.where}: {call.member} is not in {', '.join(lacking(call.member))}"
                       for call in FOUND.calls if lacking(call.member) and not in_table(call.member))
    assert not strangers


def in_table(member):
    """Is it, or the class that it belongs to, one that only some versions have?"""
    parts = member.split(".")
    return any(".".join(parts[:count]) in SOME_VERSIONS for count in range(1, len(parts) + 1))


def test_who_calls_what_only_some_versions_have_asks_first():
    askers = {(SOME_VERSIONS[call.member], call.where.partition(":")[0]) for call in FOUND.asked}
    unasked = sorted(f"{call.where}: {call.member}" for call in FOUND.calls
                     if call.member in SOME_VERSIONS and not call.where.startswith("engine/differences.py")
                     and (SOME_VERSIONS[call.member], call.where.partition(":")[0]) not in askers)
    assert not unasked, "ask has(trt, MEMBER) in the same file, of it or of one that the same versions have"


@pytest.mark.parametrize("member", SOME_VERSIONS)
def test_the_table_says_of_each_version_what_its_dump_says(member):
    where, absent = SOME_VERSIONS[member], lacking(member)
    claimed = [version for version in VERSIONS if not where.holds(*flavour_of(version))]
    assert claimed == absent
    assert absent, "it is everywhere: take it out of the table"
    assert len(absent) < len(VERSIONS), "it is nowhere"
    assert member in {call.member for call in FOUND.calls}, "nobody calls it: take it out of the table"
    assert has(trt, member) == where.rtx


def flavour_of(version):
    return ("rtx", version.removeprefix("rtx-")) if version.startswith("rtx-") else ("tensorrt", version)


def test_versions_are_compared_as_numbers():
    where = Where((10, 9), gone=(11,))
    assert where.holds("tensorrt", "10.13.0.35") and not where.holds("tensorrt", "10.3.0")
    assert not where.holds("tensorrt", "11.0.0") and not where.holds("rtx", "10.13")


def test_only_members_of_the_table_can_be_asked_for():
    with pytest.raises(KeyError, match="Builder"):
        has(trt, "Builder")


def test_the_calls_that_we_know_of_are_found():
    known = {"Builder.build_serialized_network", "IBuilderConfig.set_memory_pool_limit", "ILayer.type", "ITensor.dtype",
             "INetworkDefinition.get_layer", "IOptimizationProfile.set_shape", "OnnxParser.parse_from_file",
             "ParserError.desc", "LayerType.CONVOLUTION", "IProgressMonitor.step_complete"}
    assert known <= {call.member for call in FOUND.calls}


@pytest.mark.parametrize(("source", "wanted"), [
    ("def f(library):\n trt = library.trt\n return trt.BuilderFlag.TURBO", "BuilderFlag.TURBO"),
    ("def f(trt: Any):\n b = trt.Builder(None)\n b.create_builder_config().hurry()", "IBuilderConfig.hurry"),
    ("def f(config: Any):\n config.hurry = True", "IBuilderConfig.hurry"),
    ("def f(trt: Any):\n return getattr(trt.DataType, 'INT3')", "DataType.INT3"),
    ("def f(network):\n return trt.warp(network)", "warp"),
    ("def f(parser: Any):\n return [parser.get_error(i).mood() for i in range(3)]", "ParserError.mood"),
    ("class C:\n definition: Any\n def f(self):\n  for t in map(str, self.definition.get_input(0).sides): pass",
     "ITensor.sides"),
    ("class C:\n def __init__(self, runtime: Any):\n  self._e = runtime.deserialize_cuda_engine(b'')\n"
     " def f(self):\n  return self._e.get_tensor_mood('x')", "ICudaEngine.get_tensor_mood"),
    ("class C:\n definition: Any\n @property\n def first(self) -> Any:\n  return self.definition.get_input(0)\n"
     "def g(c: C):\n return c.first.mood", "ITensor.mood"),
    ("class Log(trt.ILogger):\n def shout(self, text): pass", "ILogger.shout"),
    ("def f(definition: Any):\n kept = {t.name: t for t in (definition.get_output(i) for i in range(2))}\n"
     " return [t.mood for t in [*kept.values()]]", "ITensor.mood"),
])
def test_a_made_up_member_is_found_missing(source, wanted):
    assert wanted in calls_of(source)
    assert len(lacking(wanted)) == len(VERSIONS)


def test_what_is_ours_is_not_taken_for_theirs():
    assert not calls_in({"cuda/driver.py": "def f(context: Any):\n context.push()"}, merged(APIS.values())).calls
    assert not calls_of("class Layer:\n kind: str\ndef f(layers: list[Layer], engine: Path, runtime: str):\n"
                        " return [layer.kind for layer in layers], engine.with_name('x'), runtime.upper()")
