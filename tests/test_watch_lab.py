"""Do the lab's camera and relays do what they are told, and nothing else, as independent clients see it?"""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minebench.lab import clips, nals, rtp
from minebench.lab.faultcam import FaultCam, obey
from minebench.lab.faultproxy import FaultProxy
from minebench.lab.rtpfault import RtpFault
from minebench.lab.timeline import Timeline
from minehat import MineHatError

FPS = 100
QUICK = {"probesize": "65536", "analyzeduration": "100000", "fpsprobesize": "0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder):
    return clips.blocks(folder / "blocks.mp4", 0.5, FPS)


@pytest.fixture(scope="module")
def shown(clip):
    return decoded(clip)


def decoded(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def seen(url, count, transport="tcp", do=None, timeout=(5, 1)):
    """The first frames that libav gets. do: what to do after how many of them."""
    with av.open(url, timeout=timeout, options={"rtsp_transport": transport, **QUICK}) as container:
        frames = []
        for frame in container.decode(video=0):
            frames.append(frame)
            if do and len(frames) == do[0]:
                do[1]()
            if len(frames) == count:
                break
        return frames


def pixels(frames):
    return [frame.to_ndarray(format="bgr24") for frame in frames]


def assert_looped(got, shown):
    """The clip's own pictures, bit for bit, from its beginning and round again."""
    assert len(got) > len(shown)
    for number, frame in enumerate(got):
        assert np.array_equal(frame, shown[number % len(shown)]), number


class Raw:
    """An RTSP client of sockets alone, that sees each packet."""

    def __init__(self, port, mount="cam0"):
        self.url, self.number = f"rtsp://127.0.0.1:{port}/{mount}", 0
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.socket.close()

    def ask(self, method, headers=""):
        self.number += 1
        self.socket.sendall(f"{method} {self.url} RTSP/1.0\r\nCSeq: {self.number}\r\n{headers}\r\n".encode())
        while self.file.peek(1)[:1] == b"$":
            self.packet()
        lines = []
        while (line := self.file.readline().decode().strip()) or not lines:
            lines.append(line)
        told = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), told, self.file.read(int(told.get("Content-Length", 0))).decode()

    def play(self):
        self.ask("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")
        assert self.ask("PLAY")[0] == 200
        return self

    def packet(self):
        mark, channel, length = struct.unpack(">cBH", self.file.read(4))
        assert mark == b"$"
        return channel, self.file.read(length)

    def rtp(self, count):
        found = []
        while len(found) < count:
            channel, packet = self.packet()
            if channel == 0:
                found.append(packet)
        return found


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_libav_sees_the_clips_own_pixels_round_after_round(clip, shown, transport):
    with FaultCam([clip]) as cam:
        frames = seen(cam.url(), len(shown) + 20, transport)
    assert_looped(pixels(frames), shown)
    stamps = [frame.time for frame in frames[1:]]
    np.testing.assert_allclose(np.diff(stamps), 1 / FPS, atol=1e-4)


def test_h265_is_played_too(folder):
    path = clips.blocks(folder / "h265.mp4", 0.3, FPS, codec="hevc")
    with FaultCam([path]) as cam:
        assert_looped(pixels(seen(cam.url(), 40)), decoded(path))


@pytest.mark.skipif(not shutil.which("gst-launch-1.0"), reason="gst-launch-1.0 is not installed")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_gstreamer_sees_the_clips_own_pixels(clip, transport, tmp_path):
    with FaultCam([clip], user="mine", password="a b:c@/%", digest=True) as cam:
        line = (f"rtspsrc location={cam.url()} user-id=mine protocols={transport} latency=0 ! rtph264depay ! h264parse"
                f" ! avdec_h264 ! identity eos-after=20 ! filesink location={tmp_path / 'raw'}").split()
        subprocess.run(["gst-launch-1.0", "-q", line[0], "user-pw=a b:c@/%", *line[1:]], check=True, timeout=20,
                       capture_output=True)
    with av.open(str(clip)) as container:
        wanted = [frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)]
    got = (tmp_path / "raw").read_bytes()
    size = len(wanted[0])
    assert len(got) >= 19 * size  # the twenty-first ends it; the twentieth may be on its way
    for number in range(len(got) // size):
        assert got[number * size:(number + 1) * size] == wanted[number % len(wanted)]


@pytest.mark.parametrize("digest", [False, True])
def test_only_the_right_password_opens(clip, digest):
    with FaultCam([clip], user="mine", password="a b:c@/%", digest=digest) as cam:
        assert len(seen(cam.url(login=True), 3)) == 3
        for url in (cam.url(), cam.url().replace("//", "//mine:wrong@"), cam.url().replace("//", "//other:x@")):
            with pytest.raises(av.HTTPUnauthorizedError):
                seen(url, 1)
        assert cam.requests["PLAY", "cam0"] == 1


def test_many_clients_see_the_same_moment(clip, shown):
    with (FaultCam([clip], mounts=3) as cam, Raw(cam.port) as first, Raw(cam.port) as second,
          Raw(cam.port, "cam2") as far):
        first.play().rtp(30)
        second.play()
        now = [struct.unpack(">I", raw.rtp(10)[-1][4:8])[0] for raw in (first, second)]
        assert abs(now[1] - now[0]) < rtp.CLOCK  # the second came later and is not at the beginning
        assert far.play().rtp(1)
        assert cam.viewers == 3 and len(cam.arrivals) == 3


def test_it_listens_on_loopback_only(clip):
    with FaultCam([clip]) as cam, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", cam.port), 2)


def test_a_still_camera_shows_one_picture_and_its_time_goes_on(clip, shown):
    with FaultCam([clip]) as cam:
        cam.fault(still=True)
        frames = seen(cam.url(), 20)
    assert all(np.array_equal(frame, shown[0]) for frame in pixels(frames))
    assert frames[-1].time - frames[1].time == pytest.approx(18 / FPS, abs=1e-3)


def test_garbage_passes_for_a_while_and_then_the_pictures_are_right_again(clip, shown):
    with FaultCam([clip]) as cam, Raw(cam.port) as raw:
        well = raw.play().rtp(20)
        cam.fault(garbage=True)
        spoilt = raw.rtp(60)[-10:]
        cam.well()
        raw.rtp(60)
        units = {nal for unit in clips.read_clip(clip).units for nal in unit.nals}
        again = raw.rtp(40)
    whole = [packet[12:] for packet in again if packet[12] & 31 < 24]
    assert all(payload in units for payload in whole) and len(whole) > 20
    assert all(packet[12:] not in units for packet in spoilt if packet[12] & 31 in nals.FAMILIES["h264"].slices)
    assert all(packet[12] & 31 < 29 for packet in well + spoilt)  # garbage keeps the units' types


@pytest.mark.parametrize("jump", [3600, -3600])
def test_time_stamps_jump(clip, jump):
    with FaultCam([clip]) as cam, Raw(cam.port) as raw:
        before = raw.play().rtp(5)[-1]
        cam.fault(jump=jump)
        after = raw.rtp(10)[-1]
    step = (struct.unpack(">I", after[4:8])[0] - struct.unpack(">I", before[4:8])[0] + 2**31) % 2**32 - 2**31
    assert step / rtp.CLOCK == pytest.approx(jump, abs=1)


def test_time_stamps_stand_still_and_wrap(clip, shown):
    with FaultCam([clip], mounts=2) as cam:
        cam.fault(0, zero=True)
        assert {frame.time for frame in seen(cam.url(0), 10)[1:]} == {0.0}
        cam.fault(1, ticks=2**32 - rtp.CLOCK // 5)  # wraps after a fifth of a second
        frames = seen(cam.url(1), len(shown) + 1)
        assert_looped(pixels(frames), shown)
        assert frames[-1].time == pytest.approx(len(shown) / FPS, abs=1e-3)


def test_another_clip_of_another_size_follows_in_the_same_connection(clip, folder):
    large = clips.blocks(folder / "large.mp4", 0.5, FPS, 480, 288)
    with FaultCam([clip, large], mounts=1) as cam:
        frames = seen(cam.url(), 60, do=(10, lambda: cam.fault(clip=1)))
    assert (frames[0].width, frames[-1].width) == (320, 480)
    assert any(np.array_equal(pixels([frames[-1]])[0], one) for one in decoded(large))


def test_a_stalled_camera_answers_and_sends_nothing(clip):
    with FaultCam([clip]) as cam, Raw(cam.port) as raw:
        raw.play().rtp(5)
        cam.fault(stall=True)
        time.sleep(0.1)
        assert raw.ask("GET_PARAMETER")[0] == 200
        raw.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            raw.rtp(1)
        with pytest.raises(av.ExitError):
            seen(cam.url(), 1, timeout=(0.3, 0.2))


def test_a_frozen_server_takes_connections_and_answers_none_until_it_thaws(clip):
    with FaultCam([clip]) as cam, Raw(cam.port) as raw:
        assert raw.ask("OPTIONS")[0] == 200
        cam.freeze()
        with Raw(cam.port) as late:
            late.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                late.ask("OPTIONS")
            cam.thaw()
        assert raw.ask("DESCRIBE")[0] == 200


def test_connections_are_cut_and_refused_and_taken_again_at_the_same_port(clip):
    with FaultCam([clip], mounts=2) as cam:
        port = cam.port
        assert len(seen(cam.url(), 500, do=(5, cam.cut))) < 50  # an end without a word: no error
        cam.refuse()
        with pytest.raises(ConnectionRefusedError):
            seen(cam.url(), 1)
        cam.refuse(False)
        assert cam.port == port and seen(cam.url(), 1)
        with Raw(port, "cam0") as one, Raw(port, "cam1") as other:
            one.play(), other.play()
            cam.cut(0)
            assert other.rtp(20)
            one.file.read()  # to its end, which comes


def test_what_a_camera_may_answer(clip):
    with FaultCam([clip]) as cam:
        for faults, error in (({"missing": True}, av.HTTPNotFoundError), ({"locked": True}, av.HTTPUnauthorizedError)):
            cam.well()
            cam.fault(**faults)
            with pytest.raises(error):
                seen(cam.url(), 1)
        with pytest.raises(av.HTTPNotFoundError):
            seen(cam.url(7), 1)
        cam.well()
        cam.fault(redirect="rtsp://127.0.0.2/elsewhere")
        with Raw(cam.port) as raw:
            assert raw.ask("DESCRIBE")[:2] == (302, {"CSeq": "1", "Location": "rtsp://127.0.0.2/elsewhere"})
            cam.fault(redirect="", silent=True)
            raw.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                raw.ask("OPTIONS")


def test_a_description_can_promise_thousands_of_streams_and_a_giant_picture(clip):
    with FaultCam([clip]) as cam, Raw(cam.port) as raw:
        cam.fault(streams=10_000)
        assert raw.ask("DESCRIBE")[2].count("m=video") == 10_000
        cam.well()
        cam.fault(giant=2048)
        frame = seen(cam.url(), 1)[0]
        assert (frame.width, frame.height) == (2048, 2048)


@pytest.mark.parametrize("side", [16, 2048, 16_000])
def test_the_giant_sps_says_its_size(side):
    data = nals.giant_sps(side).replace(b"\x00\x00\x03", b"\x00\x00")
    bits = iter("".join(f"{byte:08b}" for byte in data[4:]))

    def number():
        zeros = next(count for count in range(40) if next(bits) == "1")
        return int("1" + "".join(next(bits) for _ in range(zeros)), 2) - 1

    assert data[0] & 31 == 7 and [number() for _ in range(4)] == [0, 0, 2, 1] and next(bits) == "0"
    assert (number() + 1, number() + 1) == (side // 16, side // 16)


def test_reports_tell_the_cameras_own_clock(clip):
    with FaultCam([clip]) as cam:
        cam.fault(clock=86_400)
        with Raw(cam.port) as raw:
            raw.play()
            packet = next(packet for channel, packet in iter(raw.packet, None) if channel == 1)
    kind, ntp = packet[1], struct.unpack(">I", packet[8:12])[0]
    assert kind == 200
    assert ntp - 2_208_988_800 - time.time() == pytest.approx(86_400, abs=3)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["h264", "hevc"]), st.integers(2, 3 * rtp.MOST + 5), st.integers(0, 255))
def test_units_cut_into_packets_can_be_put_together_again(codec, length, first):
    family = nals.FAMILIES[codec]
    nal = bytes([first & 0x7F, 1][:family.header]) + bytes(
        number % 251 for number in range(length))
    parts = rtp.fragments(nal, family)
    assert all(len(part) <= rtp.MOST for part in parts)
    if len(parts) == 1:
        return
    heads = [part[family.header] for part in parts]
    assert [head >> 6 for head in heads] == [2, *[0] * (len(parts) - 2), 1]
    body = b"".join(part[family.header + 1:] for part in parts)
    if codec == "h264":
        rebuilt = bytes([parts[0][0] & 0xE0 | heads[0] & 0x1F])
    else:
        rebuilt = bytes([parts[0][0] & 0x81 | (heads[0] & 0x3F) << 1, parts[0][1]])
    assert rebuilt + body == nal


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 1000))
def test_a_timeline_begins_at_the_latest_key_frame_and_never_ends(moment):
    units = tuple(clips.Unit((b"x",), number / 10, number % 4 == 0) for number in range(10))
    line = Timeline(clips.Clip("h264", 16, 16, units, 1.0), 5.0)
    number = line.at(5.0 + moment)
    assert line.unit(number).key
    assert -1e-5 <= 5.0 + moment - line.due(number) <= 0.4 + 1e-5
    assert line.due(number + 1) - line.due(number) == pytest.approx(0.1)


