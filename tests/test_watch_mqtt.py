"""MQTT against a real broker: nothing confirmed is lost, nothing wrong is trusted, a blind camera never looks safe."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hand_clock import HandClock
from minewatch.clock import SystemClock
from minewatch.config.schema import MqttPart, Secret, SinksPart
from minewatch.events.event import Event, Kept
from minewatch.events.store import Store
from minewatch.sinks.bell import Bell
from minewatch.sinks.home_assistant import discovery
from minewatch.sinks.mqtt import REFRESH, Mqtt
from minewatch.sinks.onvif import onvif_messages
from minewatch.sinks.retained import Retained
from minewatch.sinks.senders import Senders, box_id
from minewatch.sinks.topics import event_message, level, states
from minewatch.status import CameraStatus
from mqtt_lab import Broker, Listener, status_of
from pydantic import SecretStr
from sinks_lab import add, filled
from waiting import eventually

GATE = CameraStatus("gate", "live", open_incidents=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with filled(tmp_path / "state", 3) as made:
        yield made


@pytest.fixture
def senders(tmp_path: Path, store: Store) -> Iterator[Callable[..., Senders]]:
    before, made = threading.active_count(), []

    def new(part: MqttPart) -> Senders:
        made.append(Senders(SinksPart(mqtt=part), tmp_path / "state", "north pit", SystemClock()))
        return made[-1]

    yield new
    for one in made:
        one.stop()
    assert eventually(lambda: threading.active_count() <= before)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


def mqtt(broker: Broker, **told: object) -> MqttPart:
    return MqttPart.model_validate({"host": "127.0.0.1", "port": broker.port, **told})


def well(senders: Senders) -> bool:
    one, = senders.status()
    return one.standing == "well" and one.behind == 0


def told(senders: Senders) -> str:
    return senders.status()[0].text


def hasten(senders: Senders) -> None:
    """The next try now: tests do not wait out the pause."""
    for _, runner in senders._runners.values():
        runner._resumes = 0.0
        runner.wake()


def test_events_come_with_number_and_id_under_the_camera_and_kind(senders: Callable[..., Senders], store: Store,
                                                                  broker: Broker) -> None:
    with Listener(broker.port) as listener:
        sent = senders(mqtt(broker))
        assert eventually(lambda: well(sent))
        kept = add(store, 2, camera="3号 gate")
        kept.append(store.append(Event("watch_began", time.time())))
        sent.wake()
        assert eventually(lambda: len(listener.seqs()) == 3)
        topics = [topic for topic, _, _ in listener.heard if "/events/" in topic]
        assert topics == ["minewatch/events/3号 gate/bare_head"] * 2 + ["minewatch/events/watch/watch_began"]
        assert listener.payloads("/events/") == [one.to_dict() for one in kept]
        assert not any(retained for topic, _, retained in listener.heard if "/events/" in topic)


def test_names_open_no_level_and_no_wildcard() -> None:
    for name in ("a/b", "+", "#", "a\x00b", "a\nb", "", "x" * 300, "a\u2028b", "\ud800"):
        one = level(name)
        assert one and not set(one) & set("/+#\x00\n\u2028\ud800") and len(one) <= 80
    for name in ("3号 gate", "a&b", "a_b", "$gate", "x" * 64):  # two cameras never share a topic
        assert level(name) == name


def test_f1_a_broker_that_is_absent_at_the_start_and_dies_in_the_middle(senders: Callable[..., Senders], store: Store,
                                                                        tmp_path: Path) -> None:
    """F1: broker down at the start and mid-run: 0 acked events lost, order kept, duplicates bear the same id."""
    broker = Broker(tmp_path / "broker")
    sent = senders(mqtt(broker))
    assert eventually(lambda: "Connection refused" in told(sent))
    add(store, 50)
    sent.wake()
    with broker, Listener(broker.port) as listener:
        hasten(sent)
        assert eventually(lambda: well(sent))
        broker.kill()
        assert eventually(lambda: sent.status()[0].standing == "retrying")
        add(store, 50)
        broker.start()
        hasten(sent)
        assert eventually(lambda: well(sent))
        assert eventually(lambda: set(listener.seqs()) == set(range(4, 104)))
        firsts = list(dict.fromkeys(listener.seqs()))
        assert firsts == sorted(firsts)
        ids = {(one["seq"], one["id"]) for one in listener.payloads("/events/")}
        assert len(ids) == 100


def test_f1_a_wrong_password_is_told_and_not_hammered(senders: Callable[..., Senders], store: Store,
                                                     tmp_path: Path) -> None:
    """F1: wrong password: told, retried slowly, and what waited arrives once it is mended."""
    secrets = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", secrets, "watch", "right"], check=True, capture_output=True)
    password = tmp_path / "password"
    password.write_text("wrong\n")
    with Broker(tmp_path / "broker", "allow_anonymous false", f"password_file {secrets}") as broker:
        sent = senders(mqtt(broker, user="watch", password={"file": password}))
        assert eventually(lambda: "refuses us: Not authorized" in told(sent))
        assert (sent.status()[0].next_try or 0) > 40
        with Listener(broker.port, user="watch", password="right") as listener:
            add(store, 2)
            password.write_text("right\n")  # read again at every connection
            hasten(sent)
            assert eventually(lambda: listener.seqs() == [4, 5])
    assert "wrong" not in told(sent) and "right" not in told(sent)


def test_a_topic_that_the_broker_forbids_loses_nothing_silently(
        senders: Callable[..., Senders], store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write minewatch/online\ntopic write minewatch/events/gate/#\n")
    with Broker(tmp_path / "broker", "allow_anonymous true", f"acl_file {acl}") as broker:
        sent = senders(mqtt(broker))
        assert eventually(lambda: well(sent))
        add(store, 2)
        add(store, 1, camera="yard")
        sent.wake()
        assert eventually(lambda: "refuses the event" in told(sent))
        assert "Not authorized" in told(sent) and sent.status()[0].behind == 1
        sent.show(status_of(GATE))
        hasten(sent)
        assert eventually(lambda: "refuses some of what it is told: Not authorized" in caplog.text)


def test_an_authority_that_cannot_be_read_is_told_by_its_file(senders: Callable[..., Senders], tmp_path: Path,
                                                              broker: Broker) -> None:
    sent = senders(mqtt(broker, tls=True, ca=tmp_path / "absent.pem"))
    assert eventually(lambda: f"{tmp_path}/absent.pem: no certificates can be read" in told(sent))


CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority
for name in right wrong; do
  openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
  [ $name = right ] && san=IP:127.0.0.1 || san=DNS:elsewhere.example
  printf "subjectAltName=$san" > $name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $name.pem -extfile $name.ext
done
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(["bash", "-ec", CERTIFICATES], cwd=folder, check=True, capture_output=True)
    return folder


def secured(tmp_path: Path, certificates: Path, name: str) -> Broker:
    return Broker(tmp_path / "broker", "allow_anonymous true", f"certfile {certificates}/{name}.pem",
                  f"keyfile {certificates}/{name}.key")


def test_tls_with_an_authority_of_the_sites_own(senders: Callable[..., Senders], store: Store, tmp_path: Path,
                                                certificates: Path) -> None:
    with secured(tmp_path, certificates, "right") as broker:
        sent = senders(mqtt(broker, tls=True, ca=certificates / "ca.pem"))
        assert eventually(lambda: well(sent))
        add(store, 30)
        sent.wake()
        assert eventually(lambda: cursor(tmp_path / "state") == 33)


def test_f1_a_certificate_of_another_name_or_authority_is_refused(senders: Callable[..., Senders], store: Store,
                                                                 tmp_path: Path, certificates: Path) -> None:
    """F1: TLS wrong name: refused and told; so is an authority that nobody named."""
    with secured(tmp_path, certificates, "wrong") as broker:
        sent = senders(mqtt(broker, tls=True, ca=certificates / "ca.pem"))
        assert eventually(lambda: "certificate is not trusted" in told(sent))
        assert "127.0.0.1" in told(sent)
        sent.replace(SinksPart(mqtt=mqtt(broker, tls=True)))
        assert eventually(lambda: "self-signed" in told(sent) or "unable to get" in told(sent))


def test_the_last_will_tells_of_a_watch_that_died(store: Store, broker: Broker, tmp_path: Path) -> None:
    with Listener(broker.port) as listener:
        process = publisher(tmp_path / "state", broker.port)
        try:
            assert eventually(lambda: listener.newest().get("minewatch/online") == "online")
        finally:
            end(process)
        assert eventually(lambda: listener.newest()["minewatch/online"] == "offline")
    with Listener(broker.port, name="late") as late:
        assert eventually(lambda: ("minewatch/online", "offline", True) in late.heard)


def test_a_watch_that_ends_says_so(senders: Callable[..., Senders], broker: Broker) -> None:
    with Listener(broker.port) as listener:
        sent = senders(mqtt(broker))
        assert eventually(lambda: listener.newest().get("minewatch/online") == "online")
        sent.stop()
        assert eventually(lambda: listener.newest()["minewatch/online"] == "offline")


PUBLISH = """
import sys, threading
from pathlib import Path
from minewatch.clock import SystemClock
from minewatch.config.schema import MqttPart, SinksPart
from minewatch.sinks.senders import Senders
senders = Senders(SinksPart(mqtt=MqttPart(host="127.0.0.1", port=int(sys.argv[2]))), Path(sys.argv[1]), "pit",
                  SystemClock())
