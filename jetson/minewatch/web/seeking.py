"""What somebody seeks among the events, from the query of an address; what it does not say does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams

from ..events.event import ENDED_BY, Kind
from ..events.records import Sought
from .times import moment_of

KINDS: tuple[str, ...] = get_args(Kind)
OPENING = tuple(ENDED_BY)
LARGEST = 2**53  # what every JSON reader takes for a whole number
Seq = Annotated[int, Field(ge=0, le=LARGEST)]
Text = Annotated[str, Field(max_length=64)]


class BadQuery(Exception):
    """What was asked for makes no sense: one line, without an echo."""


class Asked(BaseModel):
    """The query of `GET /api/events`."""

    model_config = ConfigDict(extra="forbid")

    after: Seq = 0
    limit: int = Field(100, ge=1, le=1000)
    wait: float = Field(0.0, ge=0, le=30)
    camera: Text | None = None
    kind: tuple[Kind, ...] = ()

    @property
    def sought(self) -> Sought:
        """For the store."""
        return Sought(kinds=self.kind, camera=self.camera)


def asked(query: QueryParams) -> Asked:
    """Raises BadQuery with every mistake."""
    told: dict[str, object] = {key: query[key] for key in query if key != "kind"}
    try:
        return Asked.model_validate({**told, "kind": query.getlist("kind")})
    except ValidationError as exc:
        raise BadQuery("; ".join(f"{_where(one['loc'])}: {one['msg']}" for one in exc.errors())) from None


def _where(place: tuple[int | str, ...]) -> str:
    name = str(place[0]) if place else "query"
    return name if name in Asked.model_fields else "a key"


@dataclass(frozen=True)
class Filter:
    """The form above the list of events, as it was filled in. What makes no sense in it is left out."""

    show: Literal["incidents", "all"] = "incidents"
    camera: str = ""
    kind: str = ""
    since: str = ""  # local time of the box, as the form writes it
    until: str = ""
    seen: Literal["", "yes", "no"] = ""
    before: int | None = None

    @property
    def sought(self) -> Sought:
        """For the store."""
        kinds = (self.kind,) if self.kind else ()
        return Sought(kinds=kinds, camera=self.camera or None,  # type: ignore[arg-type]
                      since=moment_of(self.since), until=moment_of(self.until),
                      acknowledged={"yes": True, "no": False}.get(self.seen))

    @property
    def query(self) -> str:
        """The form's own values again, the page that it is on left out."""
        values = {"show": self.show, "camera": self.camera, "kind": self.kind, "since": self.since,
                  "until": self.until, "seen": self.seen}
        return urlencode({key: value for key, value in values.items() if value})


def filter_of(query: QueryParams) -> Filter:
    """From what the form sent."""
    before, kind = query.get("before", ""), query.get("kind", "")
    number = int(before) if before.isdecimal() and len(before) < 16 else None
    show: Literal["incidents", "all"] = "all" if query.get("show") == "all" else "incidents"
    known = KINDS if show == "all" else OPENING
    seen = query.get("seen", "")
    return Filter(show, query.get("camera", "")[:64], kind if kind in known else "", query.get("since", "")[:30],
                  query.get("until", "")[:30], "yes" if seen == "yes" else "no" if seen == "no" else "", number)
