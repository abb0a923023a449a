"""How many pictures that lost packets have spoilt reach the watch? On the wall clock, for `make soak`."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from cameras import Looking, part
from minebench.lab import clips
from minebench.lab.faultcam import FaultCam
from minebench.lab.rtpfault import RtpFault
from minewatch.cameras.pyav_source import AvImage

pytestmark = pytest.mark.soak
FPS, FRAMES = 25, 600
SMALL = 45, 80  # height and width of what is compared: each of its pixels is the mean of 8 x 8
VISIBLE = 6  # grey levels that one of them is off


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.blocks(tmp_path_factory.mktemp("clips") / "blocks.mp4", 4.0, FPS, 640, 360)


@pytest.fixture(scope="module")
def shown(clip):
    """Every frame of the clip, small: int16 [n, h, w]."""
    with av.open(str(clip)) as container:
        return np.stack([small(AvImage(frame)) for frame in container.decode(video=0)])


def small(image):
    return np.frombuffer(image.grey(*SMALL), np.uint8).reshape(SMALL).astype(np.int16)


@pytest.fixture(params=["pyav", "gstreamer"])
def decoder(request, tmp_path, monkeypatch):
    system = Path("/usr/lib/python3/dist-packages/gi")
    if request.param == "gstreamer":
        if not system.is_dir():
            pytest.skip("python3-gi is not installed")
        (tmp_path / "gi").symlink_to(system)
        monkeypatch.syspath_prepend(str(tmp_path))
    return request.param


@pytest.mark.parametrize(("share", "limit"), [(0.01, 20), (0.05, 20), (0.1, 35)])
def test_spoilt_pictures_are_kept_from_the_watch(clip, shown, decoder, share, limit, figure):
    """A8: the share of packets that is lost, and how many of 600 frames pass though they are visibly wrong."""
    wrong, seen = [], []

    def compare(picture):
        got = small(AvImage(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.pixels), format="bgr24")))
        seen.append(got)
        wrong.append(np.abs(shown - got).max(axis=(1, 2)).min() > VISIBLE)

    with FaultCam([clip]) as cam, RtpFault(cam.port, seed=3, drop=share) as relay:
        with Looking(part(relay.url(cam.url()), decoder=decoder), look=compare) as looking:
            looking.during(FRAMES / FPS)
            status = looking.cameras[0].status()
        lost, packets = relay.dropped, relay.dropped + relay.passed
    assert seen and lost > 0.5 * share * packets
    assert sum(wrong) <= limit
    figure("A8", f"{decoder}, {share:.0%} lost: {sum(wrong)} wrong of {len(seen)} that passed, "
           f"{status.quarantined} kept back, {status.opened} connections")
