"""What the machine feels like while it works: clocks, temperatures, power, load, and whether it holds itself back.

`sensors_here()` finds what can be read on this machine, `read_all()` reads it once; `Beside` does so now and then in a
process of its own, next to something that is timed. Each source takes the folder that stands for `/`, so that recorded
trees test it. `python -m minehat.telemetry` prints a reading a line.
"""

from .beside import Beside
from .reading import Reading, merged
from .sources import Sensor, read_all, sensors_here

__all__ = ["Beside", "Reading", "Sensor", "merged", "read_all", "sensors_here"]
