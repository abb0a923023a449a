"""How good detections are on labelled pictures.

`score` is the short answer: COCO's average precision, and recall at a threshold. `detail` is the long one: by class
and box size, over thresholds, what is mistaken for what, and in which pictures. An ignored truth is neither asked
for nor held against the box that hits it.
"""

from .detail import ClassDetail, Detail, SizeDetail, detail
from .pictures import PictureFaults
from .spread import spread
from .summary import Score, score
from .thresholds import Point

__all__ = ["ClassDetail", "Detail", "PictureFaults", "Point", "Score", "SizeDetail", "detail", "score", "spread"]
