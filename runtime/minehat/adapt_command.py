"""minehat adapt yolov8n.onnx -o hats.onnx --map hard-hat=helmet --map no-helmet=head --map person=-

Make another's detector serve here: its ONNX file gets our input and outputs and a model card, so that detect,
build, calib/quantize.py and the watch take it like our own. The layout of its outputs is recognised by its shapes,
its metadata and its answer to a picture of noise; where several fit you are asked for --layout.

layouts: yolov5 (also v7), yolov8 (also v9, v11, v12; v10 and YOLO26 exported with end2end=False), yolov10 (also YOLO26
end to end, and exports with nms=True), yolox, yolox-decoded, yolov3 (decoded inside), yolov3-maps (raw maps, also
channels last). Refused: masks, key points, classifiers, and suppression inside in another form.

The picture is centred in its square, where YOLOX puts it at the top left; boxes come out right either way, and what
that costs its scores was not measured: `python benchmarks/accuracy.py` tells on labelled pictures.
A foreign model keeps its licence.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .adapters import LAYOUTS, PIXELS, Adapted, Wish, contract_from_foreign
from .adapters.columns import OURS, listed
from .arguments import share
from .card import read_card
from .errors import MineHatError
from .labels.class_map import class_map
from .progress import say
from .report_file import check_report, write_report

MOST_CLASSES = 8  # that people are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat adapt` takes."""
    parser.add_argument("model", metavar="MODEL.onnx", help="the foreign detector, FP32 or FP16")
    parser.add_argument("-o", "--out", metavar="OUT.onnx", required=True, help="the file to write")
    parser.add_argument("--layout", choices=("auto", *LAYOUTS), default="auto", help="of its outputs (default auto)")
    parser.add_argument("--classes", metavar="A,B,C|FILE",
                        help="its classes in the order of its columns, or a file, one a line (default: its metadata)")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="what a class of its is here: hat=helmet, no-helmet=head (a bare one), person=- to leave "
                             "it out; several to one are merged; may be repeated")
    parser.add_argument("--anchors", metavar="W,H,W,H,...",
                        help="of yolov3-maps, in pixels of its input, finest scale first (default: YOLOv3's nine)")
    parser.add_argument("--size", metavar="WxH",
                        help="for an input whose sides are free (default: its metadata's, or 640x640)")
    parser.add_argument("--pixels", choices=tuple(PIXELS),
                        help="how it wants them (default: rgb01; of yolox bgr255; YOLOX before 0.2 wants imagenet)")
    parser.add_argument("--conf", metavar="C", type=share, help="default threshold on the score (0.25)")
    parser.add_argument("--iou", metavar="I", type=share, help="threshold of the suppression (0.5; yolov10 0.7)")
    parser.add_argument("--card", metavar="FILE",
                        help="card of the model as it came: classes, size, pixels and thresholds; flags go before it")
    parser.add_argument("--json", metavar="FILE", help="write what was recognised into this .json file; - for stdout")


def run(args: argparse.Namespace) -> int:
    """Adapt, tell people on stderr and machines in --json. Returns 0; raises MineHatError."""
    _check_places(args)
    wish = Wish(layout=args.layout, classes=_classes(args.classes), mapping=class_map(args.map),
                anchors=_anchors(args.anchors), size=_size(args.size), pixels=args.pixels, conf=args.conf,
                iou=args.iou, card=read_card(args.card) if args.card else None)
    adapted = contract_from_foreign(args.model, args.out, wish)
    say(_told(adapted))
    write_report(args.json, _report(args.model, adapted))
    return 0


def _check_places(args: argparse.Namespace) -> None:
    out = Path(args.out)
    if out.suffix.lower() != ".onnx":
        raise MineHatError(f"-o {out}: the name must end in .onnx.")
    if out.resolve() == Path(args.model).resolve():
        raise MineHatError(f"-o {out} is the model. Name another file.")
    check_report(args.json, model=args.model, card=args.card, classes=args.classes)


def _classes(text: str | None) -> tuple[str, ...] | None:
    """Names between commas, or the lines of the file that is called so."""
    if text is None:
        return None
    try:
        listed = Path(text).read_text(encoding="utf-8-sig").splitlines() if Path(text).is_file() else text.split(",")
    except (OSError, UnicodeDecodeError) as exc:
        raise MineHatError(f"--classes {text} cannot be read as UTF-8 text: {exc}.") from exc
    names = tuple(name.strip() for name in listed if name.strip())
    if not names:
        raise MineHatError(f"--classes {text} names none. Write --classes helmet,head or a file with one a line.")
    return names


def _anchors(text: str | None) -> tuple[tuple[float, float], ...] | None:
    if text is None:
        return None
    words = [word for word in re.split(r"[\s,]+", text) if word]
    try:
        sides = [float(word) for word in words]
    except ValueError:
        sides = []
    if not sides or len(sides) % 2 or not all(0 < side < 1e5 for side in sides):
        raise MineHatError(f"--anchors {text}: write pairs of width and height in pixels, 10,13,16,30,...")
    return tuple(zip(sides[::2], sides[1::2], strict=True))


def _size(text: str | None) -> tuple[int, int] | None:
    """WxH -> height, width"""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text or "")
    if text and not found:
        raise MineHatError(f"--size {text}: write WIDTHxHEIGHT, 416x256.")
    return (int(found[2]), int(found[1])) if found else None


def _told(adapted: Adapted) -> str:
    card, batch = adapted.card, adapted.batch or "any"
    lines = [f"{adapted.path}  {adapted.layout}: {adapted.why}",
             f"  input     {card.size_text}, {card.precision}, batch {batch}, {_pixels_told(adapted)}",
             f"  answers   {adapted.boxes} boxes, conf {card.conf:g}, iou {card.iou:g}"]
    for row, (name, group) in enumerate(list(zip(card.classes, adapted.columns.of, strict=True))[:MOST_CLASSES]):
        theirs = ", ".join(adapted.names[column] for column in group)
        lines.append(f"  {'classes' if row == 0 else '':9} {name}{f'  (its {theirs})' if theirs != name else ''}")
    if len(card.classes) > MOST_CLASSES:
        lines.append(f"{'':12}and {len(card.classes) - MOST_CLASSES} more")
    lines += [f"note: {note}" for note in adapted.notes]
    if "head" not in card.classes:
        lines.append(f"WARNING: it has no class `head`, only {listed(card.classes)}, and the watch can never alarm. "
                     "Say which of its classes is a bare head: --map NAME=head")
    return "\n".join(lines)


def _pixels_told(adapted: Adapted) -> str:
    card = adapted.card
    ends = [(edge - mean) * scale for mean, scale in zip(card.mean, card.scale, strict=True) for edge in (0, 255)]
    return f"{card.channel_order} {min(ends):.3g}..{max(ends):.3g}"


def _report(model: str, adapted: Adapted) -> dict[str, Any]:
    return {"model": model, "out": str(adapted.path), "layout": adapted.layout, "why": adapted.why,
            "names": adapted.names, "columns": dict(zip(adapted.columns.classes, adapted.columns.of, strict=True)),
            "dropped": [name for column, name in enumerate(adapted.names)
                        if not any(column in group for group in adapted.columns.of)],
            "boxes": adapted.boxes, "batch": adapted.batch, "can_alarm": OURS[1] in adapted.card.classes,
            "notes": adapted.notes, "card": asdict(adapted.card)}
