"""Labelled pictures: Pascal VOC, YOLO and COCO are read alike, and what is wrong with them is told all at once.

`read_split(place, split, classes)` gives the pictures of a split or raises with every fault; `scan_split` gives
both. `place` is what a person types: a folder, whose form is found by looking into it (Pascal VOC before COCO before
YOLO), or a data.yaml or COCO .json file. What is looked for stands in `voc`, `coco` and `yolo`.

Every class name goes through the ClassMap; names that are none of the classes then are faults. Boxes are x0 y0 x1 y1
in pixels of the picture as people see it (EXIF applied), edges counted from 0. They may reach `boxes.SLACK` pixels
over the picture's edge and are clipped there; what reaches further is a fault. `mirror_bands.tsv` in the set's folder
is honoured in every form. A picture whose labels name nothing is a good example of nothing, and only noted.
"""

from .class_map import AS_NAMED, ClassMap, class_map
from .faults import KINDS, Fault, broken_picture, many_faults, no_picture
from .labelled import Labelled
from .scan import Scanned, read_split, scan_split

__all__ = ["AS_NAMED", "KINDS", "ClassMap", "Fault", "Labelled", "Scanned", "broken_picture", "class_map",
           "many_faults", "no_picture", "read_split", "scan_split"]
