"""What a configuration may say: every key, its unit, its limits and what it is when left out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from minehat.inputs import is_url
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..events.event import Kind
from . import rules as must

VERSION = 1
NAME = r"""^[^\x00-\x1f\x7f/\\#+"'<>.][^\x00-\x1f\x7f/\\#+"'<>]*$"""  # fit for a topic, a folder and a page
LINE = r"^[^\x00-\x1f\x7f]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
CHIP = r"^/dev/[A-Za-z0-9._/-]+$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NAME)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86400)]
Point = tuple[Share, Share]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3, max_length=64), AfterValidator(must.polygon)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)]
Command = Annotated[tuple[Line, ...], Field(min_length=1, max_length=64)]
Host = Annotated[str, StringConstraints(max_length=253), AfterValidator(must.host)]
Topic = Annotated[str, AfterValidator(must.topic)]
Role = Literal["viewer", "operator", "admin"]


class Part(BaseModel):
    """No key is accepted that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _beside(path: Path, info: ValidationInfo) -> Path:
    """A path of a file's lies beside that file; `read_config` says where that is."""
    must.path(str(path))
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path


def _place(text: str, info: ValidationInfo) -> str:
    """A folder lies beside the file too; a URL stays as it is."""
    return must.place(text, (info.context or {}).get("base"))


Beside = Annotated[Path, AfterValidator(_beside)]
Place = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_place)]


class Secret(Part):
    """A password, from one of three places. A plain string in its place is the password itself."""

    value: SecretStr | None = Field(None, min_length=1, max_length=256)
    file: Beside | None = None  # its first line; as systemd's LoadCredential lays it
    env: Annotated[str, StringConstraints(pattern=VARIABLE)] | None = None  # a variable's name

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, found: Any) -> Any:
        return {"value": found} if isinstance(found, str) else found

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if sum(place is not None for place in (self.value, self.file, self.env)) != 1:
            raise must.Together("wanted exactly one of value, file and env, or the password itself in quotes", "value",
                                "file", "env")
        if self.value and any(ord(letter) < 32 or ord(letter) == 127 for letter in self.value.get_secret_value()):
            raise ValueError("a control character or line break is in it; wanted one line")
        return self


class EnginePart(Part):
    """An engine that the watch builds beside its work, and that takes over from `file` when it has stood its trial."""

    onnx: Beside  # that it is built from: TensorRT's form of the network
    target: Literal["auto", "tensorrt", "rtx"] = "auto"  # auto: for this machine's GPU; without one none is built


class ModelPart(Part):
    """Which network looks."""

    file: Beside
    card: Beside | None = None
    backend: Literal["auto", "ort", "openvino", "ort-cuda", "ort-tensorrt", "tensorrt"] = "auto"
    conf: Share | None = None  # lowest score that counts; the card's
    iou: Share | None = None
    fallback: Beside | None = None  # an .onnx that runs anywhere, for when `file` cannot be run; told as degraded
    engine: EnginePart | None = None  # once it has taken over, `file` is what runs where it cannot

    @model_validator(mode="after")
    def _beside_engine(self) -> ModelPart:
        if self.engine and self.file.suffix.lower() == ".engine":
            raise must.Together("`file` is an engine already; wanted an .onnx that runs while another one is built, "
                                "or no `engine`", "file")
        return self


class DetectorPart(Part):
    """How its process is fed and watched."""

    batch: int = Field(8, ge=1, le=64)  # most frames looked at together
    hang_seconds: float = Field(2.0, ge=0.5, le=60)  # without an answer, after which it is replaced
    load_seconds: float = Field(120.0, ge=1, le=3600)
    oldest_seconds: float = Field(2.0, ge=0.2, le=60)  # a frame older than this is never looked at
    threads: int | None = Field(None, ge=1, le=64)  # of a CPU backend; its own choice


class RulesPart(Part):
    """When a bare head is an event. Cameras may change single ones."""

    seconds: Seconds = 1.0  # from the first to the last sight
    frames: int = Field(5, ge=1, le=1000)  # that show it
    share: Share = 0.6  # of the sights of a person that must be bare
    gap: Seconds = 1.5  # unseen, and still the same person
    quiet: Seconds = 5.0  # unseen, or with a helmet, after which the incident ends
    cooldown: Seconds = 60.0  # between two notices of one camera and zone
    flood: int = Field(10, ge=1, le=1000)  # incidents within one cool-down, after which one summary tells of all
    still_helmet: Seconds = 300.0  # a helmet that lies still so long is nobody's
    smallest: Share = 0.0  # height of a head, of the frame's, below which it is not judged


class RulesChange(Part):
    """The same, each left as it is where absent."""

    seconds: Seconds | None = None
    frames: int | None = Field(None, ge=1, le=1000)
    share: Share | None = None
    gap: Seconds | None = None
    quiet: Seconds | None = None
    cooldown: Seconds | None = None
    flood: int | None = Field(None, ge=1, le=1000)
    still_helmet: Seconds | None = None
    smallest: Share | None = None


