"""A camera that sends GStreamer elsewhere is not followed."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from minehat.errors import MineHatError

from .address import Address, address_of
from .pyav_source import Refuse
from .source import SourceLost

CATEGORY = "rtspsrc"
SAID = "redirection to "


class RedirectGuard:
    """While a stream is opened, hears rtspsrc say where it is being redirected, before it goes there.

    rtspsrc follows any redirection, asks again for ever where it leads to no RTSP address, and has no property
    against it. What it logs of it comes in the thread that is about to connect.
    """

    def __init__(self, gst: Any, address: Address, refuse: Refuse) -> None:
        self._gst, self._address, self._refuse = gst, address, refuse

    def __enter__(self) -> None:
        self._gst.debug_remove_log_function(None)  # the one that prints
        self._gst.debug_add_log_function(self._hear, None)
        self._gst.debug_set_active(True)
        self._gst.debug_set_threshold_for_name(CATEGORY, self._gst.DebugLevel.DEBUG)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._gst.debug_set_threshold_for_name(CATEGORY, self._gst.DebugLevel.NONE)
        self._gst.debug_remove_log_function(self._hear)

    def _hear(self, _category: Any, _level: Any, _file: str, _function: str, _line: int, _object: Any, message: Any,
              _data: Any) -> None:
        _, found, target = message.get().partition(SAID)
        if found and not self._is_same(target.strip()):
            self._refuse(SourceLost("forbidden", f"{self._address.told}: it redirects to another host, which is not "
                                    "followed; name that one in the URL if it is yours"))

    def _is_same(self, target: str) -> bool:
        try:
            return address_of(target).host == self._address.host
        except MineHatError:
            return False
