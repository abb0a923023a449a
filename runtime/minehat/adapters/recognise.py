"""Which layout a detector's outputs have: what the file shows, what a person says, never a silent guess."""

from __future__ import annotations

from ..errors import MineHatError
from .foreign import Foreign
from .layout import Asked, Layout
from .layouts import LAYOUTS

SERVED = ", ".join(f"{name} {layout.shape}" for name, layout in LAYOUTS.items())


def recognised(foreign: Foreign, asked: Asked) -> tuple[str, str]:
    """Name of the one layout that fits, and what speaks for it.

    Raises MineHatError naming the candidates where several fit, and what is served where none does.
    """
    reasons = {name: why for name, layout in LAYOUTS.items() if (why := layout.fits(foreign, asked))}
    if len({LAYOUTS[name].reads for name in reasons}) == 1:
        return next(iter(reasons.items()))
    if reasons:
        raise MineHatError(f"{foreign.path}: {', '.join(reasons)} all fit {foreign.told}. Say which it is: "
                           f"{_flags(list(reasons))}.")
    likely = [name for name, layout in LAYOUTS.items() if _has_shape(layout, foreign, asked)]
    if likely:
        raise MineHatError(f"{foreign.path} gives {foreign.told}: by its shape it could be {' or '.join(likely)}, but "
                           f"its answer to noise does not show it. If you know it is, say so: {_flags(likely)}.")
    raise MineHatError(f"{foreign.path} gives {foreign.told}, which no layout here fits. Served are {SERVED}. Export "
                       "a detector without suppression inside, masks or key points.")


def _has_shape(layout: Layout, foreign: Foreign, asked: Asked) -> bool:
    """Whether its outputs have that shape, and as many classes as are named where some are."""
    try:
        classes = layout.classes(foreign, asked)
    except MineHatError:
        return False
    return None in (classes, asked.classes) or classes == asked.classes


def _flags(names: list[str]) -> str:
    return " or ".join(f"--layout {name}" for name in names)
