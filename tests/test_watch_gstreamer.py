"""Does a camera over GStreamer look like any other: same pixels, same packets, same causes, nothing followed?"""

from __future__ import annotations

import importlib
import os
import socket
import ssl
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cameras import Looking
from minebench.lab import clips
from minebench.lab.faultcam import FaultCam
from minebench.lab.rtpfault import RtpFault
from minewatch.cameras.gstreamer_gi import load_gstreamer
from minewatch.cameras.gstreamer_pipeline import PLUGIN, connection, decoding, wanted
from minewatch.cameras.gstreamer_source import GStreamerSource
from minewatch.cameras.pyav_source import AvImage, PyAvSource
from minewatch.cameras.quarantine import Quarantine, passed
from minewatch.cameras.source import Plan, SourceLost
from minewatch.config.schema import CameraPart

pytestmark = pytest.mark.filterwarnings("ignore:DynamicImporter:ImportWarning")  # PyGObject's own importer
FPS = 50
SYSTEM = Path("/usr/lib/python3/dist-packages/gi")  # of Debian's python3-gi
PARTS = ("rtspsrc", "rtph264depay", "h264parse", "avdec_h264", "avdec_h265", "appsink")


@pytest.fixture(scope="module")
def gi_folder(tmp_path_factory):
    """A folder with python3-gi and nothing else of the system's, on the path of this process and of its children."""
    if not SYSTEM.is_dir():
        pytest.skip("python3-gi is not installed")
    folder = tmp_path_factory.mktemp("gi")
    (folder / "gi").symlink_to(SYSTEM)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
        yield folder


@pytest.fixture(scope="module")
def gst(gi_folder):
    found = load_gstreamer()[0]
    absent = [name for name in PARTS if found.ElementFactory.find(name) is None]
    if absent:
        pytest.skip(f"GStreamer's {', '.join(absent)} are not installed")
    return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.blocks(tmp_path_factory.mktemp("clips") / "blocks.mp4", 1, FPS)


def never(why):
    raise AssertionError(why)


def plan(url, **changes):
    return Plan("stream", url, **changes)


def read(source, count, do=None):
    """The first `count` frames and all packets until then. do: what to do after how many of them."""
    frames, packets = [], []
    with source:
        for taken in source.steps():
            frames += taken.frames
            packets += [taken.coded] if taken.coded else []
            if do and len(frames) >= do[0]:
                do[1]()
                do = None
            if len(frames) >= count:
                return frames, packets
    return frames, packets


def bgr(image):
    out = np.empty((image.height, image.width, 3), np.uint8)
    image.write_bgr(out)
    return out


def decoded(path):
    with av.open(str(path)) as container:
        return [bgr(AvImage(frame)) for frame in container.decode(video=0)]


def test_jetsons_pipeline_is_the_software_one_but_for_the_two_elements_that_are_its_own():
    for codec, software in (("h264", "avdec_h264"), ("hevc", "avdec_h265")):
        ours, jetsons = decoding(codec, hardware=False).split(" ! "), decoding(codec, hardware=True).split(" ! ")
        own = [(one, other) for one, other in zip(ours, jetsons, strict=True) if one != other]
        assert own == [(software, "nvv4l2decoder"), ("videoconvert", "nvvidconv")]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_no_password_is_part_of_an_address_or_a_pipeline(transport):
    told = connection(plan("rtsp://host/x", user="mine", password="geheim", transport=transport), 2.0)
    assert [name for name, value in told.items() if "geheim" in str(value)] == ["user-pw"]
    assert told["protocols"] == transport and told["tcp-timeout"] == 2_000_000
    assert "user-id" not in connection(plan("rtsp://host/x"), 2.0)


def test_gstreamer_reads_streams_where_jetsons_decoder_is_or_where_asked_for(tmp_path):
    (tmp_path / "jetson").mkdir()
    (tmp_path / "jetson" / PLUGIN).touch()
    here, elsewhere = [tmp_path / "jetson"], [tmp_path]
    for decoder, on_jetson, on_others in (("auto", True, False), ("gstreamer", True, True), ("pyav", False, False)):
        assert wanted(plan("rtsp://host/x", decoder=decoder), here) is on_jetson
        assert wanted(plan("rtsp://host/x", decoder=decoder), elsewhere) is on_others
    assert not wanted(Plan("usb", "/dev/video0", decoder="gstreamer"), here)


