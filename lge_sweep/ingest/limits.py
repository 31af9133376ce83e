"""What images are held to: every size and every physical range, stated once, each wider than any scanner needs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lge_sweep.ingest.volume import UnusableError

MI = 1 << 20


class Range(NamedTuple):
    """The values that a field may have, both ends included."""

    low: float
    high: float
    unit: str

    def problem(self, field: str, values: Sequence[float]) -> str | None:
        """Say what is wrong with a field's values, or return None; NaN is in no range."""
        if all(self.low <= value <= self.high for value in values):
            return None
        got = "x".join(f"{value:g}" for value in values)[:80]
        expected = f"{self.low:g} to {self.high:g}{' ' * bool(self.unit)}{self.unit}"
        return (
            f"{field} is {got}; expected {expected}; write the file again with the right value, or leave the file out"
        )

    def check(self, field: str, values: Sequence[float]) -> None:
        """Raise an UnusableError that says what is wrong with a field's values."""
        if problem := self.problem(field, values):
            raise UnusableError(problem)


PIXEL_MM = Range(0.01, 50, "mm")
"""Distance of neighbouring pixels' centres."""
SLICE_MM = Range(0.01, 100, "mm")
"""Distance of neighbouring slices' centres, and thickness of a slice."""
POSITION_MM = Range(-10_000, 10_000, "mm")
"""A position's coordinates: no scanner's table is longer."""
MATRIX = Range(1, 4096, "pixels")
"""Rows and columns of a slice."""
FRAMES = Range(1, 10_000, "")
"""Images in a file, and slices in an exam, with those that are missing."""
GREY = Range(-1e12, 1e12, "")
"""Grey levels."""
PIXELS = 64 * MI
"""Most pixels that an exam has: 3-D LGE of 160 slices of 640x640."""
FILE_BYTES = 1024 * MI
"""Most bytes of a file of images."""


def check_size(rows: int, columns: int, slices: int = 1) -> None:
    """Raise an UnusableError if an image or a stack of them is larger than any exam."""
    MATRIX.check("size", (rows, columns))
    FRAMES.check("number of slices", (slices,))
    if math.prod((rows, columns, slices)) > PIXELS:
        raise UnusableError(
            f"{slices} slices of {rows}x{columns} are more than {PIXELS // MI} Mi pixels, the most that an exam has; "
            "give the slices of the heart only"
        )


def grey_problem(image: NDArray[np.number], *, padded: bool = False) -> str | None:
    """Say why an image cannot be used: grey levels that are none, or nothing to see in it.

    Args:
        image: [H, W].
        padded: whether its reader puts NaN where the file declares pixels to be no anatomy; else NaN is a problem.
    """
    padding = np.isnan(image) & padded
    if padding.all():
        return "every pixel is padding, declared to be no anatomy; leave the slice out"
    image = image[~padding]
    if strange := int(np.count_nonzero(~np.isfinite(image))):
        return f"{strange} pixels are not finite numbers"
    if problem := GREY.problem("grey level", (float(image.min()), float(image.max()))):
        return problem
    if image.min() == image.max():
        which = "every pixel that is not padding" if padding.any() else "every pixel"
        return f"{which} has the same grey level, {image.min():g}; nothing can be seen"
    return None


def blank_slices(pixels: NDArray[np.number], *, padded: bool = False) -> list[str]:
    """Return a sentence for each slice [H, W] of [S, H, W] that `grey_problem` finds."""
    problems = [(index, grey_problem(image, padded=padded)) for index, image in enumerate(pixels)]
    return [f"slice {index}: {problem}" for index, problem in problems if problem]


def padding_notes(pixels: NDArray[np.number]) -> list[str]:
    """Say how much of an exam is padding, NaN; nothing where there is none."""
    share = 100 * float(np.isnan(pixels).mean())
    return [f"{share:.3g} % of its pixels are padding, declared to be no anatomy: background"] * (share > 0)
