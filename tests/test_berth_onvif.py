"""Cameras found by WS-Discovery and asked for their streams: a stand-in that checks digests, and hostile ones."""

import base64
import hashlib
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from minehat.errors import MineHatError
from minewatch.setup import cameras
from minewatch.setup.onvif import probe
from minewatch.setup.onvif.probe import Device, cameras_here, devices_in, own_addresses
from minewatch.setup.onvif.streams import Stream, streams_of
from minewatch.setup.onvif.xml import MOST_BYTES, read

MATCH = """<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
<s:Header><a:RelatesTo>{id}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>
<d:Scopes>onvif://www.onvif.org/name/North%20gate%1b[31m onvif://www.onvif.org/hardware/DS-2CD</d:Scopes>
<d:XAddrs>https://127.0.0.1/s {service}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"""
ENVELOPE = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope' xmlns:t='t'><e:Body>{}</e:Body></e:Envelope>"
TIME = ("<t:UTCDateTime><t:Time><t:Hour>3</t:Hour><t:Minute>4</t:Minute><t:Second>5</t:Second></t:Time>"
        "<t:Date><t:Year>2031</t:Year><t:Month>1</t:Month><t:Day>2</t:Day></t:Date></t:UTCDateTime>")
CAPABILITIES = "<t:Media><t:XAddr>http://10.9.9.9/onvif/media</t:XAddr></t:Media>"
PROFILES = ("<t:Profiles token='p{{0}}&amp;1'><t:Name>main</t:Name><t:VideoEncoderConfiguration><t:Encoding>H264"
            "</t:Encoding><t:Resolution><t:Width>1920</t:Width><t:Height>1080</t:Height></t:Resolution>"
            "</t:VideoEncoderConfiguration></t:Profiles><t:Profiles token='sub'><t:Name>sub</t:Name></t:Profiles>")
ANSWERS = {"GetSystemDateAndTime": TIME, "GetCapabilities": CAPABILITIES, "GetProfiles": PROFILES.format(),
           "GetStreamUri": "<t:Uri>rtsp://evil.example:8554/live?x=1&amp;y=2</t:Uri>"}


class Camera(BaseHTTPRequestHandler):
    """Answers questions to whom it knows, by its own clock, which is years ahead."""

    asked: ClassVar[list[str]] = []
    answers = ANSWERS
    password = "camera-word"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        name = re.search(r"<e:Body><(\w+)", body)[1]
        self.asked.append(f"{self.path} {name} {''.join(re.findall('ProfileToken>(.*?)<', body))}".strip())
        known = name == "GetSystemDateAndTime" or self.knows(body)
        content = ENVELOPE.format(self.answers[name]).encode() if known else b"<Fault>NotAuthorized</Fault>"
        self.send_response(200 if known else 400)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def knows(self, body):
        found = re.search("Username>watch<.*?'>(.*?)</s:Password>.*?Nonce>(.*?)</s:Nonce>.*?>([^<]*)</u:Created>", body)
        if found is None or not found[3].startswith("2031-01-02T03:04:05"):
            return False
        nonce = base64.b64decode(found[2])
        digest = hashlib.sha1(nonce + found[3].encode() + self.password.encode()).digest()
        return found[1] == base64.b64encode(digest).decode()

    def log_message(self, *words):
        pass


@contextmanager
def camera(**changes):
    """The camera's HTTP server; yields its class and its port."""
    kind = type("OneCamera", (Camera,), {"asked": [], **changes})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield kind, server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(*answers):
    """Somebody who answers each question by all of these, {id} being the question's; yields port and questions."""
    heard = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(30)

        def answer():
            while (question := ear.recvfrom(65536))[0] != b"end":
                heard.append(question[0])
                name = re.search(rb"MessageID>(.*?)<", question[0])[1].decode()
                for one in answers:
                    ear.sendto(one.replace("{id}", name).encode(), question[1])

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield ear.getsockname()[1], heard
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
                mouth.sendto(b"end", ear.getsockname())
            thread.join()


def test_a_camera_that_answers_is_found_and_tells_its_streams():
    """Whatever hosts it names, what is asked and opened is where the answer came from; its name is plain text."""
    with camera() as (kind, port):
        with answering(MATCH.replace("{service}", f"http://10.9.9.9:{port}/onvif/device")) as (ear, heard):
            found, = cameras_here(["127.0.0.1"], 2.0, "127.0.0.1", ear)
        assert found == Device("127.0.0.1", f"http://127.0.0.1:{port}/onvif/device", "North gate[31m", "DS-2CD")
        assert b"NetworkVideoTransmitter" in heard[0] and set(heard) == {heard[0]}
        main, sub = streams_of(found, "watch", "camera-word")
    assert main == Stream("rtsp://127.0.0.1:8554/live?x=1&y=2", "main", "1920x1080", "H264")
    assert sub == Stream("rtsp://127.0.0.1:8554/live?x=1&y=2", "sub")
    assert kind.asked == ["/onvif/device GetSystemDateAndTime", "/onvif/device GetCapabilities",
                          "/onvif/media GetProfiles", "/onvif/media GetStreamUri p{0}&amp;1",
                          "/onvif/media GetStreamUri sub"]