for line in sys.stdin:
    senders.wake()
    print(senders.status()[0].behind, flush=True)
"""


def publisher(folder: Path, port: int) -> subprocess.Popen[str]:
    """The senders in a process of their own, to be killed."""
    return subprocess.Popen([sys.executable, "-c", PUBLISH, folder, str(port)], stdin=subprocess.PIPE, text=True,
                            stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})


def poke(process: subprocess.Popen[str]) -> None:
    """Wake its senders; when this returns they know."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline()


def end(process: subprocess.Popen[str]) -> None:
    with process:
        process.send_signal(signal.SIGKILL)


def cursor(folder: Path) -> int:
    with Store.reader(folder) as reader:
        return reader.cursor("mqtt")


def test_f2_a_publisher_killed_in_the_outage_loses_nothing(store: Store, broker: Broker, tmp_path: Path) -> None:
    """F2: 400 events; the broker away from 100 to 200; the publisher killed -9 in the outage: 0 lost, order kept."""
    folder = tmp_path / "state"
    with Listener(broker.port) as listener:
        process = publisher(folder, broker.port)
        assert eventually(lambda: cursor(folder) == 3)
        add(store, 100)
        poke(process)
        assert eventually(lambda: len(listener.seqs()) == 100)
        broker.stop()
        add(store, 100)
        poke(process)
        end(process)
        broker.start()
        add(store, 100)
        process = publisher(folder, broker.port)
        assert eventually(lambda: cursor(folder) == 303)
        add(store, 100)
        poke(process)
        assert eventually(lambda: set(listener.seqs()) == set(range(4, 404)))
        end(process)
        assert list(dict.fromkeys(listener.seqs())) == list(range(4, 404))


