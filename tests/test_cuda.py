"""Is all that is taken from CUDA let go of, in order, and is every error ours? Real libraries over a stub driver."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from cuda_stub import over_stub
from minehat import MineHatError
from minehat.cuda import CudaArray, CudaLost, cuda_array_of, load_driver
from minehat.cuda.driver import Faults
from minehat.doors import GPU_LOST, run_door

HERE = [name for name, module in (("cuda-bindings", "cuda.bindings"), ("pycuda", "pycuda"))
        if importlib.util.find_spec(module.split(".")[0]) and importlib.util.find_spec(module)]

ALL_OF_IT = """
import weakref
import numpy as np
from minehat.cuda import open_device
with open_device() as device:
    device.use()
    assert device.capability == "8.7" and not device.integrated
    free, total = device.memory_info()
    assert 0 < free <= total
    first, second = device.stream(), device.stream()
    start, end = device.event(), device.event()
    here = device.pinned(4096).array((32, 32), np.float32)
    mapped = device.pinned(64, mapped=True)
    assert mapped.device_address
    one, other = device.memory(4096), device.memory(4096)
    here[...] = np.arange(1024).reshape(32, 32)
    start.record(first)
    one.copy_in(here, first)
    other.copy_from(one, 2048, first)
    end.record(first)
    second.wait(end)
    back = np.zeros(512, np.float32)
    other.copy_out(back, second)
    second.synchronize()
    end.synchronize()
    assert (back == np.arange(512)).all() and end.ms_since(start) >= 0
    def work():
        one.fill(7, first)
        other.copy_from(one, 4096, first)
    graph = device.graph(first, work)
    graph.launch(first)
    seen = np.zeros(4096, np.uint8)
    other.copy_out(seen, first)
    first.synchronize()
    assert (seen == 7).all()
    assert first.address and one.array((1024,), np.float32).__cuda_array_interface__["data"] == (one.address, False)
    held = device.memory_info()[0]
    one.close()
    one.close()
    assert device.memory_info()[0] == held + 4096
    graph.close()
    gone = weakref.ref(other)
    other.close()
    del other, graph, work
    assert gone() is None  # the device does not hold on to what was closed
device.close()
"""


def run(program, driver="cuda-bindings", **environment):
    """What the program prints as its last line, as JSON."""
    told = """
import gc, json
gc.collect()  # pycuda lets go of streams and events with their last reference
print(json.dumps([live(), story()]))
"""
    done = over_stub(program + told, MINEHAT_CUDA=driver, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("driver", HERE)
def test_all_that_was_made_is_let_go_of_the_newest_first(driver):
    live, story = run(ALL_OF_IT, driver)
    assert live == {}
    taken = [call for call in story if call.startswith(("cuMemFree", "cuEventDestroy", "cuStreamDestroy"))]
    assert taken == ["cuMemFree", "cuMemFree", "cuMemFreeHost", "cuMemFreeHost", "cuEventDestroy", "cuEventDestroy",
                     "cuStreamDestroy", "cuStreamDestroy"]
    assert story[-1] == "cuDevicePrimaryCtxRelease"


@pytest.mark.parametrize("driver", HERE)
def test_a_graph_does_nothing_until_it_is_launched_and_a_broken_one_leaves_nothing(driver):
    live, _ = run("""
import numpy as np
from minehat.cuda import open_device
with open_device() as device:
    stream, memory, seen = device.stream(), device.memory(4), np.zeros(4, np.uint8)
    memory.fill(1, stream)
    graph = device.graph(stream, lambda: memory.fill(2, stream))
    memory.copy_out(seen, stream)
    assert (seen == 1).all()
    graph.launch(stream)
    memory.copy_out(seen, stream)
    assert (seen == 2).all()
    def fail():
        memory.fill(3, stream)
        raise KeyError("of the work's own")
    try:
        device.graph(stream, fail)
    except KeyError:
        pass
    memory.copy_out(seen, stream)  # the stream captures no more
    assert (seen == 2).all() and live()["graph"] == 1 and "noted" not in live()
""", driver)
    assert live == {}


@pytest.mark.parametrize("driver", HERE)
@pytest.mark.parametrize("call", ["cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate",
                                  "cuMemcpyHtoDAsync", "cuGraphInstantiate", "cuGraphLaunch", "cuStreamSynchronize"])
def test_a_refused_call_is_our_error_and_the_rest_is_let_go_of(driver, call):
    program = f"""
from minehat import MineHatError
from minehat.cuda import CudaError
try:
{"".join("    " + line + chr(10) for line in ALL_OF_IT.splitlines())}
except CudaError as exc:
    assert "(1)" in str(exc) or "stub error 1" in str(exc), exc
else:
    raise SystemExit("nothing was raised")
"""
    live, _ = run(program, driver, STUB_FAIL=f"{call}:1")
    if driver == "pycuda":
        live.pop("stream", None)  # the traceback holds it until the context is gone
    assert live == {}


@pytest.mark.parametrize("driver", HERE)
def test_too_little_memory_is_mendable(driver):
    live, _ = run("""
from minehat import MineHatError
from minehat.cuda import open_device
with open_device() as device:
    try:
        device.memory(1 << 40)
    except MineHatError as exc:
        assert "too little memory" in str(exc)
    else:
        raise SystemExit("nothing was raised")
    device.memory(1 << 10)
""", driver)
    assert live == {}


@pytest.mark.parametrize("driver", HERE)
def test_kernels_that_the_driver_does_not_know_are_mendable(driver):
    live, _ = run("""
