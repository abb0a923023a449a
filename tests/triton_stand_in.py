"""A stand-in for a Triton server: it speaks Triton's gRPC, holds requests to config.pbtxt, and runs ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

DTYPES = {"TYPE_FP32": ("FP32", np.float32), "TYPE_INT64": ("INT64", np.int64), "TYPE_BOOL": ("BOOL", np.bool_)}


def config_of(folder: Path) -> model_config_pb2.ModelConfig:
    """The folder's config.pbtxt, by Triton's own definition of it."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a model's folder; yields the address."""
    server = grpc.server(ThreadPoolExecutor(1))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Service(folder), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


class _Service(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self, folder: Path) -> None:
        self.config = config_of(folder)
        model = folder / "1" / self.config.default_model_filename
        self.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def ModelConfig(self, request, context):
        if request.name != self.config.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.name}' is not found")
        return service_pb2.ModelConfigResponse(config=self.config)

    def ModelInfer(self, request, context):
        given, wanted = request.inputs[0], self.config.input[0]
        shape = list(given.shape)
        batches = bool(self.config.max_batch_size)
        if (given.name, given.datatype) != (wanted.name, DTYPES[_name(wanted)][0]) or shape[batches:] != wanted.dims:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unexpected {given.name} {given.datatype} {shape}")
        if batches and shape[0] > self.config.max_batch_size:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"batch of {shape[0]}")
        batch = np.frombuffer(request.raw_input_contents[0], DTYPES[_name(wanted)][1]).reshape(shape)
        answer = service_pb2.ModelInferResponse(model_name=self.config.name)
        found = self.session.run([one.name for one in self.config.output], {wanted.name: batch})
        for one, values in zip(self.config.output, found, strict=True):
            datatype, dtype = DTYPES[_name(one)]
            assert values.dtype == dtype
            reshaped = values.reshape(shape[0], *one.dims) if one.HasField("reshape") else values
            answer.outputs.add(name=one.name, datatype=datatype, shape=reshaped.shape)
            answer.raw_output_contents.append(reshaped.tobytes())
        return answer


def _name(tensor: model_config_pb2.ModelInput | model_config_pb2.ModelOutput) -> str:
    return model_config_pb2.DataType.Name(tensor.data_type)
