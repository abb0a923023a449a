"""The layouts that are served, by the names that --layout takes."""

from __future__ import annotations

from . import end_to_end, flat, yolov3_maps, yolov8, yolox
from .layout import Layout

LAYOUTS = {
    "yolov5": Layout("[N, B, 5+C] decoded", "rgb01", "flat", flat.classes, flat.either, flat.graft),
    "yolov8": Layout("[N, 4+C, B]", "rgb01", "v8", yolov8.classes, yolov8.fits, yolov8.graft),
    "yolov10": Layout("[N, K, 6]", "rgb01", "end to end", end_to_end.classes, end_to_end.fits, end_to_end.graft,
                      iou=0.7),
    "yolox": Layout("[N, B, 5+C] raw", "bgr255", "yolox", yolox.classes, yolox.fits, yolox.graft,
                    decoded=False),
    "yolox-decoded": Layout("[N, B, 5+C] decoded", "bgr255", "yolox decoded", flat.classes, flat.of_yolox, flat.graft),
    "yolov3": Layout("[N, B, 5+C] decoded", "rgb01", "flat", flat.classes, flat.with_anchors, flat.graft),
    "yolov3-maps": Layout("[N, A*(5+C), h, w] a scale", "rgb01", "maps", yolov3_maps.classes, yolov3_maps.fits,
                          yolov3_maps.graft, decoded=False, pad=128),
}
