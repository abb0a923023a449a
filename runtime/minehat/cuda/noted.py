"""Work that comes again in the same way is noted down as a CUDA graph, and launched as one from then on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from ..errors import MineHatError
from .device import Device, Graph, Stream

MOST = 8  # ways that are kept, the latest


class Noted:
    """Graphs by the way in which their work is done.

    tell: hears once, in a sentence, where there can be none. on: False to make none.
    """

    def __init__(self, device: Device, stream: Stream, tell: Callable[[str], object], on: bool = True) -> None:
        self._device, self._stream, self._tell = device, stream, tell
        self._ways: OrderedDict[Hashable, Graph | None] = OrderedDict()  # None: it came once
        self._on = on

    def run(self, way: Hashable, work: Callable[[], None]) -> None:
        """Do the work on the stream. `way` is all that it depends on: shapes, addresses, thresholds.

        The second time it is done and then noted down: by then TensorRT has settled what it makes at a first run.
        """
        graph = self._ways.get(way)
        if graph is not None:
            self._ways.move_to_end(way)
            graph.launch(self._stream)
            return
        work()
        if not self._on:
            return
        self._keep(way, self._graph(work) if way in self._ways else None)

    def close(self) -> None:
        """Let go of the graphs; the stream must have come past them."""
        while self._ways:
            self._forget()

    def _graph(self, work: Callable[[], None]) -> Graph | None:
        try:
            return self._device.graph(self._stream, work)
        except (RuntimeError, MineHatError) as exc:  # TensorRT may refuse, and CUDA what it does; CudaLost is neither
            self._on = False
            self._tell(f"No CUDA graph can be made of this network ({exc}): each piece of its work is put on the GPU "
                       "by itself, which costs the processor more.")
            return None

    def _keep(self, way: Hashable, graph: Graph | None) -> None:
        self._ways[way] = graph
        self._ways.move_to_end(way)
        if len(self._ways) > MOST:
            self._forget()

    def _forget(self) -> None:
        _, graph = self._ways.popitem(last=False)
        if graph is not None:
            graph.close()
