"""Where the configuration's secrets are, and what they say."""

from __future__ import annotations

import os
from collections.abc import Iterator

from minehat.errors import MineHatError
from minehat.inputs import is_url, without_secrets

from .schema import Config, Secret
from .suggest import Loc

LONGEST = 4096  # bytes of a secret's file that are read


def revealed(secret: Secret | None) -> str | None:
    """What the secret says, now; None for none. Raises MineHatError where its file or variable does not say."""
    if secret is None:
        return None
    if secret.value is not None:
        return secret.value.get_secret_value()
    if secret.env is not None:
        return _of_variable(secret.env)
    return _of_file(str(secret.file))


def secrets_of(config: Config) -> Iterator[tuple[Loc, Secret]]:
    """Every secret and where it stands."""
    for row, camera in enumerate(config.cameras):
        if camera.password:
            yield ("cameras", row, "password"), camera.password
    if config.sinks.mqtt and config.sinks.mqtt.password:
        yield ("sinks", "mqtt", "password"), config.sinks.mqtt.password
    for row, hook in enumerate(config.sinks.webhooks):
        if hook.secret:
            yield ("sinks", "webhooks", row, "secret"), hook.secret
    if config.updates.password:
        yield ("updates", "password"), config.updates.password


def urls_of(config: Config) -> Iterator[tuple[Loc, str]]:
    """Every URL, for what may be hidden in it, and where it stands."""
    for row, camera in enumerate(config.cameras):
        if is_url(camera.url):
            yield ("cameras", row, "url"), camera.url
    for row, hook in enumerate(config.sinks.webhooks):
        yield ("sinks", "webhooks", row, "url"), hook.url


def holds_secrets(config: Config) -> bool:
    """Whether the file itself tells a secret, or a hash that one can be guessed from."""
    told = any(secret.value for _, secret in secrets_of(config)) or bool(config.web.users)
    return told or any(without_secrets(url) != url for _, url in urls_of(config))


def _of_variable(name: str) -> str:
    if text := os.environ.get(name):
        return text
    raise MineHatError(f"the environment has no variable {name}. Set it where minewatch is started, or name a `file`.")


def _of_file(path: str) -> str:
    try:
        with open(path, "rb", opener=_never_waiting) as file:
            raw = file.readline(LONGEST)
        text = raw.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise MineHatError(f"{path} cannot be read: {why}. Put the password alone into its first line.") from exc
    if not text.isprintable() or not text:
        raise MineHatError(f"{path} begins with no line of plain text. Put the password alone into its first line.")
    return text


def _never_waiting(path: str, flags: int) -> int:
    """Of a pipe into which nobody writes the end is read at once: a reload must not hold up the watch."""
    return os.open(path, flags | os.O_NONBLOCK)
