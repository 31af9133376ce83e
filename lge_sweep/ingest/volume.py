"""The noun of ingest: one patient exam as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.number]


@dataclass(frozen=True)
class Volume:
    """One patient exam: a stack of short-axis slices and, for each, its label image.

    Attributes:
        case: pseudonymous id of the patient exam.
        slices: S ids of slices, unique over all cases, ordered from one end of the ventricle to the other.
        pixels: [S, H, W] grey levels in the scanner's or the file's own units, finite.
        labels: [S, H, W] uint8, values of `lge_sweep.labels.Label`.
        spacing_mm: (row, column, slice) distance between pixel centres in mm, or None where it is unknown.
    """

    case: str
    slices: tuple[str, ...]
    pixels: Pixels
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check what only our own readers could get wrong."""
        assert self.pixels.ndim == 3, self.pixels.shape
        assert self.pixels.shape == self.labels.shape, (self.pixels.shape, self.labels.shape)
        assert len(self.slices) == len(self.pixels), (len(self.slices), len(self.pixels))
