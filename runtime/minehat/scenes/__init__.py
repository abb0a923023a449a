"""Mine scenes drawn from nothing: dim galleries, people with helmets, caps and bare heads, exact boxes.

The project's own pictures, for tests, for the demo where no real ones are at hand, and as an
augmentation for training. Needs OpenCV when something is drawn.
"""

from .films import MOST_PEOPLE, film, picture
from .stage import SEEN_SHARE, SMALLEST, SceneFrame
from .written import CLASSES, write_film, write_pictures

__all__ = ["CLASSES", "MOST_PEOPLE", "SEEN_SHARE", "SMALLEST", "SceneFrame", "film", "picture", "write_film",
           "write_pictures"]
