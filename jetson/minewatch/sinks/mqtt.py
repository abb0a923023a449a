"""An MQTT broker: events with QoS 1, confirmed by the broker's PUBACK; how the watch stands, retained.

MQTT 5, because a broker that forbids a topic says so there; 3.1.1 for brokers that know nothing newer.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as paho
from minehat.errors import MineHatError
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ..clock import Clock
from ..config.schema import MqttPart
from ..config.secrets import revealed
from ..events.event import Kept
from ..status import Status
from .bell import Bell
from .home_assistant import discovery
from .line import Deadline, dial, told, trusted
from .onvif import onvif_messages
from .retained import Retained
from .sink import Refused, Undelivered
from .topics import Message, event_message, states

CONNECT_SECONDS = 5.0  # name, connection, TLS and the broker's greeting
ANSWER_SECONDS = 10.0  # without any confirmation while some are due
KEEPALIVE = 20  # seconds; a broker that says nothing for one and a half times as long is gone
REFRESH = 60.0  # seconds after which what the broker keeps is told again
WINDOW = 20  # messages that wait for their confirmation; fewer where the broker wants
MEND = {"Bad user name or password", "Not authorized", "Banned", "Client identifier not valid",
        "Bad authentication method"}
OURS = {"Topic name invalid", "Payload format invalid", "Packet too large"}  # about this event alone
LOST = "Unspecified error"  # paho's word for a connection that broke
OLD = "Unsupported protocol version"
log = logging.getLogger(__name__)


class Mqtt:
    """One broker. Each connection is a client of its own: what waits is in the store, never in the client."""

    def __init__(self, part: MqttPart, site: str, box: str, clock: Clock, retained: Retained) -> None:
        self._part, self._box, self._clock, self._retained = part, box, clock, retained
        self._id = part.client_id or f"minewatch-{re.sub('[^a-zA-Z0-9]+', '-', site).strip('-')[:20]}-{box}"
        self._online = f"{part.topic}/online"
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._window = WINDOW
        self._client: Any = None
        self._greeted = False
        self._lost = ""
        self._acked: dict[int, str] = {}  # message number -> why it was refused, or ""
        self._wanted: dict[str, str] = {}  # what the broker should keep
        self._kept: dict[str, str | None] = dict.fromkeys(retained.topics)  # what it was told to keep; None: once
        self._refreshed = 0.0
        self._complained = False

    def ready(self, bell: Bell) -> None:
        """Connected, and the states told."""
        if self._client is None:
            self._connect(bell)
        self._tell_states()

    def deliver(self, events: Sequence[Kept], bell: Bell) -> int:
        """Publish them, and wait for the confirmations."""
        numbers = [[self._publish(message) for message in self._messages(kept)] for kept in events]
        fault: Undelivered | None = None
        try:
            self._await_answers({number for row in numbers for number in row}, bell)
        except Undelivered as exc:
            fault = exc
        return self._confirmed(numbers, fault)

    def rest(self, seconds: float, bell: Bell) -> None:
        """Keep the connection alive for a while."""
        self._turn(min(seconds, KEEPALIVE / 4), bell)

    def show(self, status: Status) -> bool:
        """What the broker keeps of it, once the thread gets there."""
        wanted = states(status, self._part.topic)
        if self._part.home_assistant is not None:
            wanted.update(discovery(status, self._part.home_assistant, self._part.topic, self._box))
        news, self._wanted = wanted != self._wanted, wanted
        return news

    def close(self) -> None:
        """Say that we go."""
        if self._client is None:
            return
        self._client.publish(self._online, "offline", qos=0, retain=True)  # waits behind no confirmation
        self._client.disconnect()
        self._client = None

    def _connect(self, bell: Bell) -> None:
        where = f"{self._part.host}:{self._part.port}"
        deadline = Deadline(CONNECT_SECONDS, self._clock, bell)
        self._greeted, self._lost, self._acked, self._complained = False, "", {}, False
        try:
            self._client = self._new_client(deadline)
            self._client.connect(self._part.host, self._part.port, keepalive=KEEPALIVE)
            while not self._greeted:
                deadline.check()
                self._turn(0.5, bell)
        except MineHatError as exc:
            raise self._gone(str(exc), slowly=True) from exc
        except (OSError, UnicodeError) as exc:
            text = told(exc) if isinstance(exc, OSError) else str(exc)
            raise self._gone(f"{where}: {text}", isinstance(exc, ssl.SSLCertVerificationError)) from exc
        except Undelivered as exc:
            raise self._gone(f"{where}: {exc}", exc.slowly) from exc
        self._kept = dict.fromkeys(self._kept)
        self._publish(Message(self._online, "online"), retain=True)

    def _new_client(self, deadline: Deadline) -> Any:
        tls = trusted(self._part.ca) if self._part.tls else None
        new = {} if self._protocol == MQTTProtocolVersion.MQTTv5 else {"clean_session": True}
        client = _Client(CallbackAPIVersion.VERSION2, self._id, protocol=self._protocol, reconnect_on_failure=False,
                         **new)
        client.dialled = lambda: dial(self._part.host, self._part.port, deadline, tls)
        client.max_inflight_messages_set(self._window)
        client.will_set(self._online, "offline", qos=1, retain=True)
        if self._part.user is not None:
            client.username_pw_set(self._part.user, revealed(self._part.password))
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._lost = f"the broker refuses us: {reason}"
            return
        most = getattr(properties, "ReceiveMaximum", WINDOW)
        if most < self._window:  # paho cannot change it on a connection that stands
            self._window = most
            self._lost = f"the broker takes {most} messages at once; connecting again"
        self._greeted = True

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        text = str(reason)
        self._lost = self._lost or ("the connection was lost" if text == LOST else f"the broker hung up: {text}")

    def _on_publish(self, client: Any, data: Any, number: int, reason: Any, properties: Any) -> None:
        self._acked[number] = str(reason) if reason.is_failure else ""

    def _turn(self, seconds: float, bell: Bell) -> None:
        """Wait for the broker or the bell, and do what is to be done."""
        sock = self._client.socket()
        if sock is not None:
            pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
            reads, writes = bell.wait(0 if pending else seconds, sock, writing=self._client.want_write())
            if reads or pending:
                self._client.loop_read()
            if writes and self._client.socket() is not None:
                self._client.loop_write()
            self._client.loop_misc()
        if self._lost or self._client.socket() is None:
            raise self._ended()

    def _await_answers(self, numbers: set[int], bell: Bell) -> None:
        """Until all are answered, or none for too long."""
        heard, ends = 0, self._clock.monotonic() + ANSWER_SECONDS
        while not bell.stopped and not numbers <= self._acked.keys():
            if len(self._acked) > heard:
                heard, ends = len(self._acked), self._clock.monotonic() + ANSWER_SECONDS
            elif self._clock.monotonic() > ends:
                raise self._gone(f"the broker confirms nothing within {ANSWER_SECONDS:g} s")
            self._turn(0.5, bell)

    def _ended(self) -> Undelivered:
        if not self._greeted and self._protocol == MQTTProtocolVersion.MQTTv5 and (
                OLD in self._lost or "refuses" not in self._lost):
            self._protocol = MQTTProtocolVersion.MQTTv311
        elif not self._greeted:
            self._protocol = MQTTProtocolVersion.MQTTv5
        return self._gone(self._lost or "the connection ended", any(word in self._lost for word in MEND))

    def _gone(self, text: str, slowly: bool = False) -> Undelivered:
        """Forget the connection; its last will is told by the broker."""
        client, self._client = self._client, None
        if client is not None and client.socket() is not None:
            client.socket().close()
        return Undelivered(text, slowly)

    def _messages(self, kept: Kept) -> list[Message]:
        return [event_message(kept, self._part.topic),
                *(onvif_messages(kept, self._part.topic) if self._part.onvif else [])]

    def _publish(self, message: Message, retain: bool = False) -> int:
        return int(self._client.publish(message.topic, message.payload, qos=1, retain=retain).mid)

    def _confirmed(self, numbers: Sequence[Sequence[int]], fault: Undelivered | None) -> int:
        """How many of the first rows have been confirmed as a whole."""
        for count, row in enumerate(numbers):
            refused = [self._acked[number] for number in row if self._acked.get(number)]
            if refused and not count:
                text = f"the broker refuses the event: {refused[0]}"
                raise Refused(text) if refused[0] in OURS else Undelivered(text, slowly=True)
            if refused or any(number not in self._acked for number in row):
                if not count:
                    raise fault or Undelivered("the watch is ending")
                return count
        return len(numbers)

    def _complain(self, reason: str) -> None:
        """Once for each connection."""
        if not self._complained:
            log.warning("sink mqtt: the broker refuses some of what it is told: %s", reason)
        self._complained = True

    def _tell_states(self) -> None:
        """Retained, where they differ from what the broker keeps; what is no more is taken back by an empty one."""
        if refused := next(filter(None, self._acked.values()), ""):
            self._complain(refused)
        self._acked.clear()
        if not (wanted := self._wanted):
            return  # nobody has said yet how the watch stands
        if self._clock.monotonic() - self._refreshed >= REFRESH:
            self._kept, self._refreshed = dict.fromkeys(self._kept), self._clock.monotonic()
        self._retained.remember(self._kept.keys() | wanted.keys())
        for topic, payload in wanted.items():
            if self._kept.get(topic) != payload:
                self._publish(Message(topic, payload), retain=True)
        for topic in self._kept.keys() - wanted.keys():
            self._publish(Message(topic, ""), retain=True)
        self._kept = dict(wanted)


class _Client(paho.Client):  # type: ignore[misc]
    """Dials by our own means: one deadline for all, interruptible, and past no proxy that the environment names."""

    def _create_socket(self) -> socket.socket:
        sock: socket.socket = self.dialled()
        return sock