from minehat import MineHatError
from minehat.cuda import open_device
with open_device() as device:
    try:
        device.module(b"of another time" + bytes(64))
    except MineHatError as exc:
        assert "Update the driver" in str(exc)
    else:
        raise SystemExit("nothing was raised")
""", driver)
    assert live == {}


@pytest.mark.parametrize("driver", HERE)
def test_a_lost_gpu_is_told_once_and_never_asked_again(driver):
    _, story = run("""
import numpy as np
from minehat.cuda import CudaLost, open_device
try:
    with open_device() as device:
        stream, memory = device.stream(), device.memory(64)
        memory.fill(1, stream)
        stream.synchronize()
except CudaLost as exc:
    assert "Start it again" in str(exc), exc
    assert device.driver.lost
else:
    raise SystemExit("nothing was raised")
""", driver, STUB_FAIL="cuStreamSynchronize:700")
    if driver == "cuda-bindings":  # pycuda's own objects still ask, and are not heard
        assert story[-1] == "cuStreamSynchronize"


def test_a_loss_that_comes_out_while_closing_is_told_as_well():
    _, story = run("""
from minehat.cuda import CudaLost, open_device
try:
    with open_device() as device:
        device.memory(64), device.stream()
except CudaLost:
    device.close()
else:
    raise SystemExit("nothing was raised")
""", STUB_FAIL="cuStreamDestroy:719")
    assert story[-1] == "cuStreamDestroy"


def test_a_closed_thing_is_not_used():
    run("""
import numpy as np
from minehat.cuda import open_device
with open_device() as device:
    stream, memory = device.stream(), device.memory(64)
    memory.close()
    for use in (lambda: memory.fill(0, stream), lambda: memory.copy_out(np.zeros(4), stream)):
        try:
            use()
        except ValueError as exc:
            assert "closed" in str(exc)
        else:
            raise SystemExit("nothing was raised")
    for wrong in (np.zeros(9, np.float64), np.zeros((4, 4), np.uint8).T):
        try:
            device.memory(64).copy_in(wrong, stream)
        except ValueError:
            pass
        else:
            raise SystemExit("nothing was raised")
assert sum(call == "cuMemsetD8Async" for call in story()) == 0
""")


def test_first_gpu_reads_the_same_driver():
    run("""
from minehat.gpu import first_gpu
gpu = first_gpu()
assert gpu and gpu.capability == "8.9" and gpu.name == "Stub 0", gpu
""", STUB_SM="89")


def test_a_door_ends_a_lost_gpu_with_one_line_and_its_own_code(capsys):
    def main(_):
        raise Faults().fault("cuLaunchKernel", 700, "CUDA_ERROR_ILLEGAL_ADDRESS")

    assert run_door(main, []) == GPU_LOST == 5
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_lost_gpu_is_not_mendable():
    assert not issubclass(CudaLost, MineHatError)


@pytest.mark.parametrize(("choice", "words"), [("opencl", "must be one of cuda-bindings, pycuda"),
                                               *(() if "pycuda" in HERE else (("pycuda", "`pip install pycuda`"),))])
def test_a_driver_that_is_not_there_is_named_with_the_cure(monkeypatch, choice, words):
    monkeypatch.setenv("MINEHAT_CUDA", choice)
    with pytest.raises(MineHatError, match=words):
        load_driver()


def test_with_no_library_at_all_the_cure_is_one_line(monkeypatch):
    monkeypatch.delenv("MINEHAT_CUDA", raising=False)
    for module in ("cuda.bindings.driver", "pycuda"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MineHatError, match=r"cuda-bindings or pycuda is missing.*pip install 'cuda-bindings"):
        load_driver()


def test_with_no_gpu_the_error_says_so():
    done = subprocess.run([sys.executable, "-c", "from minehat.cuda import open_device; open_device()"], check=False,
                          capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert "MineHatError: No NVIDIA GPU answers" in done.stderr


def test_an_empty_shell_of_a_driver_is_no_gpu(tmp_path):
    """Containers without a GPU bear a libcuda.so.1 with nothing in it."""
    (tmp_path / "e.c").write_text("int nothing;")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", tmp_path / "e.c"], check=True)
    program = ("from minehat.cuda import open_device; from minehat.gpu import first_gpu\n"
               "assert first_gpu() is None; open_device()")
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True,
                          env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    assert "MineHatError: No NVIDIA GPU answers" in done.stderr


# Arrays of other libraries


class Theirs:
    def __init__(self, **told):
        self.__cuda_array_interface__ = {"shape": (2, 3), "typestr": "<f4", "data": (4096, False), "version": 3, **told}


def test_an_array_goes_out_and_comes_back_without_a_copy():
    ours = CudaArray(4096, (2, 3), np.dtype(np.float32))
    back = cuda_array_of(ours)
    assert (back.address, back.shape, back.dtype, back.nbytes) == (4096, (2, 3), np.float32, 24)
    assert back.owner is ours
    assert ours.__cuda_array_interface__["version"] == 3  # the first that has "stream"


@pytest.mark.parametrize("strides", [None, (12, 4)])
def test_arrays_in_c_order_are_taken(strides):
    taken = cuda_array_of(Theirs(strides=strides, stream=2))
    assert (taken.address, taken.shape, taken.stream) == (4096, (2, 3), 2)


@pytest.mark.parametrize(("given", "words"), [
    (Theirs(strides=(4, 8)), "C order"), (Theirs(strides=(24, 8)), "C order"),
    (Theirs(mask=object()), "masked"), (np.zeros(3), "found ndarray")])
def test_other_arrays_are_refused(given, words):
    with pytest.raises(MineHatError, match=words):
        cuda_array_of(given)

