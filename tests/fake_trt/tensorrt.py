"""What the backend calls of TensorRT, over ONNX Runtime: an "engine" is `ftrt` and an ONNX file.

TensorRT itself cannot run where there is no GPU. Addresses are the stub driver's, so memory of the host: what the
backend copies, sizes and lets go of is real.
"""

from __future__ import annotations

import ctypes
from enum import Enum
from math import prod

import numpy as np
import onnxruntime

__version__ = "10.13.0"
Severity = Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
DataType = Enum("DataType", ["FLOAT", "INT64", "BOOL", "HALF"])
KINDS = {"tensor(float)": (DataType.FLOAT, np.float32), "tensor(int64)": (DataType.INT64, np.int64),
         "tensor(bool)": (DataType.BOOL, np.bool_), "tensor(float16)": (DataType.HALF, np.float16)}


class ILogger:
    Severity = Severity


class Runtime:
    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, content):
        if b"refused" in content:
            self.logger.log(Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: it is refused")
            return None
        return Engine(content.removeprefix(b"ftrt"))


class Engine:
    def __init__(self, content):
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.tensors = {node.name: node for node in (*self.session.get_inputs(), *self.session.get_outputs())}

    def create_execution_context(self):
        return Context(self)

    def get_tensor_dtype(self, name):
        return KINDS[self.tensors[name].type][0] if name in self.tensors else DataType.FLOAT


class Context:
    def __init__(self, engine):
        self.engine, self.addresses, self.batch = engine, {}, 0

    def set_input_shape(self, name, shape):
        assert name in self.engine.tensors
        self.batch = shape[0]
        return True

    def get_tensor_shape(self, name):
        node = self.engine.tensors.get(name)
        return (self.batch, *node.shape[1:]) if node else (-1,)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return name in self.engine.tensors

    def execute_async_v3(self, stream_handle):
        assert stream_handle
        given = {node.name: self.memory(node).copy() for node in self.engine.session.get_inputs()}
        outputs = self.engine.session.get_outputs()
        for node, answer in zip(outputs, self.engine.session.run(None, given), strict=True):
            if node.name in self.addresses:
                self.memory(node)[...] = answer
        return True

    def memory(self, node):
        shape, dtype = self.get_tensor_shape(node.name), np.dtype(KINDS[node.type][1])
        content = (ctypes.c_char * (prod(shape) * dtype.itemsize)).from_address(self.addresses[node.name])
        return np.frombuffer(content, dtype).reshape(shape)
