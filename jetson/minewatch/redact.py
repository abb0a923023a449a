"""Secrets kept out of whatever people, files and other machines are shown, in every form that they are written in."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Iterator
from html.entities import codepoint2name
from urllib.parse import unquote, unquote_plus

from minehat.errors import MineHatError
from minehat.inputs import SECRET_KEY, without_secrets

from .config.schema import Config
from .config.secrets import revealed, secrets_of, urls_of

MARK = "***"
SHORTEST = 4  # characters; a shorter secret is hidden in URLs and headers only, as it is part of many words
TOKEN = 16  # characters from which a part of a webhook's path is one: that is how chats let a robot in
LONGEST = 2048  # characters of a URL of which some are shown
URL = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s"'<>`]+""")
HEADER = re.compile(r"""(?i)(authorization["']?\s*[:=]\s*b?["']?\s*(?:basic|bearer)\s+)[^\s"',;]+""")
DIGEST = re.compile(r"""(?i)(\bresponse\s*=\s*\\*["']?)[0-9a-f]{32,128}""")
BASE64 = re.compile(r"[A-Za-z0-9+/_=-]{5,}")
VALUE = r"((?:(?!_[^\W_]+=)[^&;/#])*)"  # of a key in a URL's path, where _ joins them too


class Redactor:
    """Call it with a text; it gives the text with *** in place of each secret. Travels between processes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._know(secrets)

    @classmethod
    def of(cls, config: Config) -> Redactor:
        """Knows all secrets of the configuration."""
        return cls(_told(config))

    def learn(self, config: Config) -> None:
        """Know those of another configuration too, as after a reload; the old ones may still come up."""
        self._know({*self.secrets, *_told(config)})

    def __call__(self, text: str) -> str:
        """The text without secrets: known ones in whatever form, others in URLs and Authorization headers."""
        count = 1 if self.secrets else 0
        while count:  # what remains on both sides of a mark may be one again
            text, count = self._pattern.subn(MARK, text)
        text = BASE64.sub(self._unless_secret, text)
        text = URL.sub(_shown, text)
        return DIGEST.sub(r"\1" + MARK, HEADER.sub(r"\1" + MARK, text))

    def __reduce__(self) -> tuple[type[Redactor], tuple[list[str]]]:
        return Redactor, (sorted(self.secrets),)

    def _know(self, secrets: Iterable[str]) -> None:
        long = {secret for secret in secrets if len(secret) >= SHORTEST}
        forms = "|".join(_any_form(secret) for secret in sorted(long, key=len, reverse=True))
        self._pattern, self._cores = re.compile(forms or r"(?!)"), {
            core for secret in long for core in _base64_cores(secret.encode("utf-8", "replace"))}
        self.secrets = frozenset(long)

    def _unless_secret(self, found: re.Match[str]) -> str:
        plain = found[0].replace("-", "+").replace("_", "/")
        return MARK if any(core in plain for core in self._cores) else found[0]


def _told(config: Config) -> Iterator[str]:
    """Every secret of the configuration, as itself and as it stands in a URL."""
    for _, secret in secrets_of(config):
        with contextlib.suppress(MineHatError):
            yield revealed(secret) or ""
    for user in config.web.users:
        yield user.password_hash
    for _, url in urls_of(config):
        for part in _in_url(url):
            yield from (part, unquote(part), unquote_plus(part))
    for hook in config.sinks.webhooks:
        yield from (part for part in re.split("[/?&=#]", hook.url.partition("://")[2])[1:] if len(part) >= TOKEN)


def _in_url(url: str) -> Iterator[str]:
    """The password before the host, wherever that ends, and the values of keys that sound secret."""
    rest = url.partition("://")[2]
    for reach in (rest, rest.partition("/")[0]):
        yield reach.rpartition("@")[0].partition(":")[2]
    path, _, query = rest.partition("?")
    yield from (found[2] for found in re.finditer(SECRET_KEY + VALUE, path))
    yield from (found[2] for found in re.finditer(SECRET_KEY + "([^&#]*)", "?" + query))


def _shown(found: re.Match[str]) -> str:
    url = found[0]
    return without_secrets(url) if len(url) <= LONGEST else f"{url.partition('://')[0]}://{MARK}"


def _any_form(secret: str) -> str:
    return "".join(_slashes(len(run)) if (run := found[0])[0] == "\\" else f"(?:{'|'.join(_forms(run))})"
                   for found in re.finditer(r"\\+|[\s\S]", secret))


def _slashes(count: int) -> str:
    """So many backslashes, each of which others may have doubled; one number for all keeps the search short."""
    return rf"(?:\\u005[cC]|\\x5[cC]|%(?:25){{0,4}}5[cC]|&(?:amp;){{0,4}}#92;|\\){{{count},{8 * count}}}"


def _forms(letter: str) -> Iterator[str]:
    """Patterns of one letter: itself, and as URLs, JSON, repr and HTML write it, once or several times over."""
    raw, code = letter.encode("utf-8", "surrogatepass"), ord(letter)
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    named = codepoint2name.get(code, "apos" if letter == "'" else "")
    slash = r"\\{1,8}"  # the number bounds the search in a text of nothing but slashes
    yield re.escape(letter) if letter.isalnum() else r"\\{0,8}" + re.escape(letter)
    yield "".join("%(?:25){0,4}" + _hex(f"{byte:02x}") for byte in raw)
    yield "".join(f"{slash}x{_hex(f'{byte:02x}')}" for byte in raw)
    yield "".join(f"{slash}u{_hex(units[at:at + 4])}" for at in range(0, len(units), 4))
    yield f"{slash}(?:x{_hex(f'{code:02x}')}|U{_hex(f'{code:08x}')})"
    yield f"&(?:amp;){{0,4}}(?:#0{{0,4}}{code};|#[xX]0{{0,4}}{_hex(f'{code:x}')};{f'|{named};' if named else ''})"
    if letter == " ":
        yield r"\+"


def _hex(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _base64_cores(secret: bytes) -> Iterator[str]:
    """What base64 makes of the secret wherever in a text it stands, its mixed first and last letters left out."""
    for before, mixed in ((0, 0), (1, 2), (2, 3)):
        told = base64.b64encode(b"\0" * before + secret).decode()
        core = told[mixed:8 * (before + len(secret)) // 6]
        if len(core) >= SHORTEST:
            yield core
