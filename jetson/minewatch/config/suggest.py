"""What the schema would have taken: the keys of a place, what a value may be there, and which known word is close."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from .rules import close_to, closest
from .schema import Config, Part, Secret

Loc = tuple[str | int, ...]


def kind_at(loc: Loc) -> Any:
    """The annotation of a place in the configuration; None where the schema has no such place."""
    kind: Any = Config
    for step in loc:
        part = _part_of(kind)
        if part and step in part.model_fields:
            kind = part.model_fields[str(step)].annotation
        elif not part and isinstance(step, int):
            kind = _item_of(kind)
        else:
            return None
    return kind


def keys_at(loc: Loc) -> tuple[str, ...]:
    """The keys that the mapping there may have."""
    part = _part_of(kind_at(loc))
    return tuple(part.model_fields) if part else ()


def is_required(loc: Loc) -> bool:
    """Whether the mapping around it needs this key."""
    part = _part_of(kind_at(loc[:-1]))
    return bool(part and loc[-1] in part.model_fields and part.model_fields[str(loc[-1])].is_required())


def is_secret(loc: Loc) -> bool:
    """Whether the value there must not be shown."""
    return loc[-1:] == ("password_hash",) or any(
        Secret in (_part_of(kind_at(loc[:end])), kind_at(loc[:end])) for end in range(len(loc) + 1))


def is_number(loc: Loc) -> bool:
    """Whether a number is wanted there, and no true or false."""
    kinds = list(leaves(kind_at(loc)))
    return int in kinds or float in kinds


def instead_of(loc: Loc) -> str:
    """What may have been meant by a key that is unknown there: a like one, or the place where it belongs."""
    key, known = str(loc[-1]), keys_at(loc[:-1])
    if meant := meant_by(loc):
        return f" (did you mean {meant!r}?)"
    if places := _places().get(key):
        return f" (it belongs to {' or '.join(repr(place) for place in places[:3])})"
    return close_to(key, known) or f"; known here: {', '.join(known)}"


def meant_by(loc: Loc) -> str:
    """The key beside it that an unknown one is much like; "" for none."""
    return closest(str(loc[-1]), keys_at(loc[:-1]), 0.72)


@cache
def _places() -> dict[str, tuple[str, ...]]:
    """Key -> the parts of the configuration that have it."""
    found: dict[str, tuple[str, ...]] = {}
    for path, key in _walked(Config, ""):
        found[key] = (*found.get(key, ()), path or "the top level")
    return found


def _walked(part: type[Part], path: str) -> Iterator[tuple[str, str]]:
    for key, info in part.model_fields.items():
        if part is not Secret:
            yield path, key
        below = f"{path}.{key}".lstrip(".")
        if inner := _part_of(info.annotation):
            yield from _walked(inner, below)
        elif inner := _part_of(_item_of(info.annotation)):
            yield from _walked(inner, f"{below}.N")


def leaves(kind: Any) -> Iterator[Any]:
    """The plain types that an annotation allows."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from leaves(get_args(kind)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(kind):
            yield from leaves(each)
    else:
        yield kind


def _part_of(kind: Any) -> type[Part] | None:
    return next((leaf for leaf in leaves(kind) if isinstance(leaf, type) and issubclass(leaf, Part)), None)


def _item_of(kind: Any) -> Any:
    """Of tuple[X, ...], or of X, Y and so on in tuple[X, Y], one."""
    for leaf in leaves(kind):
        if get_origin(leaf) is tuple:
            return get_args(leaf)[0]
    return None