def test_states_are_kept_by_the_broker_and_follow_the_watch(senders: Callable[..., Senders], broker: Broker) -> None:
    sent = senders(mqtt(broker, home_assistant="homeassistant"))
    sent.show(status_of(GATE, replace(GATE, name="yard")))
    with Listener(broker.port) as listener:
        assert eventually(lambda: listener.newest().get("minewatch/cameras/yard/alarm") == "OFF")
        sent.show(status_of(replace(GATE, open_incidents=1), replace(GATE, name="yard"), watching=False))
        assert eventually(lambda: listener.newest()["minewatch/cameras/gate/alarm"] == "ON")
        assert eventually(lambda: listener.newest()["minewatch/watching"] == "OFF")
        sent.show(status_of(replace(GATE, standing="blind", cause="covered")))
        assert eventually(lambda: listener.newest()["minewatch/cameras/gate/problem"] == "ON")
        assert listener.newest()["minewatch/cameras/gate/judged"] == "offline"
        gone = [topic for topic, payload in listener.newest().items() if "yard" in topic and payload]
        assert eventually(lambda: not [topic for topic in gone if listener.newest()[topic]])
    with Listener(broker.port, name="late") as late:
        assert eventually(lambda: json.loads(late.newest().get("minewatch/state", "{}")).get("site") == "north pit")
        assert all(retained for _, _, retained in late.heard)
        assert not [topic for topic in late.newest() if "yard" in topic]


