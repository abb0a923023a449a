"""YAML read with the place of each value, within limits that no hostile file gets past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

DEEPEST, MOST_NODES, MOST_KEYS, MOST_DIGITS = 16, 40_000, 200, 18
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
         "": None, "~": None, "null": None, "Null": None, "NULL": None}
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
TABBED = re.compile(r"^ *\t", re.MULTILINE)
MERGE = "<<"
SYNTAX = (  # a phrase of the parser's, what we say, and whether it is meant where the thing begins
    ("mapping values are not allowed", "a `:` that cannot stand here; indent the line as its neighbours are, or put "
     "a text with `: ` in it in quotes", False),
    ("but found '<block", "is indented otherwise than its neighbours", False),
    ("expected <block end>", "is indented otherwise than its neighbours, or the line above lacks its end", False),
    ("expected ':'", "a key without `:` after it", True),
    ("cannot start any token", "a text that begins with this character must be in quotes", False),
    ("scanning a quoted scalar", "a text whose quotation mark is never closed, or that holds a \\ which must be \\\\",
     True),
    ("parsing a flow", "a [ or { that is never closed, or lacks a comma", True),
    ("scanning an alias", "a text that begins with * must be in quotes", True),
    ("scanning an anchor", "a text that begins with & must be in quotes", True),
)


@dataclass(frozen=True)
class Fault:
    """One thing to mend. Lines and columns begin with 1."""

    line: int
    column: int
    path: str  # cameras.1.url; "" of the whole file
    text: str


class Unreadable(Exception):
    """What ends the reading of a file at once."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


@dataclass
class Node:
    """A value and where it stands: a scalar, a list or a mapping."""

    line: int
    column: int
    value: Any = None
    items: list[Node] | None = None
    entries: dict[str, Entry] | None = None
    size: int = 1  # nodes, itself among them
    depth: int = 0  # levels below it
    left_out: bool = False  # by whoever has told of its fault already

    def children(self) -> Iterator[tuple[str | int, Node]]:
        """Keys or numbers, and what stands there."""
        if self.items is not None:
            yield from enumerate(self.items)
        for key, entry in (self.entries or {}).items():
            yield key, entry.node

    def plain(self) -> Any:
        """As Python has it, without what was left out."""
        if self.items is not None:
            return [node.plain() for node in self.items if not node.left_out]
        if self.entries is not None:
            return {key: entry.node.plain() for key, entry in self.entries.items() if not entry.node.left_out}
        return self.value


@dataclass
class Entry:
    """A key of a mapping: where it stands itself, and its value."""

    line: int
    column: int
    node: Node


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    node: Node
    anchor: str | None
    key: tuple[str, int, int] | None = None
    merged: list[Node] = field(default_factory=list)


def tree_of(text: str) -> tuple[Node, list[Fault]]:
    """The tree of a YAML text and the faults that did not stop the reading. Raises Unreadable for those that do."""
    if found := UNPRINTABLE.search(text):
        raise Unreadable(_at(text, found.start(), f"an unprintable character (U+{ord(found[0]):04X}); take it out"))
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except YAMLError as exc:
        tabs = [_at(text, found.end() - 1, "a tab; indent with spaces") for found in TABBED.finditer(text)]
        raise Unreadable(*(tabs or [_syntax(exc)])) from exc
    if builder.root is None:
        raise Unreadable(Fault(1, 1, "", "the file is empty; wanted version, state, model and cameras at least"))
    return builder.root, builder.faults