def test_lines_typed_steer_the_camera_and_others_are_told_what_there_is(clip):
    with FaultCam([clip], mounts=2) as cam:
        for line in ("cam1 stall on", "all jump -3.5", "cam1 clip 0", "cut", "cut cam0", "refuse on", "refuse off",
                     "freeze", "thaw"):
            obey(cam, line.split())
        assert cam.mounts["cam1"].faults.stall and not cam.mounts["cam0"].faults.stall
        assert cam.mounts["cam0"].faults.jump == -3.5
        obey(cam, ["cam1", "well"])
        assert not cam.mounts["cam1"].faults.stall
        for line, told in (("cam9 stall on", "cam0, cam1"), ("cam0 stal on", "stall"), ("cam0 stall 3", "stall off"),
                           ("cam0 jump far", "number"), ("dance", "cam0 stall on")):
            with pytest.raises(MineHatError, match=told):
                obey(cam, line.split())


def test_the_program_plays_until_it_is_told_to_quit(clip):
    line = [sys.executable, "-m", "minebench.lab.faultcam", str(clip), "--mounts", "2", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as cam:
        urls = [cam.stdout.readline().strip() for _ in range(2)]
        assert seen(urls[1], 1)
        port = urls[0].split(":")[2].split("/")[0]
        taken = subprocess.run([*line[:-1], port], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        assert taken.returncode == 2 and port in taken.stderr and "Traceback" not in taken.stderr
        _, told = cam.communicate("cam0 dance on\nquit\n", timeout=10)
        assert cam.returncode == 0 and "dance is not a fault" in told


@pytest.fixture
def echo():
    """A server that says back what it hears."""
    import socketserver
    import threading

    class Back(socketserver.BaseRequestHandler):
        def handle(self):
            while data := self.request.recv(65536):
                self.request.sendall(data)

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a reset connection is what a test wants

    with Threads(("127.0.0.1", 0), Back) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def spoken(client, data):
    client.sendall(data)
    heard = b""
    while len(heard) < len(data) and (more := client.recv(65536)):
        heard += more
    return heard


def test_a_relay_passes_bytes_as_they_are_until_told_otherwise(echo):
    data = np.random.default_rng(0).bytes(200_000)
    with FaultProxy(echo, seed=1) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
        assert spoken(client, data) == data
        proxy.change(corrupt=0.01)
        heard = spoken(client, data)
        flipped = [a ^ b for a, b in zip(heard, data, strict=True) if a != b]
        assert 1500 < len(flipped) < 2500 and all(one.bit_count() == 1 for one in flipped)
        proxy.change(corrupt=0.0, delay=0.2)
        begun = time.monotonic()
        assert spoken(client, b"later") == b"later"
        assert time.monotonic() - begun >= 0.4  # there and back
        proxy.change(delay=0.0, rate=50_000.0)
        begun = time.monotonic()
        assert spoken(client, data[:20_000]) == data[:20_000]
        assert time.monotonic() - begun >= 0.3
        proxy.change(rate=0.0, frozen=True)
        client.sendall(b"held")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
        proxy.change(frozen=False)
        client.settimeout(5)
        assert client.recv(10) == b"held"


def test_a_relay_ends_connections_in_two_ways(echo):
    with FaultProxy(echo) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
            assert spoken(client, b"x") == b"x"
            proxy.reset()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
            assert spoken(client, b"x") == b"x"
            proxy.cut()
            assert client.recv(1) == b""
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), 5)