def test_a_camera_that_went_while_the_watch_was_down_stands_as_well_nowhere(
        senders: Callable[..., Senders], broker: Broker) -> None:
    before = senders(mqtt(broker, home_assistant="homeassistant"))
    before.show(status_of(GATE, replace(GATE, name="yard")))
    with Listener(broker.port) as listener:
        assert eventually(lambda: listener.newest().get("minewatch/cameras/yard/judged") == "online")
    before.stop()
    after = senders(mqtt(broker, home_assistant="homeassistant"))
    assert eventually(lambda: well(after))
    with Listener(broker.port, name="early") as early:
        assert eventually(lambda: early.newest().get("minewatch/cameras/yard/judged") == "online")  # nothing said yet
        after.show(status_of(GATE))
        assert eventually(lambda: not [topic for topic, told in early.newest().items() if "yard" in topic and told])
        assert early.newest()["minewatch/cameras/gate/judged"] == "online"


def test_a_file_of_topics_that_is_no_such_thing_is_as_none(tmp_path: Path) -> None:
    for content in (b"", b"\xff", b"{}", b"[1", b'[1, "a/b"]'):
        (tmp_path / "mqtt-topics.json").write_bytes(content)
        assert Retained(tmp_path).topics <= {"a/b"}
    one = Retained(tmp_path)
    one.remember({"c"})
    assert Retained(tmp_path).topics == {"c"}


