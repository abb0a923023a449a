"""The page's words in each language, and which language somebody wants."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from starlette.requests import Request

FOLDER = Path(__file__).with_name("words")
LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "language"


class Words:
    """Of one language. What is missing is an error in our house, and shown as its key in theirs."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = all_words(language)

    def __getitem__(self, key: str) -> str:
        return self._words.get(key, key)

    def of(self, kind: str, value: str) -> str:
        """The word for a value of ours, as `cause`, `stalled`; the value itself where there is none."""
        return self._words.get(f"{kind}_{value}", value)


@cache
def all_words(language: str) -> dict[str, str]:
    """Every word by its key."""
    words: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return words


def language_of(request: Request, configured: str) -> str:
    """What was asked for now, what this browser asked for before, what is configured, what the browser prefers."""
    for wish in (request.query_params.get("lang"), request.cookies.get(COOKIE), configured):
        if wish in LANGUAGES:
            return wish
    return _preferred(request.headers.get("accept-language", ""))


def _preferred(header: str) -> str:
    """Of an Accept-Language header: `zh-CN,zh;q=0.9,en;q=0.8`."""
    wishes: list[tuple[float, int, str]] = []
    for part in header.split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        try:
            wishes.append((-float(quality or 1), len(wishes), tag.split("-")[0].lower()))
        except ValueError:
            continue
    return next((tag for weight, _, tag in sorted(wishes) if weight < 0 and tag in LANGUAGES), "en")
