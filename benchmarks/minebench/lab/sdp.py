"""SDP: what a camera says about its streams (RFC 8866)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from .rtp import CLOCK, TYPE


def description(name: str, codec: str, sets: Sequence[bytes], fps: float, streams: int = 1) -> str:
    """The description of `streams` equal streams. sets: the parameter sets of the codec, in order."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", f"s={name}", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
             "a=range:npt=now-"]
    for number in range(streams):
        lines += [f"m=video 0 RTP/AVP {TYPE}", *_format(codec, [b64encode(one).decode() for one in sets], sets),
                  f"a=framerate:{fps:g}", f"a=control:track{number}"]
    return "\r\n".join(lines) + "\r\n"


def _format(codec: str, coded: list[str], sets: Sequence[bytes]) -> list[str]:
    if codec == "h264":
        told = (f"packetization-mode=1;profile-level-id={sets[0][1:4].hex().upper()};"
                f"sprop-parameter-sets={coded[0]},{coded[1]}")
        return [f"a=rtpmap:{TYPE} H264/{CLOCK}", f"a=fmtp:{TYPE} {told}"]
    told = f"sprop-vps={coded[0]};sprop-sps={coded[1]};sprop-pps={coded[2]}"
    return [f"a=rtpmap:{TYPE} H265/{CLOCK}", f"a=fmtp:{TYPE} {told}"]