def test_a_broker_that_forgot_all_is_told_again(senders: Callable[..., Senders], store: Store,
                                                tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    with broker:
        sent = senders(mqtt(broker))
        sent.show(status_of(GATE))
        assert eventually(lambda: well(sent))
        broker.kill()
        assert eventually(lambda: sent.status()[0].standing == "retrying")
    (tmp_path / "broker" / "mosquitto.db").unlink(missing_ok=True)
    with broker, Listener(broker.port) as listener:
        hasten(sent)
        assert eventually(lambda: listener.newest().get("minewatch/cameras/gate/problem") == "OFF")
        assert listener.newest()["minewatch/online"] == "online"


def test_many_cameras_are_more_than_the_broker_takes_at_once(senders: Callable[..., Senders], store: Store,
                                                                   tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", "allow_anonymous true", "max_inflight_messages 5") as broker:
        sent = senders(mqtt(broker, home_assistant="homeassistant", onvif=True))
        sent.show(status_of(*[replace(GATE, name=f"camera {row}") for row in range(24)]))
        with Listener(broker.port) as listener:
            add(store, 40)
            sent.wake()
            assert eventually(lambda: listener.seqs() == list(range(4, 44)))
            assert eventually(lambda: well(sent))
            assert eventually(lambda: len([1 for topic in listener.newest() if topic.endswith("/config")]) == 50)


def test_discovery_knows_each_sensor_and_never_calls_a_blind_camera_safe() -> None:
    names = ["gate", "3号井", "4号井", "a b", "a_b"]
    status = status_of(*[replace(GATE, name=name) for name in names])
    found = discovery(status, "homeassistant", "site/watch", "0011")
    kept = states(status, "site/watch").keys() | {"site/watch/online"}
    assert len(found) == 2 + 2 * len(names)
    configs = {topic: json.loads(payload) for topic, payload in found.items()}
    assert len({one["unique_id"] for one in configs.values()}) == len(configs)
    for topic, one in configs.items():
        prefix, component, node, key, last = topic.split("/")
        assert (prefix, component, node, last) == ("homeassistant", "binary_sensor", "minewatch_0011", "config")
        assert key.isascii() and set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
        assert {one["state_topic"], *(row["topic"] for row in one.get("availability", []))} <= kept
        assert one.get("json_attributes_topic", "site/watch/state") in kept
        assert "command_topic" not in one
        if key != "online":
            assert one["expire_after"] > 2 * REFRESH
    alarm = configs["homeassistant/binary_sensor/minewatch_0011/gate_alarm/config"]
    assert alarm["availability_mode"] == "all"
    assert {"topic": "site/watch/cameras/gate/judged"} in alarm["availability"]
    for blind in (replace(GATE, standing="blind"), replace(GATE, standing="connecting"),
                  replace(GATE, standing="waiting"), replace(GATE, faults=("dark",)), replace(GATE, standing="ended")):
        told = states(status_of(blind), "p")
        assert (told["p/cameras/gate/judged"], told["p/cameras/gate/problem"]) == ("offline", "ON")
    off = states(status_of(replace(GATE, standing="off")), "p")
    assert (off["p/cameras/gate/judged"], off["p/cameras/gate/problem"]) == ("offline", "OFF")


def test_states_are_told_again_though_nothing_changes(broker: Broker, tmp_path: Path) -> None:
    clock = HandClock()
    one = Mqtt(mqtt(broker), "pit", "0011", clock, Retained(tmp_path))
    one.show(status_of(GATE))
    with Listener(broker.port, "+/watching") as listener, Bell() as bell:
        def count(times: int) -> bool:
            one.ready(bell)
            one.rest(0.05, bell)
            return len(listener.heard) >= times
        assert eventually(lambda: count(1))
        for _ in range(5):
            count(2)
        assert len(listener.heard) == 1
        clock.go(REFRESH)
        assert eventually(lambda: count(2))
        one.close()


def test_g9_the_watch_listens_to_nothing(senders: Callable[..., Senders], store: Store, tmp_path: Path) -> None:
    """G9: no command topics: the broker counts no subscription of the watch's, whatever is configured."""
    with Broker(tmp_path / "broker", "allow_anonymous true", "sys_interval 1") as broker, \
            Listener(broker.port, "$SYS/broker/subscriptions/count") as listener:
        sent = senders(mqtt(broker, home_assistant="homeassistant", onvif=True))
        sent.show(status_of(GATE))
        add(store, 3)
        sent.wake()
        assert eventually(lambda: well(sent))
        with Listener(broker.port, "other", name="other"):  # is counted, so the watch would have been
            assert eventually(lambda: "2" in {payload for _, payload, _ in listener.heard})
            assert "3" not in {payload for _, payload, _ in listener.heard}


def test_onvif_has_the_form_of_the_specification() -> None:
    opened = Event("intruder", 1.8e9, "gate", "belt / 2", track=7, score=0.9)
    message, = onvif_messages(Kept(1, opened), "MyDevice")
    assert message.topic == "MyDevice/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/&gate/minewatch/belt _ 2"
    assert json.loads(message.payload) == {
        "UtcTime": "2027-01-15T08:00:00.000Z",
        "Source": {"VideoSource": "gate", "AnalyticsConfiguration": "minewatch", "Rule": "belt / 2"},
        "Data": {"IsInside": True, "ObjectId": 7, "Likelihood": 0.9, "EventId": opened.id}}


@pytest.mark.parametrize("began, ended, cause", [
    ("bare_head", "bare_head_ended", ""), ("intruder", "intruder_ended", ""), ("camera_fault", "camera_well", "dark"),
    ("camera_fault", "camera_well", "stalled"), ("storage_fault", "storage_well", "full"),
    ("detector_fault", "detector_well", "")])
def test_what_onvif_is_told_to_have_begun_it_is_told_to_have_ended(began: str, ended: str, cause: str) -> None:
    def told(kind: str, why: str) -> dict[str, bool]:
        event = Event(kind, 1.8e9, "gate", cause=why)  # type: ignore[arg-type]
        return {message.topic: next(value for value in json.loads(message.payload)["Data"].values())
                for message in onvif_messages(Kept(1, event), "p")}

    first, last = told(began, cause), told(ended, "")
    assert list(first.values()) == [True]
    assert first.keys() <= last.keys() and not any(last.values())
    assert not onvif_messages(Kept(1, Event("config_reloaded", 1.8e9)), "p")


def test_onvif_goes_out_beside_the_event(senders: Callable[..., Senders], store: Store, broker: Broker) -> None:
    with Listener(broker.port) as listener:
        sent = senders(mqtt(broker, onvif=True, topic="north/pit"))
        assert eventually(lambda: well(sent))
        add(store, 2)
        sent.wake()
        assert eventually(lambda: len(listener.payloads("north/pit/onvif-ej/")) == 2)
        assert listener.seqs() == [4, 5]


def test_a_broker_that_knows_mqtt_3_alone_is_spoken_to_in_its_own_tongue(broker: Broker, store: Store,
                                                                        senders: Callable[..., Senders]) -> None:
    """A gate before the broker answers MQTT 5 as such brokers do, by return code 1, and lets MQTT 3.1.1 through."""
    with socket.create_server(("127.0.0.1", 0)) as gate:
        def serve() -> None:
            first, _ = gate.accept()
            with first:
                assert first.recv(4096)[8] == 5
                first.sendall(b"\x20\x02\x00\x01")
            second, _ = gate.accept()
            with second, socket.create_connection(("127.0.0.1", broker.port)) as behind:
                pumps = [threading.Thread(target=pump, args=pair) for pair in ((second, behind), (behind, second))]
                for one in pumps:
                    one.start()
                for one in pumps:
                    one.join()

        thread = threading.Thread(target=serve)
        thread.start()
        sent = senders(MqttPart(host="127.0.0.1", port=gate.getsockname()[1]))
        assert eventually(lambda: "Unsupported protocol version" in told(sent))
        add(store, 3)
        hasten(sent)
        with Listener(broker.port) as listener:
            assert eventually(lambda: well(sent))
            assert len(listener.heard) >= 1
        sent.stop()
        thread.join(10)


def pump(source: socket.socket, target: socket.socket) -> None:
    while piece := source.recv(4096):
        target.sendall(piece)
    target.shutdown(socket.SHUT_WR)


def test_a_broker_that_hangs_in_the_middle_is_left(senders: Callable[..., Senders], store: Store, broker: Broker,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minewatch.sinks.mqtt.ANSWER_SECONDS", 0.5)
    sent = senders(mqtt(broker))
    assert eventually(lambda: well(sent))
    with broker.stopped():
        add(store, 3)
        sent.wake()
        assert eventually(lambda: "confirms nothing within 0.5 s" in told(sent))
        assert sent.status()[0].behind == 3
    hasten(sent)
    assert eventually(lambda: well(sent))


def test_a_broker_that_answers_nothing_is_given_up(senders: Callable[..., Senders],
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minewatch.sinks.mqtt.CONNECT_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sent = senders(MqttPart(host="127.0.0.1", port=silent.getsockname()[1], user="watch",
                                password=Secret(value=SecretStr("s3cret"))))
        assert eventually(lambda: "no answer within 0.4 s" in told(sent))
        assert "s3cret" not in told(sent)


def test_two_watches_at_one_broker_do_not_push_each_other_out(tmp_path: Path) -> None:
    assert box_id(tmp_path / "a") != box_id(tmp_path / "b")
    assert box_id(tmp_path / "a") == box_id(tmp_path / "a")
    assert event_message(Kept(1, Event("bare_head", 1.0, "g")), "t").topic == "t/events/g/bare_head"


@pytest.mark.soak
def test_f2_soak_two_hundred_kills_of_publisher_and_broker(store: Store, tmp_path: Path,
                                                           figure: Callable[[str, str], None]) -> None:
    """F2: 200 rounds, in each the publisher is killed -9 at a random moment and the broker restarted: 0 lost."""
    chance, folder, pause = random.Random(7), tmp_path / "state", threading.Event()
    broker = Broker(tmp_path / "broker", "allow_anonymous true", "autosave_on_changes false")  # which slows it down
    with broker, Listener(broker.port) as listener:
        total = 3
        process = publisher(folder, broker.port)
        assert eventually(lambda: cursor(folder) == total)  # known from now on
        end(process)
        for row in range(200):
            process = publisher(folder, broker.port)
            for _ in range(5):
                add(store, 10)
                total += 10
                poke(process)
                pause.wait(chance.uniform(0, 0.1))
            if row % 4 == 0:
                broker.stop()
                end(process)
                broker.start()
            else:
                end(process)
        process = publisher(folder, broker.port)
        assert eventually(lambda: cursor(folder) == total, 300)
        eventually(lambda: len(set(listener.seqs())) == total - 3, 60)
        end(process)
        seqs = listener.seqs()
    lost = sorted(set(range(4, total + 1)) - set(seqs))
    figure("F2", f"{total - 3} events, publisher killed -9 200 times, broker restarted 50 times: {len(lost)} lost, "
                 f"{len(seqs) - len(set(seqs))} twice")
    assert not lost
    firsts = list(dict.fromkeys(seqs))
    assert firsts == sorted(firsts)


@pytest.mark.soak
def test_f1_soak_an_outage_with_twenty_thousand_events(store: Store, tmp_path: Path,
                                                       figure: Callable[[str, str], None]) -> None:
    """F1: the broker away for 90 s, 20 000 events meanwhile: rows, not memory; all delivered within 90 s after it."""
    folder, pause = tmp_path / "state", threading.Event()
    broker = Broker(tmp_path / "broker", "allow_anonymous true", "autosave_on_changes false")  # which slows it down
    with broker, Listener(broker.port) as listener:
        process = publisher(folder, broker.port)
        assert eventually(lambda: cursor(folder) == 3)
        before = rss(process)
        broker.stop()
        began = time.monotonic()
        for _ in range(200):
            add(store, 100)
            poke(process)
        pause.wait(90 - (time.monotonic() - began))
        grown = rss(process) - before
        broker.start()
        back = time.monotonic()
        assert eventually(lambda: cursor(folder) > 3, 75)
        first = time.monotonic() - back
        assert eventually(lambda: cursor(folder) == 20_003, 90)
        last = time.monotonic() - back
        assert eventually(lambda: len(listener.seqs()) >= 20_000, 30)
        end(process)
    figure("F1", f"20 000 events while the broker was away for 90 s: first confirmed {first:.1f} s after it was back, "
                 f"last {last:.1f} s; memory {grown / 1e6:+.1f} MB; {len(listener.seqs()) - 20_000} twice")
    assert list(dict.fromkeys(listener.seqs())) == list(range(4, 20_004))
    assert grown < 20e6


def rss(process: subprocess.Popen[str]) -> int:
    """Bytes of memory that the process has."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