class _Builder:
    """Makes nodes of events, one after another, and never itself calls itself: depth costs no stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise Unreadable(Fault(line, column, "", "a second document begins (`---`); wanted a single one"))
        if isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            done = self._open.pop()
            self._merge(done)
            children = [child for _, child in done.node.children()]
            done.node.size = 1 + sum(child.size for child in children)
            done.node.depth = 1 + max((child.depth for child in children), default=0)
            self._place(done.node, done.anchor)
        elif isinstance(event, AliasEvent):
            self._alias(event, line, column)
        elif isinstance(event, NodeEvent):
            self._node(event, line, column)

    def _node(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None:
            raise Unreadable(Fault(line, column, self._path(), "a tag (`!...`); wanted plain values, and a text that "
                                   "begins with ! in quotes"))
        self._count(1, line, column)
        if isinstance(event, ScalarEvent):
            self._scalar(event, line, column)
            return
        if self._awaits_key():
            raise Unreadable(Fault(line, column, self._path(), "a list or mapping as a key; wanted a word"))
        self._check_depth(1, line, column)
        kinds: dict[str, Any] = {"entries": {}} if isinstance(event, MappingStartEvent) else {"items": []}
        assert isinstance(event, (MappingStartEvent, SequenceStartEvent))
        self._open.append(_Open(Node(line, column, **kinds), event.anchor))

    def _scalar(self, event: Any, line: int, column: int) -> None:
        if self._awaits_key():
            self._key(event.value, line, column)
            return
        if event.style is None and not event.value:  # it begins on the next line that holds something
            if event.anchor:
                raise Unreadable(Fault(line, column, self._path(), "a text that begins with & must be in quotes"))
            line, column = (self._open[-1].key or ("", line, column))[1:] if self._open else (line, column)
        if event.style is None and INT.fullmatch(event.value) and len(event.value) > MOST_DIGITS:
            raise Unreadable(Fault(line, column, self._path(), f"a number of more than {MOST_DIGITS} digits"))
        self._place(Node(line, column, _typed(event.value) if event.style is None else event.value), event.anchor)

    def _key(self, key: str, line: int, column: int) -> None:
        entries = self._open[-1].node.entries or {}
        if key in entries:
            first = entries[key].line
            self.faults.append(Fault(line, column, self._path(key), f"stands twice; the first is on line {first}"))
        if len(entries) >= MOST_KEYS or len(self.faults) >= MOST_KEYS:
            many = Fault(line, column, self._path(), f"more than {MOST_KEYS} keys, or keys that stand twice")
            raise Unreadable(*self.faults, many)
        self._open[-1].key = (key, line, column)

    def _alias(self, event: Any, line: int, column: int) -> None:
        known = self._anchors.get(event.anchor)
        if known is None:
            raise Unreadable(Fault(line, column, self._path(), "refers to an anchor that does not stand above; put a "
                                   "text that begins with * in quotes"))
        if self._awaits_key():
            raise Unreadable(Fault(line, column, self._path(), "an alias as a key; wanted a word"))
        self._count(known.size, line, column)
        self._check_depth(known.depth, line, column)
        self._place(known, None)

    def _place(self, node: Node, anchor: str | None) -> None:
        """Put a finished node where it belongs."""
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if parent.node.items is not None:
            parent.node.items.append(node)
            return
        assert parent.key is not None and parent.node.entries is not None
        (key, line, column), parent.key = parent.key, None
        if key == MERGE:
            parent.merged += node.items if node.items is not None else [node]
        else:
            parent.node.entries.setdefault(key, Entry(line, column, node))

    def _merge(self, done: _Open) -> None:
        """`<<: *x` lends what stands there to a mapping, as long as it does not say it itself."""
        for lent in done.merged:
            if lent.entries is None:
                self.faults.append(Fault(lent.line, lent.column, self._path(MERGE), "wanted a mapping to merge"))
            for key, entry in (lent.entries or {}).items():
                assert done.node.entries is not None
                done.node.entries.setdefault(key, entry)

    def _awaits_key(self) -> bool:
        return bool(self._open) and self._open[-1].node.entries is not None and self._open[-1].key is None

    def _count(self, nodes: int, line: int, column: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise Unreadable(Fault(line, column, "", f"more than {MOST_NODES} values, those that aliases repeat among "
                                   "them; wanted fewer"))

    def _check_depth(self, levels: int, line: int, column: int) -> None:
        if len(self._open) + levels > DEEPEST:
            raise Unreadable(Fault(line, column, "", f"lists and mappings more than {DEEPEST} deep; wanted fewer"))

    def _path(self, last: str = "") -> str:
        """Where the reading is."""
        names = [str(len(each.node.items)) if each.node.items is not None else each.key[0] if each.key else last
                 for each in self._open]
        return ".".join(filter(None, names))


def _typed(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema."""
    if text in WORDS:
        return WORDS[text]
    if INT.fullmatch(text):
        return int(text, 0) if text[1:2] in ("o", "x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan")) if FLOAT.fullmatch(text) else text


def _at(text: str, place: int, words: str) -> Fault:
    return Fault(text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place), "", words)


def _syntax(exc: YAMLError) -> Fault:
    """The parser's complaint in our words, without what stands in the file: that may be a password."""
    if not isinstance(exc, MarkedYAMLError):
        return Fault(1, 1, "", "cannot be read as YAML")
    told = f"{exc.context or ''} {exc.problem or ''}"
    words, begins = next(((words, begins) for phrase, words, begins in SYNTAX if phrase in told),
                         ("cannot be read as YAML from here on", False))
    mark = (exc.context_mark if begins else exc.problem_mark) or exc.problem_mark or exc.context_mark
    return Fault(mark.line + 1, mark.column + 1, "", words) if mark else Fault(1, 1, "", words)
