"""What the backend calls of TensorRT, over ONNX Runtime: an "engine" is `ftrt` and an ONNX file.

TensorRT itself cannot run where there is no GPU. Addresses are the stub driver's, so memory of the host: what the
backend copies, sizes and lets go of is real. What it runs is put on the stub's streams, so that graphs hold it; as
TensorRT, it lets itself be noted down only after a run of the same shape, and with FAKE_TRT=uncaptured never.
"""

from __future__ import annotations

import ctypes
import os
from enum import Enum
from math import prod

import numpy as np
import onnxruntime

__version__ = "10.13.0"
Severity = Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
DataType = Enum("DataType", ["FLOAT", "INT64", "BOOL", "HALF", "UINT8"])
STUB = ctypes.CDLL("libcuda.so.1")
CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
KINDS = {"tensor(float)": (DataType.FLOAT, np.float32), "tensor(int64)": (DataType.INT64, np.int64),
         "tensor(bool)": (DataType.BOOL, np.bool_), "tensor(float16)": (DataType.HALF, np.float16),
         "tensor(uint8)": (DataType.UINT8, np.uint8)}


class ILogger:
    Severity = Severity


class Runtime:
    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, content):
        if b"refused" in content:
            self.logger.log(Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: it is refused")
            return None
        return Engine(content.removeprefix(b"ftrt"), self.logger)


class Engine:
    def __init__(self, content, logger):
        self.logger = logger
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.tensors = {node.name: node for node in (*self.session.get_inputs(), *self.session.get_outputs())}

    def create_execution_context(self):
        return Context(self)

    def get_tensor_dtype(self, name):
        return KINDS[self.tensors[name].type][0] if name in self.tensors else DataType.FLOAT


class Context:
    def __init__(self, engine):
        self.engine, self.addresses, self.batch = engine, {}, 0
        self.settled, self.calls = False, []

    def set_input_shape(self, name, shape):
        assert name in self.engine.tensors
        self.batch, self.settled = shape[0], False
        return True

    def get_tensor_shape(self, name):
        node = self.engine.tensors.get(name)
        return (self.batch, *node.shape[1:]) if node else (-1,)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return name in self.engine.tensors

    def execute_async_v3(self, stream_handle):
        stream = ctypes.c_void_p(stream_handle)
        noting = STUB.stub_noting(stream)
        if noting and (not self.settled or os.environ.get("FAKE_TRT") == "uncaptured"):
            self.engine.logger.log(Severity.ERROR, "IExecutionContext::enqueueV3: Error Code 1: it may not be noted")
            return False
        self.settled = self.settled or not noting
        batch, addresses = self.batch, dict(self.addresses)
        self.calls.append(CALL(lambda _: self.run(batch, addresses)))
        return STUB.stub_call(stream, self.calls[-1], None) == 0

    def run(self, batch, addresses):
        def memory(node):
            shape, dtype = (batch, *node.shape[1:]), np.dtype(KINDS[node.type][1])
            content = (ctypes.c_char * (prod(shape) * dtype.itemsize)).from_address(addresses[node.name])
            return np.frombuffer(content, dtype).reshape(shape)

        session = self.engine.session
        given = {node.name: memory(node) for node in session.get_inputs()}
        for node, answer in zip(session.get_outputs(), session.run(None, given), strict=True):
            if node.name in addresses:
                memory(node)[...] = answer