def numbers(packets):
    return [struct.unpack(">H", packet[2:4])[0] for packet in packets]


def lost_places(clip, seed):
    with FaultCam([clip]) as cam, RtpFault(cam.port, seed=seed, drop=0.2) as relay, Raw(relay.port) as raw:
        assert raw.ask("DESCRIBE")[2].startswith("v=0")  # answers pass whole
        packets = raw.play().rtp(60)
        steps = np.diff(numbers(packets)) % 65536
        assert relay.dropped >= steps.sum() - len(steps) > 0
        return list(steps)


def test_packets_are_lost_by_the_seed_and_the_framing_stays_whole(clip):
    first, again, other = lost_places(clip, 1), lost_places(clip, 1), lost_places(clip, 2)
    assert first == again != other


def test_packets_are_spoilt_by_one_bit_of_their_payload(clip):
    units = {nal for unit in clips.read_clip(clip).units for nal in unit.nals}
    with FaultCam([clip]) as cam, RtpFault(cam.port, seed=1, corrupt=1.0) as relay, Raw(relay.port) as raw:
        packets = raw.play().rtp(40)
    assert len(set(np.diff(numbers(packets)) % 65536)) == 1  # headers are whole
    small = [packet[12:] for packet in packets if len(packet) < rtp.MOST]
    assert not any(payload in units for payload in small)
    near = [min((int.from_bytes(payload, "big") ^ int.from_bytes(nal, "big")).bit_count()
                for nal in units if len(nal) == len(payload)) for payload in small if len(payload) < 20]
    assert set(near) <= {1}


def test_a_scene_clip_is_rendered_once(tmp_path):
    path = clips.scene_clip(3, 0.4, 5, 160, 96, folder=tmp_path)
    made = path.stat().st_mtime_ns
    assert clips.scene_clip(3, 0.4, 5, 160, 96, folder=tmp_path) == path and path.stat().st_mtime_ns == made
    assert len(decoded(path)) == 2
    assert Path(path).parent == tmp_path and not list(tmp_path.glob("*.part"))