def test_nobody_answers_is_no_fault():
    with answering() as (ear, heard):
        assert cameras_here(["127.0.0.1"], 0.2, "127.0.0.1", ear) == []
    assert heard
    assert cameras_here(["192.0.2.77"], 0.2, "127.0.0.1", 9) == []  # an address that is not ours
    assert not any(address.startswith("127.") for address in own_addresses())


BOMB = ('<!DOCTYPE a [<!ENTITY b "bbbbbbbb">' + "".join(
    f'<!ENTITY {chr(99 + row)} "{f"&{chr(98 + row)};" * 10}">' for row in range(9)) + "]><a>&k;</a>").encode()


@pytest.mark.parametrize("content", [
    b"", b"\xff\xfe<", b"<a>", b"not xml", BOMB, BOMB.decode().encode("utf-16"), BOMB.replace(b"DOCTYPE", b"doctype"),
    b"<a>" + b" " * MOST_BYTES + b"</a>", b"<?xml version='1.0' encoding='nonsense'?><a/>"])
def test_what_is_no_plain_xml_is_nothing(content):
    assert read(content) is None and devices_in(content, "192.0.2.1", "q") == []


def test_answers_to_other_questions_and_odd_addresses_count_for_nothing():
    assert devices_in(MATCH.replace("{id}", "urn:other").encode(), "192.0.2.1", "urn:mine") == []
    for service in ("", "ftp://a/b", "http://[::1", "http://a:99999/x"):
        told = MATCH.replace("{id}", "q").replace("{service}", service).encode()
        assert devices_in(told, "192.0.2.1", "q") == [Device("192.0.2.1", "", "North gate[31m", "DS-2CD")]


@pytest.mark.parametrize("changes, told", [
    ({"password": "another"}, "Check user and password"), ({"answers": {**ANSWERS, "GetProfiles": ""}}, "no stream"),
    ({"answers": {**ANSWERS, "GetStreamUri": "<t:Uri>file:///etc/passwd</t:Uri>"}}, "no rtsp:// stream"),
    ({"answers": {**ANSWERS, "GetCapabilities": "<e:Fault/>"}}, "not answer as ONVIF")])
def test_a_camera_that_does_not_tell_its_streams_is_one_line(changes, told):
    with camera(**changes) as (_, port), pytest.raises(MineHatError, match=told) as caught:
        streams_of(Device("127.0.0.1", f"http://127.0.0.1:{port}/s"), "watch", "camera-word")
    assert "camera-word" not in str(caught.value)


def test_a_camera_that_is_gone_or_named_no_address_is_one_line():
    with camera() as (_, port):
        pass
    for service in ("", f"http://127.0.0.1:{port}/s"):
        with pytest.raises(MineHatError, match="Type its stream's URL"):
            streams_of(Device("127.0.0.1", service), "", "")


class Answering:
    """A terminal whose answers are known."""

    def __init__(self, *answers):
        self.left, self.said = list(answers), []

    def say(self, text=""):
        self.said.append(text)

    def ask(self, question, default="", check=lambda text: "", shown=""):
        answer = self.left.pop(0)
        assert not (fault := check(answer or default)), fault
        return answer or default

    secret = ask

    def choose(self, question, options, default):
        return self.left.pop(0)


def test_a_found_camera_is_chosen_by_number_and_opened(tmp_path, monkeypatch):
    """By a technician who types ? first; one who chooses nothing goes on with the question."""
    device, opened = Device("127.0.0.1", "http://127.0.0.1:80/s", "Gate"), []
    monkeypatch.setattr(cameras, "cameras_here", lambda: [device])
    monkeypatch.setattr(cameras, "streams_of", lambda *who: [Stream("http://x", "none of ours"), Stream("rtsp://b/1")])
    terminal = Answering("?", "", "?", "1", "watch", "camera-word", "", "North", "")
    found = cameras.Cameras(terminal, tmp_path, lambda part: str(opened.append(part.url))).asked()
    assert found == [{"name": "North", "url": "rtsp://b/1", "user": "watch", "password": "camera-word"}]
    assert opened == ["rtsp://b/1"] and any("Gate" in line for line in terminal.said)


def test_only_who_asks_to_find_sends_anything(tmp_path):
    """Every datagram of the process is written down."""
    code = f"""
import sys, socket
sent = []
sys.addaudithook(lambda event, args: sent.append(args[1]) if event == "socket.sendto" else None)
from minewatch.setup.onvif import probe
probe.own_addresses = lambda: ["127.0.0.1"]
from minewatch.setup import command
command.cameras_here = lambda: probe.cameras_here(seconds=0.1)
from minewatch.cli import main
code = main(["setup", {str(tmp_path / "a.yaml")!r}, *sys.argv[1:]])
print(code, sent)
"""
    without, finding = (subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True,
                                       stdin=subprocess.DEVNULL) for words in ((), ("--find",)))
    assert without.stdout.split(maxsplit=1) == ["2", "[]\n"]
    assert finding.stdout.startswith("0 [") and f"'{probe.GROUP}', {probe.PORT}" in finding.stdout
