"""A picture that GStreamer decoded. What turns it into BGR is what does so for PyAV's: both give the same colours."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from .pyav_source import AvImage
from .source import Pixels

FULL_RANGE, LIMITED_RANGE = 2, 1  # libav's numbers
# GStreamer's matrices and libav's numbers for the same
_MATRICES = {"bt709": 1, "bt601": 5, "bt2020": 9}


class GStreamerImage:
    """A sample of format I420. Its planes are copied only when it is looked at."""

    def __init__(self, sample: Any, gst: Any, video: Any) -> None:
        """gst, video: the modules Gst and GstVideo."""
        self._sample, self._gst, self._video = sample, gst, video
        self._info = video.VideoInfo.new_from_caps(sample.get_caps())
        self._copied: AvImage | None = None

    @property
    def height(self) -> int:
        return int(self._info.height)

    @property
    def width(self) -> int:
        return int(self._info.width)

    def write_bgr(self, out: Pixels) -> None:
        """Scaled into `out`, uint8 [h, w, 3] BGR."""
        self._image.write_bgr(out)

    def grey(self, height: int, width: int) -> bytes:
        """Scaled, one byte a pixel."""
        return self._image.grey(height, width)

    @property
    def _image(self) -> AvImage:
        if self._copied is None:
            self._copied = AvImage(self._planes())
        return self._copied

    def _planes(self) -> av.VideoFrame:
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        buffer = self._sample.get_buffer()
        layout = self._video.buffer_get_video_meta(buffer) or self._info
        _, mapped = buffer.map(self._gst.MapFlags.READ)
        try:
            whole = np.frombuffer(mapped.data, np.uint8)
            for plane, offset, stride in zip(frame.planes, layout.offset, layout.stride, strict=False):
                into = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
                rows = np.lib.stride_tricks.as_strided(whole[offset:], (plane.height, plane.width), (stride, 1))
                into[:, :plane.width] = rows
        finally:
            buffer.unmap(mapped)
        colours = self._info.colorimetry
        full = colours.range == getattr(self._video.VideoColorRange, "0_255")
        frame.color_range = FULL_RANGE if full else LIMITED_RANGE
        frame.colorspace = _MATRICES.get(colours.matrix.value_nick, frame.colorspace)
        return frame