def test_where_gi_is_absent_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(SourceLost, match="apt install python3-gi") as lost:
        read(GStreamerSource(plan("rtsp://127.0.0.1:1/x"), never), 1)
    assert lost.value.cause == "missing" and "\n" not in lost.value.text and "decoder: pyav" in lost.value.text


def test_where_a_plugin_is_absent_its_name_is_told(gst, monkeypatch):
    pipeline = importlib.import_module("minewatch.cameras.gstreamer_source")
    monkeypatch.setattr(pipeline, "jetson_decoder", lambda: True)
    with pytest.raises(SourceLost, match="nvv4l2decoder") as lost:
        read(GStreamerSource(plan("rtsp://127.0.0.1:1/x"), never), 1)
    assert lost.value.cause == "missing"


@pytest.mark.parametrize(("codec", "transport"), [("h264", "tcp"), ("h264", "udp"), ("hevc", "tcp")])
def test_pixels_key_frames_and_times_are_the_clips_own(gst, tmp_path, codec, transport):
    path = clips.blocks(tmp_path / "clip.mp4", 0.6, FPS, keys=10, codec=codec)
    shown = decoded(path)
    with FaultCam([path], user="mine", password="a b:c@/%", digest=True) as cam:
        source = GStreamerSource(plan(cam.url(), user="mine", password="a b:c@/%", transport=transport), never)
        frames, _ = read(source, 45)
    assert source.codec == codec and source.fps == FPS
    numbers = [next(number for number, one in enumerate(shown) if np.array_equal(bgr(frame.image), one))
               for frame in frames]  # a busy machine may have dropped some
    assert [frame.key for frame in frames] == [number % 10 == 0 for number in numbers]
    assert not any(frame.corrupt for frame in frames) and len(set(numbers)) > 20
    steps = np.diff(numbers) % len(shown)
    np.testing.assert_allclose(np.diff([frame.seconds for frame in frames]), steps / FPS, atol=1e-3)
    assert len(frames[0].image.grey(90, 160)) == 90 * 160


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("full", [False, True])
def test_both_sources_give_the_same_colours_and_the_right_ones(gst, tmp_path, matrix, full):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [40, 120, 200]], np.uint8)
    path = tmp_path / "colours.mp4"  # BGR, each 32 pixels wide
    write_colours(path, np.repeat(np.repeat(colours[None], 64, 0), 32, 1), matrix, full)
    with FaultCam([path]) as cam:
        sources = GStreamerSource(plan(cam.url()), never), PyAvSource(plan(cam.url()), never)
        ours, others = (bgr(read(source, 3)[0][0].image) for source in sources)
    assert np.array_equal(ours, others)
    assert np.abs(ours[32, 16::32].astype(int) - colours).max() <= 8


def write_colours(path, frame, matrix, full):
    """A clip that says which matrix and range its colours are of."""
    told = f":colormatrix={matrix}:colorprim={matrix}:transfer={matrix}:range={'pc' if full else 'tv'}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"x264-params": clips.X264.format(keys=25) + told})
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "yuvj420p" if full else "yuv420p"
        for number in range(10):
            shown = av.VideoFrame.from_ndarray(frame, format="bgr24").reformat(
                format=stream.pix_fmt, dst_colorspace="ITU709" if matrix == "bt709" else "ITU601",
                dst_color_range="JPEG" if full else "MPEG")
            shown.pts, shown.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("kind", [GStreamerSource, PyAvSource])
def test_a_camera_that_signed_its_own_certificate_is_seen_over_tls(gst, clip, tmp_path, kind):
    pair = [str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pair[0], "-out", pair[1],
                    "-days", "2", "-subj", "/CN=camera"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair[1], pair[0])
    shown = decoded(clip)
    with FaultCam([clip], user="mine", password="geheim", tls=tls) as cam:
        assert cam.url().startswith("rtsps://")
        frames, _ = read(kind(plan(cam.url(), user="mine", password="geheim"), never), 5)
    assert all(any(np.array_equal(bgr(frame.image), one) for one in shown) for frame in frames)


