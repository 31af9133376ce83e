"""What images are held to: every size and every physical range, stated once, each wider than any scanner needs."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from lge_sweep.arrays import Pixels
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.text import digits_apart, write_significant

MIB = 1 << 20


class Range(NamedTuple):
    """The values that a field may have, both ends included."""

    low: float
    high: float
    unit: str

    def problem(self, field: str, values: Sequence[float], between: str = "x") -> str | None:
        """Say what is wrong with a field's values, or return None; NaN is in no range.

        Args:
            field: its name.
            values: its values.
            between: what stands between them: "x" for sizes, " to " for the ends of a range.
        """
        if all(self.low <= value <= self.high for value in values):
            return None
        digits = digits_apart(values, self.low, self.high, least=6, write=write_significant)
        got = between.join(write_significant(value, digits) for value in values)[:80]
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
INTENSITY_RANGE = Range(-1e12, 1e12, "")
"""Intensities."""
MAX_PIXELS = 64 * MIB
"""Most pixels that an exam has: 3-D LGE of 160 slices of 640x640."""
MAX_FILE_BYTES = 1024 * MIB
"""Most bytes of a file of images."""


def check_size(rows: int, columns: int, slices: int = 1) -> None:
    """Raise an UnusableError if an image or a stack of them is larger than any exam.

    Args:
        rows: of a slice.
        columns: of a slice.
        slices: how many there are, with those that are missing.
    """
    MATRIX.check("size", (rows, columns))
    FRAMES.check("number of slices", (slices,))
    if math.prod((rows, columns, slices)) > MAX_PIXELS:
        raise UnusableError(
            f"{slices} slices of {rows}x{columns} are more than {MAX_PIXELS // MIB} Mi pixels, the most that an exam "
            "has; "
            "give the slices of the heart only"
        )


def intensity_problem(image: Pixels, *, padded: bool = False) -> str | None:
    """Say why an image cannot be used: intensities that are none, or nothing to see in it.

    Args:
        image: [H, W].
        padded: whether its reader puts NaN where the file declares pixels to be no anatomy; else NaN is a problem.
    """
    fault = _fault(image, padded)
    return fault and _fault_message(fault, image[None], padded)


def unusable_slices(pixels: Pixels, *, padded: bool = False) -> list[str]:
    """Return a sentence on the slices of [S, H, W] that have a problem, for each problem of `intensity_problem`."""
    found: dict[_Fault, list[int]] = defaultdict(list)
    for index, image in enumerate(pixels):
        if fault := _fault(image, padded):
            found[fault].append(index)
    return [
        f"slice{'s' * (len(indices) > 1)} {_index_ranges(indices)}: {_fault_message(fault, pixels[indices], padded)}"
        for fault, indices in found.items()
    ]


def not_finite_message(count: int) -> str:
    """Say that so many pixels are NaN or infinite."""
    are = "pixel is not a finite number" if count == 1 else "pixels are not finite numbers"
    return f"{count} {are} (but NaN or infinite); write the file again with finite intensities, or leave it out"


_Fault = Literal["padding", "not finite", "range", "flat"]


def _fault(image: Pixels, padded: bool) -> _Fault | None:
    anatomy = image[~(np.isnan(image) & padded)]
    if not anatomy.size:
        return "padding"
    if not np.isfinite(anatomy).all():
        return "not finite"
    low, high = float(anatomy.min()), float(anatomy.max())
    if INTENSITY_RANGE.problem("intensity", (low, high)):
        return "range"
    return "flat" if low == high else None


def _fault_message(fault: _Fault, images: Pixels, padded: bool) -> str:
    """Say what is wrong with images [N, H, W] that have the same fault."""
    padding = np.isnan(images) & padded
    anatomy = images[~padding]
    if fault == "padding":
        return "every pixel is padding, declared to be no anatomy; leave the slice out"
    if fault == "not finite":
        return not_finite_message(int(np.count_nonzero(~np.isfinite(anatomy))))
    low, high = float(anatomy.min()), float(anatomy.max())
    if fault == "range":
        return str(INTENSITY_RANGE.problem("intensity", (low, high), between=" to "))
    which = "every pixel that is not padding" if padding.any() else "every pixel"
    level = f", {low:g}" if low == high else " in each of them"
    return f"{which} has the same intensity{level}; nothing can be seen"


def _index_ranges(indices: Sequence[int]) -> str:
    """Return numbers as a text, neighbours as a range: 0-4, 7."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def padding_notes(pixels: Pixels) -> list[str]:
    """Say how much of an exam is padding, NaN; nothing where there is none."""
    share = 100 * float(np.isnan(pixels).mean())
    return [f"{share:.3g} % of its pixels are padding, declared to be no anatomy: background"] * (share > 0)
