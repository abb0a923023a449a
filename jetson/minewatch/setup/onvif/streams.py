"""What streams a camera has: asked of it over HTTP, with a user's password as a digest."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from minehat.errors import MineHatError

from ...cameras.address import address_of
from .probe import Device
from .xml import MOST_BYTES, Element, all_of, child, escaped, read, text_of

PATIENCE = 5.0  # seconds for each answer
MOST_STREAMS = 16
DEVICE, MEDIA = "http://www.onvif.org/ver10/device/wsdl", "http://www.onvif.org/ver10/media/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"


@dataclass(frozen=True)
class Stream:
    """One of a camera's."""

    url: str  # rtsp://, without user and password, at the address that answered
    name: str = ""
    size: str = ""  # 1920x1080
    codec: str = ""

    @property
    def told(self) -> str:
        """For people."""
        return "  ".join(filter(None, (self.url, self.size, self.codec, self.name)))


def streams_of(device: Device, user: str, password: str) -> list[Stream]:
    """The camera's streams, as it lists them. Raises MineHatError where it does not tell."""
    if not device.service:
        raise MineHatError(f"{device.address} named no http:// address for questions. Type its stream's URL.")
    who = (user, password, _its_time(device)) if user else None
    found = _asked(device, device.service, f"<GetCapabilities xmlns='{DEVICE}'><Category>Media</Category>"
                   "</GetCapabilities>", who)
    media = _path(text_of(found, "Media", "XAddr")) or urlsplit(device.service).path
    service = device.service.partition("://")[2].partition("/")[0]
    media = f"http://{service}{media}"
    profiles = list(all_of(_asked(device, media, f"<GetProfiles xmlns='{MEDIA}'/>", who), "Profiles"))
    streams = [_stream(device, media, profile, who) for profile in profiles[:MOST_STREAMS]]
    if not streams:
        raise MineHatError(f"{device.address} lists no stream. Type its stream's URL.")
    return streams


def _stream(device: Device, media: str, profile: Element, who: tuple[str, str, str] | None) -> Stream:
    token = escaped(profile.get("token", ""))
    told = _asked(device, media, f"<GetStreamUri xmlns='{MEDIA}'><StreamSetup>"
                  f"<Stream xmlns='{SCHEMA}'>RTP-Unicast</Stream><Transport xmlns='{SCHEMA}'><Protocol>RTSP</Protocol>"
                  f"</Transport></StreamSetup><ProfileToken>{token}</ProfileToken></GetStreamUri>", who)
    uri = text_of(told, "Uri")
    try:
        found = address_of(uri)
    except MineHatError:
        raise MineHatError(f"{device.address} names no rtsp:// stream. Type its stream's URL.") from None
    coder = child(profile, "VideoEncoderConfiguration")
    width, height = (text_of(coder, "Resolution", side) if coder is not None else "" for side in ("Width", "Height"))
    port = f":{found.port}" if found.port != 554 else ""
    return Stream(f"{found.scheme}://{device.address}{port}{found.path}", _plain(text_of(profile, "Name")),
                  f"{width}x{height}" if width.isdecimal() and height.isdecimal() else "",
                  _plain(text_of(coder, "Encoding")) if coder is not None else "")


def _its_time(device: Device) -> str:
    """By the camera's own clock: digests that seem old are refused. Ours, where it does not tell."""
    now = datetime.now(timezone.utc)
    try:
        told = child(_asked(device, device.service, f"<GetSystemDateAndTime xmlns='{DEVICE}'/>", None), "UTCDateTime")
        if told is not None:
            numbers = [int(text_of(told, *names)) for names in (("Date", "Year"), ("Date", "Month"), ("Date", "Day"),
                                                                 ("Time", "Hour"), ("Time", "Minute"),
                                                                 ("Time", "Second"))]
            year, month, day, hour, minute, second = numbers
            now = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except (MineHatError, ValueError):
        pass
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _asked(device: Device, url: str, question: str, who: tuple[str, str, str] | None) -> Element:
    """The answer's root. Raises MineHatError for none, and for a refusal."""
    body = (f"<?xml version='1.0' encoding='UTF-8'?><e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'>"
            f"<e:Header>{_token(*who) if who else ''}</e:Header><e:Body>{question}</e:Body></e:Envelope>")
    status, content = _posted(device, url, body)
    root = read(content)
    if status in (401, 403) or (root is not None and any("NotAuthorized" in (each.text or "") for each in root.iter())):
        raise MineHatError(f"{device.address} does not tell its streams to this user. Check user and password, or type "
                           "its stream's URL.")
    if root is None or status != 200 or child(root, "Fault") is not None:
        raise MineHatError(f"{device.address} does not answer as ONVIF cameras do (HTTP {status}). Type its stream's "
                           "URL.")
    return root


def _posted(device: Device, url: str, body: str) -> tuple[int, bytes]:
    """HTTP status and body. No redirection is followed."""
    found = urlsplit(url)
    line = http.client.HTTPConnection(device.address, found.port or 80, timeout=PATIENCE)
    try:
        line.request("POST", found.path or "/", body.encode(), {"Content-Type": "application/soap+xml; charset=utf-8"})
        answer = line.getresponse()
        return answer.status, answer.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as exc:
        raise MineHatError(f"{device.address} does not answer questions: {exc or type(exc).__name__}. Type its "
                           "stream's URL.") from None
    finally:
        line.close()


def _token(user: str, password: str, created: str) -> str:
    """WS-Security: who asks, and a digest that is good once."""
    nonce = os.urandom(16)
    digest = hashlib.sha1(nonce + created.encode() + password.encode()).digest()
    nonce64, digest64 = (base64.b64encode(raw).decode() for raw in (nonce, digest))
    return (f"<s:Security xmlns:s='{SECURITY}'><s:UsernameToken><s:Username>{escaped(user)}</s:Username>"
            f"<s:Password Type='{DIGEST}'>{digest64}</s:Password><s:Nonce>{nonce64}</s:Nonce>"
            f"<u:Created xmlns:u='{UTILITY}'>{created}</u:Created></s:UsernameToken></s:Security>")


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:80]
