"""What pydantic complains of, in words for whom the file is: what was found, what is allowed, what was meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from .positions import Fault, Node
from .rules import close_to
from .schema import CHIP, LINE, NAME, VARIABLE, VERSION
from .suggest import Loc, instead_of, is_secret, keys_at, kind_at, leaves, meant_by

LONGEST = 60  # characters of a value that are shown
A_TEXT = "a text"
TYPES = {  # by the first part of pydantic's name for the error
    "int": "a whole number", "float": "a number", "finite": "a number", "bool": "true or false", "string": A_TEXT,
    "path": "the name of a file or folder", "tuple": "a list"}
PATTERNS = {NAME: """a name without / \\ # + " ' < >, that does not begin with .""",
            LINE: "one line of text", VARIABLE: "the name of a variable, as CAM_1",
            CHIP: "a device, as /dev/gpiochip0"}
NEEDED = {"version": VERSION, "state": "a folder for events and pictures", "model": "a mapping with `file`",
          "file": "the network, an .onnx or .engine file", "onnx": "the .onnx file that it is built from",
          "cameras": "at least one, with name and url",
          "name": "a name", "url": "what to open", "points": "three corners or more", "host": "the broker's",
          "password_hash": "what `minewatch hash-password` prints"}
LIMITS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"),
          "greater_than": ("gt", "more than"), "less_than": ("lt", "less than")}
Error = Mapping[str, Any]


def told_of(errors: Sequence[tuple[Error, Loc]], tree: Node) -> list[Fault]:
    """The faults, placed, without those that only follow from another one. A Loc is as the file has it."""
    misspelt = {(*loc[:-1], meant_by(loc)) for error, loc in errors if error["type"] == "extra_forbidden"}
    told = []
    for error, loc in errors:
        line, column, _ = place_of(tree, loc, key=error["type"] == "extra_forbidden")
        follows = (error["type"] == "missing" and loc in misspelt) or _follows(error, loc, tree)
        words = "" if follows else _words(error, loc, tree)
        told += [Fault(line, column, dotted(loc), words)] if words else []
    return told


def _follows(error: Error, loc: Loc, tree: Node) -> bool:
    """Whether it is only told because a key that it is about, or one that nobody knows, was taken away."""
    about, node = getattr(error.get("ctx", {}).get("error"), "keys", ()), place_of(tree, loc)[2]
    gone = {key for key, child in node.children() if child.left_out} if node and about else set()
    unknown = gone - set(keys_at(loc))
    return bool(gone & set(about)) or any(meant_by((*loc, key)) in ("", *about) for key in unknown)


def at_of(error: Error) -> Loc:
    """Where, below the place that it names, the error is."""
    return getattr(error.get("ctx", {}).get("error"), "at", ())


def dotted(loc: Loc) -> str:
    """cameras.1.url"""
    return ".".join(map(str, loc))


def place_of(tree: Node, loc: Loc, key: bool = False) -> tuple[int, int, Node | None]:
    """Line and column of a value, or of its key; of what is around it where it is not there itself."""
    node, line, column = tree, tree.line, tree.column
    for row, step in enumerate(loc):
        if node.entries is not None and step in node.entries:
            entry = node.entries[str(step)]
            node = entry.node
            here = entry if key and row == len(loc) - 1 else node
            line, column = here.line, here.column
        elif node.items is not None and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            line, column = node.line, node.column
        else:
            return line, column, None
    return line, column, node


def _words(error: Error, loc: Loc, tree: Node) -> str:
    kind, more = str(error["type"]), error.get("ctx", {})
    if kind == "value_error":
        return str(more["error"])
    if kind in LIMITS:
        limit, least = LIMITS[kind]
        return f"found {_shown(error, loc)}; wanted {least} {more[limit]:g}"
    if kind in SPECIAL:
        return SPECIAL[kind](error, loc, tree)
    wanted = TYPES.get(kind.partition("_")[0])
    if wanted is None:
        return str(error["msg"])[:1].lower() + str(error["msg"])[1:]
    found = error["input"]
    quotes = "; put it in quotes" if wanted == A_TEXT and isinstance(found, (bool, int, float)) else ""
    return f"found {_shown(error, loc)}; wanted {wanted}{quotes}"


def _unknown(error: Error, loc: Loc, _: Node) -> str:
    return f"no such key{instead_of(loc)}"


def _missing(error: Error, loc: Loc, _: Node) -> str:
    return f"is missing; wanted {NEEDED.get(str(loc[-1]), 'x and y of each point')}"


def _choice(error: Error, loc: Loc, _: Node) -> str:
    found, known = error["input"], [str(one) for leaf in leaves(kind_at(loc)) if get_origin(leaf) is Literal
                                    for one in get_args(leaf)]
    if loc == ("version",):
        newer = isinstance(found, int) and not isinstance(found, bool) and found > VERSION
        return f"found {_shown(error, loc)}; wanted {VERSION}" + ("; this minewatch is older than the file, install a "
                                                                  "newer one" if newer else "")
    return f"found {_shown(error, loc)}; wanted {' or '.join(known)}{close_to(str(found), known)}"


def _keys(error: Error, loc: Loc, _: Node) -> str:
    text = "a password in quotes, or one of " if is_secret(loc) else ""
    return f"found {_shown(error, loc)}; wanted {text}the keys {', '.join(keys_at(loc))}"


def _too_few(error: Error, loc: Loc, tree: Node) -> str:
    node, least = place_of(tree, loc)[2], error["ctx"]["min_length"]
    if isinstance(error["input"], str):
        return _too_short(error, loc, tree)
    count = len(node.items) if node and node.items is not None else 0
    return "" if count >= least else f"found {count or 'no'} entries; wanted at least {least}"


def _too_many(error: Error, loc: Loc, tree: Node) -> str:
    if isinstance(error["input"], str):
        return _too_long(error, loc, tree)
    return f"found {len(error['input'])} entries; wanted at most {error['ctx']['max_length']}"


def _too_short(error: Error, loc: Loc, _: Node) -> str:
    return "found an empty text; wanted some"


def _too_long(error: Error, loc: Loc, _: Node) -> str:
    return f"found a text of {len(str(error['input']))} characters; wanted at most {error['ctx']['max_length']}"


def _pattern(error: Error, loc: Loc, _: Node) -> str:
    return f"found {_shown(error, loc)}; wanted {PATTERNS[error['ctx']['pattern']]}"


SPECIAL: dict[str, Callable[[Error, Loc, Node], str]] = {
    "extra_forbidden": _unknown, "missing": _missing, "literal_error": _choice, "model_type": _keys,
    "model_attributes_type": _keys, "too_short": _too_few, "too_long": _too_many, "string_too_short": _too_short,
    "string_too_long": _too_long, "string_pattern_mismatch": _pattern}


def _shown(error: Error, loc: Loc) -> str:
    """What was found, unless it may be a secret."""
    found = error["input"]
    if found is None:
        return "nothing"
    if isinstance(found, (dict, list)):
        return "a list" if isinstance(found, list) else "a mapping"
    if is_secret(loc):
        return A_TEXT if isinstance(found, str) else "a number"
    if isinstance(found, bool):
        return str(found).lower()
    text = str(found)
    text = text if len(text) <= LONGEST else text[:LONGEST] + "..."
    return repr(text) if isinstance(found, str) else text