class ZonePart(Part):
    """A polygon of the picture and what holds in it. A head is where the middle of its box's lower edge is."""

    name: Name
    points: Polygon  # x, y as shares of the frame's sides
    rule: Literal["helmet", "ignore", "no_entry"] = "helmet"
    count: bool = True  # count the people who enter
    rules: RulesChange = RulesChange()


class HealthPart(Part):
    """When a picture cannot be judged."""

    dark: bool = True
    glare: bool = True
    blurred: bool = True
    covered: bool = True
    frozen: bool = True
    moved: bool = True
    seconds: float = Field(10.0, ge=1, le=3600)  # that it must last, frozen excepted
    frozen_seconds: float = Field(60.0, ge=5, le=86400)


class CameraPart(Part):
    """One camera. Where no zone says `helmet` the whole picture asks for helmets, less what `ignore` covers."""

    name: Name
    url: Annotated[str, StringConstraints(max_length=1024)]  # rtsp(s)://, /dev/v4l/by-id/..., a video, a folder
    user: Line | None = None
    password: Secret | None = None
    enabled: bool = True
    transport: Literal["tcp", "udp"] = "tcp"
    decoder: Literal["auto", "pyav", "gstreamer"] = "auto"  # auto: GStreamer where Jetson's decoder is
    most_fps: float | None = Field(None, ge=0.5, le=240)  # looked at; fewer would not be watching
    widest: int = Field(1920, ge=64, le=8192)  # larger pictures are scaled down to this width as they are decoded
    stall_seconds: float = Field(2.0, ge=0.5, le=60)
    repeat: bool = False  # a video or folder begins anew when it ends; a folder else waits for new pictures
    zones: Annotated[tuple[ZonePart, ...], Field(max_length=64), AfterValidator(must.unique)] = ()
    rules: RulesChange = RulesChange()
    health: HealthPart = HealthPart()

    @field_validator("url")
    @classmethod
    def _url(cls, text: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base")
        text = must.camera_url(text)
        return text if base is None or is_url(text) else str(Path(base) / text)

    @model_validator(mode="after")
    def _login(self) -> CameraPart:
        if (self.user or self.password) and not is_url(self.url):
            raise must.Together("user and password are of a camera with rtsp://; wanted none for a device or file",
                                "url")
        if self.password and not self.user:
            raise must.Together("a password without a user; wanted `user` beside it", "user")
        if self.user and "@" in self.url.partition("://")[2].partition("/")[0]:
            raise must.Together("found a user both in `url` and in `user`; wanted one of them", "url")
        return self


class BudgetPart(Part):
    """Fewer pictures are looked at before the board gets so hot, or takes so much, that it slows itself down."""

    enabled: bool = True
    celsius: float | None = Field(None, ge=30, le=120)  # of the hottest part; 5 below the board's own limits
    watts: float | None = Field(None, gt=0, le=2000)  # of the whole board


class ClipsPart(Part):
    """The stream's own packets around an event, not encoded again."""

    enabled: bool = True
    before: float = Field(5.0, ge=0, le=60)
    after: float = Field(10.0, ge=1, le=120)


class KeepPart(Part):
    """What is kept how long."""

    media_gb: float = Field(20.0, gt=0, le=100000)  # snapshots and clips; the oldest go first
    disk_share: float = Field(0.9, ge=0.1, le=0.99)  # of the disk that may be full before media go early
    event_days: int = Field(400, ge=1, le=36500)


class MqttPart(Part):
    """A broker."""

    host: Host
    port: int = Field(1883, ge=1, le=65535)
    user: Line | None = None
    password: Secret | None = None
    tls: bool = False
    ca: Beside | None = None
    topic: Topic = "minewatch"
    client_id: Line | None = None
    home_assistant: Topic | None = None  # discovery prefix, `homeassistant` as a rule; none: no discovery
    onvif: bool = False  # events as ONVIF-style JSON too

    @model_validator(mode="after")
    def _whole(self) -> MqttPart:
        if self.ca and not self.tls:
            raise must.Together("`ca` without `tls: true` is never read; wanted both or none", "tls")
        if self.password and not self.user:
            raise must.Together("a password without a user; wanted `user` beside it", "user")
        return self


class WebhookPart(Part):
    """An address that gets each event by POST, signed."""

    name: Name
    url: Annotated[str, StringConstraints(max_length=2048), AfterValidator(must.web_url)]  # http:// or https://
    secret: Secret | None = None  # signs the body: X-Minewatch-Signature
    ca: Beside | None = None
    loud_only: bool = False

    @model_validator(mode="after")
    def _whole(self) -> WebhookPart:
        if self.ca and not self.url.lower().startswith("https://"):
            raise must.Together("`ca` is read for https:// only; wanted such a url, or no ca", "url")
        return self


class SirenPart(Part):
    """What sounds on a notice: a command, or a line of a GPIO chip."""

    command: Command | None = None  # program and arguments, no shell; the event's JSON on its stdin
    gpio_chip: Annotated[str, StringConstraints(pattern=CHIP)] | None = None  # /dev/gpiochip0
    gpio_line: int | None = Field(None, ge=0, le=1023)
    active_low: bool = False
    seconds: float = Field(10.0, gt=0, le=600)
    kinds: tuple[Kind, ...] = ("bare_head", "intruder", "camera_fault", "detector_fault")

    @model_validator(mode="after")
    def _one(self) -> SirenPart:
        if (self.command is None) == (self.gpio_chip is None):
            raise must.Together("wanted either `command`, or `gpio_chip` and `gpio_line`", "command", "gpio_chip")
        if (self.gpio_chip is None) != (self.gpio_line is None):
            raise must.Together("wanted `gpio_chip` and `gpio_line` together", "gpio_chip", "gpio_line")
        return self


class SinksPart(Part):
    """Who is told."""

    mqtt: MqttPart | None = None
    webhooks: Annotated[tuple[WebhookPart, ...], Field(max_length=16), AfterValidator(must.unique)] = ()
    siren: SirenPart | None = None


class UserPart(Part):
    """Somebody who may log in."""

    name: Name
    role: Role = "operator"
    password_hash: Annotated[str, AfterValidator(must.password_hash)]  # of `minewatch hash-password`


class WebPart(Part):
    """The page. On loopback only; for others put the shipped nginx before it, and name users."""

    enabled: bool = True
    listen: Annotated[str, AfterValidator(must.loopback)] = "127.0.0.1:8787"  # or unix:/run/minewatch/page.sock
    hosts: tuple[Host, ...] = ()  # names by which a proxy is called, besides localhost
    users: Annotated[tuple[UserPart, ...], Field(max_length=256), AfterValidator(must.unique)] = ()
    language: Literal["auto", "en", "zh"] = "auto"


class UpdatesPart(Part):
    """Signed changes of model and configuration that are looked for elsewhere; nowhere without `sources`."""

    sources: Annotated[tuple[Place, ...], Field(max_length=8)] = ()  # folders, such as a stick's, or http(s)://
    key: Beside | None = None  # public key that they must be signed with; trusted.pem beside this file
    box: Name | None = None  # what updates and reports call this machine; its host name
    every: float = Field(900, ge=1, le=604800)  # seconds between two looks
    settle: float = Field(75, ge=1, le=3600)  # seconds that it must go well with an update before it stays
    user: Line | None = None  # of the servers, and password
    password: Secret | None = None
    ca: Beside | None = None
    report: Place | None = None  # a folder that is there, or an http(s):// that takes PUT

    @model_validator(mode="after")
    def _whole(self) -> UpdatesPart:
        urls = [one for one in (*self.sources, self.report or "") if is_url(one)]
        if self.password and not self.user:
            raise must.Together("a password without a user; wanted `user` beside it", "user")
        if self.user and not self.password:
            raise must.Together("a user without a password; wanted `password` beside it", "password")
        if self.password and not all(url.lower().startswith("https://") for url in urls):
            raise must.Together("everybody between could read a password over http://; wanted https://", "sources")
        if (self.password or self.ca) and not urls:
            raise must.Together("user, password and ca are of servers; wanted none for folders", "sources")
        return self


class LogPart(Part):
    """JSON lines on stderr, and in a file of bounded size where one is named."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Beside | None = None
    megabytes: int = Field(50, ge=1, le=10000)


class Config(Part):
    """All of it. Paths that are not absolute lie beside the file."""

    version: Literal[1]
    site: Annotated[Line, StringConstraints(max_length=100)] = "mine"
    state: Beside  # folder of events, snapshots and clips
    model: ModelPart
    detector: DetectorPart = DetectorPart()
    rules: RulesPart = RulesPart()
    cameras: Annotated[tuple[CameraPart, ...], Field(min_length=1, max_length=64), AfterValidator(must.unique)]
    budget: BudgetPart = BudgetPart()
    clips: ClipsPart = ClipsPart()
    keep: KeepPart = KeepPart()
    sinks: SinksPart = SinksPart()
    web: WebPart = WebPart()
    log: LogPart = LogPart()
    updates: UpdatesPart = UpdatesPart()

    def camera(self, name: str) -> CameraPart | None:
        """The camera of this name."""
        return next((one for one in self.cameras if one.name == name), None)


def plain(part: Part) -> dict[str, Any]:
    """A part as JSON has it, secrets as ***."""
    told: dict[str, Any] = part.model_dump(mode="json")
    return told
