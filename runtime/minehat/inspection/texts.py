"""Pieces of what people read: one screen, a title on the left, what was found on the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..card import ModelCard

TITLE, BAR, WIDTH = 14, 24, 96  # characters
_LETTERS = {"int8": "8", "uint8": "u", "fp16": "h", "bf16": "b", "fp32": "f"}


def card_text(path: object, card: ModelCard) -> str:
    """One screen on a card alone."""
    return "\n".join([f"{path}  a model's card", *card_lines(card)])


def card_lines(card: ModelCard) -> list[str]:
    """What a model is, as its card says."""
    where = {"none": "by the runtime", "topk": "by the runtime", "graph": "inside the graph",
             "plugin": "inside the graph, by a plugin"}[card.suppression]
    candidates = f", of the {card.candidates} best boxes" if card.candidates else ""
    decode = ", decode outside" if card.decode == "outside" else ""
    return [*block("card", [f"{card.name}, {card.precision}, {card.size_text}, classes {', '.join(card.classes)}",
                            f"conf {card.conf:g}, iou {card.iou:g}, suppression {where}{candidates}{decode}"]),
            *(block("parent", [f"sha256 {card.parent_sha256}"]) if card.parent_sha256 else []),
            *block("accuracy", [f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
                                for name, figures in card.accuracy.items()] or ["not measured"])]


def block(title: str, lines: Sequence[str]) -> list[str]:
    """A title beside the first line, the others below it; "none" where there is none."""
    return [f"  {title if row == 0 else '':{TITLE}}{line}" for row, line in enumerate(lines or ["none"])]


def bars(counts: Mapping[str, int], notes: Mapping[str, str] | None = None) -> list[str]:
    """How many of each, with a bar for its share and a note behind it."""
    total, notes = sum(counts.values()), notes or {}
    cells = {name: "#" * max(1, round(BAR * count / total)) for name, count in counts.items()}
    return [f"{name:24}{count:5}  {cells[name]:{BAR}}  {notes.get(name, '')}".rstrip()
            for name, count in counts.items()]


def strip(runs_in: Iterable[str]) -> list[str]:
    """One letter a convolution in the graph's order, and what the letters mean."""
    types = list(runs_in)
    letters = "".join(_LETTERS.get(dtype, "?") for dtype in types)
    meant = ", ".join(f"{_LETTERS.get(dtype, '?')} {dtype}" for dtype in dict.fromkeys(types))
    rows = [letters[start:start + WIDTH] for start in range(0, len(letters), WIDTH)]
    return [*rows[:-1], f"{rows[-1]}  in order: {meant}"] if rows else []


def calibration_lines(found: Mapping[str, object]) -> list[str]:
    """On what the INT8 ranges were found, hashes cut short."""
    return wrapped([f"{key} {str(value)[:16] if key.endswith('sha256') else value}"
                     for key, value in sorted(found.items())])


def wrapped(parts: Sequence[str]) -> list[str]:
    """Parts with commas between them, in lines of WIDTH."""
    lines: list[str] = []
    for row, part in enumerate(parts):
        word = part + ("," if row < len(parts) - 1 else "")
        if lines and len(lines[-1]) + len(word) < WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def mb(count: float) -> str:
    """Bytes as people say them."""
    return f"{count / 1e6:.1f} MB"
