"""Pictures that were padded with their own mirror image, as some export tools do, found by looking at them.

A band of p rows is the mirror image of the p rows next to it: row p - 1 - i equals row p + i, or, where the row on the
edge is not doubled, row p - i equals row p + i. How much they differ, for all p at once, is a sum of squares less a sum
of products; in each of those the row numbers have the same sum, so they are the rows' convolution with themselves.
On 423 padded pictures this found the very bands; of 1934 others, four that had been overlooked, and nothing else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from minehat.likeness import Grey, averaged

ALONG = 24  # pixels that rows are shortened to; JPEG's noise is averaged away
NARROWEST = 5  # rows; symmetry of fewer is chance
WIDEST = 0.33  # share of a side that one band may be
UNLIKE = 0.13  # difference from a mirror image, in shares of what rows vary: true ones 0.02 to 0.10, others 0.16 on
VARIED = 8.0  # levels that the rows vary at least: a clear sky mirrors itself anywhere
Sums = npt.NDArray[np.float64]


def mirror_bands(grey: Grey) -> tuple[str, int] | None:
    """Sides ("tb" or "lr") and pixels of each of the two bands, as mirror_bands.tsv wants them; None without bands."""
    found = {sides: _best(averaged(rows, ALONG, len(rows)))
             for sides, rows in (("tb", grey), ("lr", np.ascontiguousarray(grey.T))) if len(rows) >= 4 * NARROWEST}
    sides = min(found, key=lambda side: found[side][0], default=None)
    return (sides, found[sides][1]) if sides and found[sides][0] <= UNLIKE else None


def _best(rows: Grey) -> tuple[float, int]:
    """The least difference from mirror images, relative, and the width of the bands then. They may differ by a row."""
    most = int(WIDEST * len(rows))
    top, bottom = _squares(rows, most), _squares(rows[::-1], most)
    unlike = np.stack([_relative(top + np.roll(bottom, shift, axis=-1)) for shift in (0, 1, -1)])
    unlike[..., :NARROWEST] = unlike[..., -1] = np.inf
    shift, edge, width = np.unravel_index(int(unlike.argmin()), unlike.shape)
    return float(unlike[shift, edge, width]), int(width) + (1 if shift == 2 else 0)


def _squares(rows: Grey, most: int) -> Sums:
    """For a band of 0 to `most` rows at the top, its edge doubled or not, [2, 2, most + 1]: mean squares of what it and
    its neighbour differ from mirror images of each other, and of what their rows vary."""
    count = 2 * most + 1
    near = rows[:count].astype(np.float64)
    near -= near.mean()
    widths = np.arange(1, most + 1)
    last = 2 * widths - np.array([[1], [0]])  # row of the neighbour
    length = 1 << (2 * count).bit_length()
    products = np.fft.irfft((np.fft.rfft(near, length, axis=0) ** 2).mean(axis=1), length)[last]
    squares = np.cumsum((near ** 2).mean(axis=1))[last]
    means = np.cumsum(near, axis=0)[last] / (last + 1)[..., None]
    differ, vary = (squares - products) / widths, squares / (last + 1) - (means ** 2).mean(axis=-1)
    return np.concatenate([np.zeros((2, 2, 1)), np.maximum([differ, 2 * vary], 0)], axis=-1)


def _relative(squares: Sums) -> Sums:
    """Difference in shares of what the rows vary, [2, n], of the mean squares [2, 2, n] of both bands together."""
    differ, vary = np.sqrt(squares / 2)
    return np.where(vary >= VARIED, differ / (vary + 1), np.inf)