def test_its_packets_make_a_clip_of_the_same_pixels(gst, clip, tmp_path):
    with FaultCam([clip]) as cam, GStreamerSource(plan(cam.url()), never) as source:
        packets = []
        for taken in source.steps():
            packets += [taken.coded] if taken.coded else []
            if len(packets) == 30:
                break
        with av.open(str(tmp_path / "copy.mp4"), "w") as container:
            stream = container.add_stream_from_template(source.template)
            for coded in packets:
                packet = av.Packet(coded.data)
                packet.pts = packet.dts = coded.pts
                packet.time_base, packet.stream, packet.is_keyframe = coded.time_base, stream, coded.key
                container.mux(packet)
    assert [coded.key for coded in packets] == [number % 25 == 0 for number in range(30)]
    copied, shown = decoded(tmp_path / "copy.mp4"), decoded(clip)
    assert len(copied) == 30 and all(map(np.array_equal, copied, shown))


def test_no_packets_are_kept_where_no_clips_are_wanted(gst, clip):
    with FaultCam([clip]) as cam:
        frames, packets = read(GStreamerSource(plan(cam.url(), before=0.0), never), 20)
    assert len(frames) == 20 and len(packets) <= 5  # those until it was open


def test_why_a_camera_is_lost_is_told_without_its_password(gst, clip):
    """A1: over GStreamer."""
    with FaultCam([clip], user="mine", password="geheim") as cam:
        good = {"user": "mine", "password": "geheim"}
        assert cause(cam, **{**good, "password": "gehein"}) == "auth"
        assert cause(cam, 9, **good) == "not_found"
        cam.refuse()
        assert cause(cam, **good) == "refused"
        cam.refuse(False)
        assert cause(cam, do=cam.cut, **good) == "ended"
        cam.fault(giant=16_000)
        assert cause(cam, **good) == "format"
        cam.well()
        promised = cam.mounts["cam0"].description().replace("H264/", "THEORA/")
        cam.mounts["cam0"].description = lambda: promised
        assert cause(cam, **good) == "format"
    assert cause(url="rtsp://nobody.invalid/x", **good) == "no_route"


def test_a_camera_that_never_answers_is_given_up(gst, clip):
    """A2: over GStreamer."""
    with FaultCam([clip]) as cam:
        cam.fault(silent=True)
        assert cause(cam) == "timeout"


def cause(cam=None, number=0, url="", do=None, **login):
    with pytest.raises(SourceLost) as lost:
        read(GStreamerSource(plan(url or cam.url(number), **login), never), 10_000, (5, do) if do else None)
    assert "gehei" not in lost.value.text and "\n" not in lost.value.text
    return lost.value.cause


def test_another_size_is_followed_in_the_same_connection(gst, clip, tmp_path):
    """A11: over GStreamer."""
    large = clips.blocks(tmp_path / "large.mp4", 0.4, FPS, 480, 288)
    with FaultCam([clip, large], mounts=1) as cam:
        frames, _ = read(GStreamerSource(plan(cam.url()), never), 40, (10, lambda: cam.fault(clip=1)))
    assert (frames[0].image.width, frames[-1].image.width) == (320, 480)
    shown = decoded(large)
    assert any(np.array_equal(bgr(frames[-1].image), one) for one in shown)


def test_frames_after_lost_packets_are_kept_back_by_the_quarantine(gst, clip):
    """A8: over GStreamer, 5 % of the packets lost."""
    with av.open(str(clip)) as container:
        shown = np.stack([small(AvImage(frame)) for frame in container.decode(video=0)])
    wrong = passed_wrong = 0
    quarantine = Quarantine()
    with FaultCam([clip]) as cam, RtpFault(cam.port, seed=4, drop=0.05) as relay:
        frames, _ = read(GStreamerSource(plan(relay.url(cam.url())), never), 150)
    for frame in frames:
        quarantine, whole = passed(quarantine, frame.seconds, frame.key, frame.corrupt)
        differs = np.abs(shown - small(frame.image)).max(axis=(1, 2)).min() > 6
        wrong += differs
        passed_wrong += differs and whole
    assert wrong > 20
    assert passed_wrong <= 150 * 20 / 600


