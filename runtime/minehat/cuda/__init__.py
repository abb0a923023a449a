"""CUDA: memory, streams, events, graphs and kernels of GPU 0. The only place that touches it.

    with open_device() as device:
        squares = device.memory(3 * 416 * 416 * 4)
        stream = device.stream()
        squares.copy_in(planes, stream)  # a numpy array, best of pinned memory
        stream.synchronize()

Two libraries serve, cuda-bindings and pycuda; MINEHAT_CUDA names one, the first that is there is taken otherwise.
"""

from ..errors import CudaLost
from .arrays import CudaArray, cuda_array_of
from .device import Device, DeviceMemory, Event, Graph, HostMemory, Kernel, Module, Stream, open_device
from .driver import DRIVERS, CudaError, Driver, load_driver
from .lying import Nv12

__all__ = ["DRIVERS", "CudaArray", "CudaError", "CudaLost", "Device", "DeviceMemory", "Driver", "Event", "Graph",
           "HostMemory", "Kernel", "Module", "Nv12", "Stream", "cuda_array_of", "load_driver", "open_device"]
