"""MineHat: a helmet watch for mines. `import minehat` needs numpy alone; the rest is invited on demand."""

from .card import ModelCard, read_card
from .detections import Detections, suppress
from .detector import Detector
from .detector import open_detector as open
from .errors import MineHatError
from .letterbox import Placement, as_input, letterbox, place

__version__ = "0.1.0"

__all__ = ["Detections", "Detector", "MineHatError", "ModelCard", "Placement", "as_input", "letterbox",
           "open", "place", "read_card", "suppress"]