def small(image):
    """int16 [48, 80]: each is the mean grey of 4 x 4 pixels."""
    return np.frombuffer(image.grey(48, 80), np.uint8).reshape(48, 80).astype(np.int16)


REDIRECTED = """
import os, sys
from minewatch.cameras.gstreamer_source import GStreamerSource
from minewatch.cameras.source import Plan

def refuse(why):
    print(why.cause, why.text, flush=True)
    os._exit(0)

with GStreamerSource(Plan("stream", sys.argv[1]), refuse):
    print("opened")
"""


@pytest.mark.parametrize("target", ["rtsp://127.0.0.2:{port}/x", "file:///etc/passwd"])
def test_a_redirection_is_not_followed_and_no_packet_goes_there(gst, clip, target):
    """G8: over GStreamer."""
    with FaultCam([clip]) as cam, socket.create_server(("127.0.0.2", 0)) as elsewhere:
        elsewhere.settimeout(0.3)
        cam.fault(redirect=target.format(port=elsewhere.getsockname()[1]))
        told = subprocess.run([sys.executable, "-c", REDIRECTED, cam.url()], capture_output=True, text=True, timeout=20)
        with pytest.raises(TimeoutError):
            elsewhere.accept()
    assert told.stdout.startswith("forbidden ") and told.stderr == ""


def test_a_redirection_within_the_camera_is_followed(gst, clip):
    with FaultCam([clip], mounts=2) as cam:
        cam.fault(0, redirect=cam.url(1))
        assert read(GStreamerSource(plan(cam.url(0)), never), 3)[0]


def test_the_watch_sees_a_camera_over_gstreamer_as_it_is_and_copies_a_clip_of_it(gst, clip, tmp_path):
    shown, seen = decoded(clip), []
    with FaultCam([clip]) as cam:
        part = CameraPart(name="one", url=cam.url(), decoder="gstreamer")
        with Looking(part, look=lambda picture: seen.append(picture.pixels.copy())) as looking:
            looking.until(lambda: len(seen) > 5)
            now = time.monotonic()
            done = looking.clip(tmp_path / "clip.mp4", now - 1, now + 0.3)
    assert all(any(np.array_equal(one, other) for other in shown) for one in seen)
    assert not done.fault
    copied = decoded(tmp_path / "clip.mp4")
    assert len(copied) > 10 and all(any(np.array_equal(one, other) for other in shown) for one in copied)


@pytest.mark.soak
@pytest.mark.parametrize("case", ["A3", "A4", "A5"])
def test_a_camera_that_falls_silent_is_shown_so_and_comes_back(gst, clip, case, figure):
    """A3, A4, A5: over GStreamer: the server stands still, its packets stop, or it is gone for 20 s."""
    with FaultCam([clip]) as cam:
        spoil, mend = {"A3": (cam.freeze, cam.thaw), "A4": (lambda: cam.fault(stall=True), cam.well),
                       "A5": (lambda: (cam.refuse(), cam.cut()), lambda: cam.refuse(False))}[case]
        with Looking(CameraPart(name="one", url=cam.url(), decoder="gstreamer")) as looking:
            camera, frames = looking.cameras[0], looking.frames["one"]
            looking.until(lambda: len(frames) > 50)
            spoil()
            began = time.monotonic()
            looking.until(lambda: camera.status().standing != "live")
            offline = time.monotonic() - began
            looking.during(20 - offline)
            mend()
            began, count = time.monotonic(), len(frames)
            looking.until(lambda: camera.status().standing == "live" and len(frames) > count, 40)
            back, told = time.monotonic() - began, looking.changes()
    assert told == [("live", None), ("waiting", "ended" if case == "A5" else "stalled"), ("live", None)]
    assert offline <= 5 and back <= 3 + 5
    figure(case, f"gstreamer: shown after {offline:.1f} s, live again {back:.1f} s after it could be")
