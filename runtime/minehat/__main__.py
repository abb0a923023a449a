"""python -m minehat: the same as `minehat`."""

import sys

from .cli import main

sys.exit(main())
