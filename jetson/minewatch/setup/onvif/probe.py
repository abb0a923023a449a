"""WS-Discovery: one question by multicast to who is on this network, and the cameras that answer."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from .xml import MOST_BYTES, Element, all_of, read, text_of

GROUP, PORT = "239.255.255.250", 3702
SECONDS = 3.0  # that answers are waited for
LATE = 1.0  # more, for answers that have come and were not read yet
AGAIN = 0.5  # seconds until the question is repeated: one datagram may be lost
MOST_DEVICES, LONGEST = 256, 80  # that are told; characters of a name
SCOPE = "onvif://www.onvif.org/"
_SIOCGIFADDR = 0x8915

QUESTION = """<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:n="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>{id}</w:MessageID>
<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>
<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>
<e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


@dataclass(frozen=True)
class Device:
    """A camera that answered."""

    address: str  # that its answer came from
    service: str  # http:// URL there, for questions about its streams; "" where it named none
    name: str = ""
    hardware: str = ""

    @property
    def told(self) -> str:
        """For people."""
        return "  ".join(filter(None, (self.address, self.name, self.hardware)))


def cameras_here(addresses: Sequence[str] = (), seconds: float = SECONDS, group: str = GROUP,
                 port: int = PORT) -> list[Device]:
    """Ask once, from each of these own addresses (default: of every interface but loopback), and wait for answers."""
    question = f"urn:uuid:{uuid.uuid4()}"
    content = QUESTION.format(id=question).encode()
    found: dict[str, Device] = {}
    with ExitStack() as stack:
        mouths = [stack.enter_context(mouth) for one in addresses or own_addresses() if (mouth := _mouth(one))]
        end = time.monotonic() + seconds
        repeats = [time.monotonic() + AGAIN, time.monotonic()]
        answered: list[socket.socket] = mouths
        while mouths and ((now := time.monotonic()) < end or (answered and now < end + LATE)):
            if repeats and now >= repeats[-1]:
                repeats.pop()
                _shout(mouths, content, (group, port))
            answered = select.select(mouths, [], [], max(0.0, min([end, *repeats]) - time.monotonic()))[0]
            for device in (one for ear in answered for one in _heard(ear, question)):
                if len(found) < MOST_DEVICES:
                    found.setdefault(device.address, device)
    return [found[address] for address in sorted(found, key=socket.inet_aton)]


def own_addresses() -> list[str]:
    """IPv4 addresses of this machine's interfaces, the first one of each, loopback left out."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # an interface without one
                told = fcntl.ioctl(asked.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(told[20:24]))
    return [address for address in found if not address.startswith("127.")]


def devices_in(content: bytes, sender: str, question: str) -> list[Device]:
    """The cameras that an answer tells of; none where it is no answer to this question."""
    root = read(content)
    if root is None or text_of(root, "RelatesTo") != question:
        return []
    return [_device(match, sender) for match in all_of(root, "ProbeMatch")]


def _device(match: Element, sender: str) -> Device:
    services = [one for one in text_of(match, "XAddrs").split() if one.lower().startswith("http://")]
    scopes = text_of(match, "Scopes").split()
    return Device(sender, _there(services[0], sender) if services else "", _scope(scopes, "name"),
                  _scope(scopes, "hardware"))


def _there(url: str, sender: str) -> str:
    """The URL at the address that answered: whoever answers sends nobody elsewhere with a password."""
    try:
        found = urlsplit(url)
        port = f":{found.port}" if found.port else ""
    except ValueError:
        return ""
    return f"http://{sender}{port}{found.path or '/'}"


def _scope(scopes: Sequence[str], kind: str) -> str:
    """What a camera says of itself, without what a terminal should not see."""
    start = f"{SCOPE}{kind}/"
    told = next((unquote(scope[len(start):]) for scope in scopes if scope.startswith(start)), "")
    return "".join(letter for letter in told if letter.isprintable())[:LONGEST].strip()


def _mouth(address: str) -> socket.socket | None:
    """A socket that speaks from this address, to this network and no further, and hears answers to it alone."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.bind((address, 0))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    except OSError:  # it is gone by now
        made.close()
        return None
    return made


def _shout(mouths: Sequence[socket.socket], content: bytes, to: tuple[str, int]) -> None:
    for mouth in mouths:
        with suppress(OSError):  # an interface without multicast
            mouth.sendto(content, to)


def _heard(ear: socket.socket, question: str) -> list[Device]:
    try:
        content, (sender, _) = ear.recvfrom(MOST_BYTES)
    except OSError:
        return []
    return devices_in(content, sender, question)
