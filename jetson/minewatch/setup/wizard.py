"""The questions of `minewatch setup`, one subject after the other; what is answered is a configuration's own keys."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from minehat.gpu import first_gpu

from ..config.passwords import hashed
from . import models
from .cameras import Cameras, Look
from .drafts import complaint
from .places import state_for
from .terminal import Check, Terminal

Told = dict[str, Any]
ROLES = ("viewer", "operator", "admin")


def asked(terminal: Terminal, folder: Path, look: Look) -> Told:
    """A configuration, passwords still in it. folder: where it will stand. look: opens a camera, and tells of it."""
    told: Told = {}
    terminal.say("The first configuration of the watch. [Enter] takes what stands in [ ]; Ctrl-C leaves everything as "
                 "it was.\n")
    told["site"] = terminal.ask("Name of this site", "mine", against("site", folder))
    told["state"] = terminal.ask("Folder for events, pictures and clips", str(state_for(folder)),
                                 against("state", folder))
    told["cameras"] = Cameras(terminal, folder, look).asked()
    told["model"] = _model(terminal, folder)
    told["web"] = _page(terminal, folder)
    told["sinks"] = _receivers(terminal, folder)
    return {key: value for key, value in told.items() if value}


def against(place: str, folder: Path, made: Callable[[str], Mapping[str, Any]] | None = None) -> Check:
    """A check of one answer by the schema. made: the piece of a configuration that holds it at `place`."""
    return lambda text: complaint(made(text) if made else {place: text}, place, folder)


def _model(terminal: Terminal, folder: Path) -> Told:
    """Which network looks, and whether an engine is built of it."""
    terminal.say()
    known = models.shipped()
    best = models.for_cpu(known)
    for row, model in enumerate(best, 1):
        terminal.say(f"  {row}  {model.told}")
    answer = terminal.ask("Model: a number, or an .onnx or .engine file" if best else "Model: an .onnx or .engine file",
                          "1" if best else "", lambda text: _no_model(text, len(best), folder))
    if not answer.isdecimal():
        return {"file": answer}
    chosen = best[int(answer) - 1]
    gpu, engine = first_gpu(), models.for_engine(chosen, known)
    wanted = gpu and engine and terminal.yes(f"Build an engine for the {gpu.name} while the watch runs already?", True)
    return models.part_of(chosen, engine if wanted else None)


def _no_model(text: str, count: int, folder: Path) -> str:
    if text.isdecimal():
        return "" if 1 <= int(text) <= count else f"wanted 1 to {count}"
    if not (folder / text).is_file():
        return f"{folder / text}: no such file"
    return complaint({"model": {"file": text}}, "model", folder)


def _page(terminal: Terminal, folder: Path) -> Told:
    """Where the page is, and who may see it."""
    terminal.say()
    told: Told = {"listen": terminal.ask("The page listens on this machine alone, at", "127.0.0.1:8787",
                                         against("web.listen", folder, lambda text: {"web": {"listen": text}}))}
    if not terminal.yes("Shall others open it, through the nginx that was shipped?", False):
        return told
    told["hosts"] = terminal.ask("Names or addresses that they type, with a space between them", "",
                                 lambda text: _no_hosts(text.split(), folder)).split()
    told["users"] = []
    while not told["users"] or terminal.yes("Another user?", False):
        told["users"].append(_user(terminal, folder, told["users"]))
    return told


def _no_hosts(hosts: list[str], folder: Path) -> str:
    return complaint({"web": {"hosts": hosts}}, "web.hosts", folder) if hosts else "wanted at least one"


def _user(terminal: Terminal, folder: Path, others: list[Told]) -> Told:
    first, stand_in = not others, hashed("stand-in")

    def wrong(text: str) -> str:
        users = [*others, {"name": text, "password_hash": stand_in}]
        return complaint({"web": {"users": users}}, f"web.users.{len(others)}", folder)

    name = terminal.ask("  Name of the first user" if first else "  Name", "admin" if first else "", wrong)
    role = terminal.choose("  Role", ROLES, "admin" if first else "operator")
    return {"name": name, "role": role, "password_hash": hashed(terminal.new_password("  Password"))}


def _receivers(terminal: Terminal, folder: Path) -> Told:
    """Who is told of events."""
    terminal.say("\nWho is told of events. Enter for nobody.")
    told = {"mqtt": _broker(terminal, folder), "webhooks": _webhooks(terminal, folder),
            "siren": _siren(terminal, folder)}
    return {key: value for key, value in told.items() if value}


def _broker(terminal: Terminal, folder: Path) -> Told:
    def wrong(**keys: Any) -> str:
        return complaint({"sinks": {"mqtt": {"host": "stand-in", **keys}}}, "sinks.mqtt", folder)

    host = terminal.ask("MQTT broker", shown="none", check=lambda text: wrong(host=text) if text else "")
    if not host:
        return {}
    told: Told = {"host": host, "tls": terminal.yes("  By TLS?", False)}
    port = terminal.ask("  Port", "8883" if told["tls"] else "1883",
                        lambda text: wrong(port=int(text)) if text.isdecimal() else "wanted a whole number")
    told["port"] = int(port)
    if user := terminal.ask("  User", shown="none", check=lambda text: wrong(user=text) if text else ""):
        told["user"] = user
        if password := terminal.secret("  Password", lambda text: wrong(user=user, password=text) if text else ""):
            told["password"] = password
    return told


def _webhooks(terminal: Terminal, folder: Path) -> list[Told]:
    def wrong(text: str) -> str:
        return complaint({"sinks": {"webhooks": [{"name": "stand-in", "url": text}]}}, "sinks.webhooks.0", folder)

    url = terminal.ask("Webhook, an http:// or https:// address", shown="none",
                       check=lambda text: wrong(text) if text else "")
    if not url:
        return []
    secret = terminal.secret("  Secret that signs what is sent; Enter makes one")
    return [{"name": "webhook", "url": url, "secret": secret or secrets.token_urlsafe(32)}]


def _siren(terminal: Terminal, folder: Path) -> Told:
    def wrong(text: str) -> str:
        try:
            words = shlex.split(text)
        except ValueError as exc:
            return f"{exc}"
        return complaint({"sinks": {"siren": {"command": words}}}, "sinks.siren", folder)

    command = terminal.ask("Siren: a program, with its arguments", shown="none",
                           check=lambda text: wrong(text) if text else "")
    return {"command": shlex.split(command)} if command else {}

