"""The noun of ingest: one patient exam as arrays."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.number]


class UnusableError(ValueError):
    """What a file holds cannot be used as it is; the message is meant for the user and tells nothing of the patient."""


@dataclass(frozen=True)
class Volume:
    """One patient exam: a stack of short-axis slices and, for each, its label image.

    Attributes:
        case: pseudonymous id of the patient exam.
        slices: S ids of slices, unique over all cases, ordered from one end of the ventricle to the other.
        pixels: [S, H, W] grey levels in the scanner's or the file's own units, finite.
        labels: [S, H, W] uint8, values of `lge_sweep.labels.Label`.
        spacing_mm: (row, column, slice) distance between pixel centres in mm, or None where it is unknown; slice is
            NaN where only it is unknown.
        thickness_mm: thickness of a slice, or None where it is unknown.
        notes: what a user should know about the exam; nothing in them tells who the patient is.
    """

    case: str
    slices: tuple[str, ...]
    pixels: Pixels
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float] | None = None
    thickness_mm: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def gap_mm(self) -> float | None:
        """Unimaged distance between two neighbouring slices; negative where they overlap, None where unknown."""
        if self.spacing_mm is None or self.thickness_mm is None or math.isnan(self.spacing_mm[2]):
            return None
        return self.spacing_mm[2] - self.thickness_mm

    @property
    def voxel_ml(self) -> float | None:
        """Volume that a pixel stands for, row x column x slice distance / 1000, in mL; None where unknown."""
        if self.spacing_mm is None or math.isnan(self.spacing_mm[2]):
            return None
        return math.prod(self.spacing_mm) / 1000

    def __post_init__(self) -> None:
        """Check what only our own readers could get wrong."""
        assert self.pixels.ndim == 3, self.pixels.shape
        assert self.pixels.shape == self.labels.shape, (self.pixels.shape, self.labels.shape)
        assert len(self.slices) == len(self.pixels), (len(self.slices), len(self.pixels))


def blank_slices(pixels: Pixels) -> list[str]:
    """Return a sentence for each slice [H, W] of [S, H, W] that is not finite, or shows nothing."""
    findings = []
    for index, image in enumerate(pixels):
        if not np.isfinite(image).all():
            findings.append(f"slice {index}: {int((~np.isfinite(image)).sum())} pixels are not finite numbers")
        elif image.min() == image.max():
            findings.append(f"slice {index}: every pixel has the same grey level, {image.min():g}; nothing can be seen")
    return findings
