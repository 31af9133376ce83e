"""What an exam holds, in numbers: slices, classes, spacing, grey levels."""

from dataclasses import dataclass

import numpy as np

from lge_sweep.ingest.volume import Volume
from lge_sweep.labels import Label


@dataclass(frozen=True)
class Description:
    """One exam in numbers.

    Attributes:
        case: pseudonymous id.
        slices: number of slices.
        size: rows, columns.
        spacing_mm: (row, column, slice), or None where unknown.
        gap_mm: unimaged distance between slices, or None where unknown.
        grey: lowest and highest grey level.
        pixels: number of pixels of each class.
        ml: volume of each class in mL, pixels x row x column x slice distance / 1000; None where unknown.
        notes: what a user should know.
    """

    case: str
    slices: int
    size: tuple[int, int]
    spacing_mm: tuple[float, float, float] | None
    gap_mm: float | None
    grey: tuple[float, float]
    pixels: dict[Label, int]
    ml: dict[Label, float] | None
    notes: tuple[str, ...]

    @property
    def wall_pixels(self) -> int:
        """Pixels of myocardium and scar: the whole wall of the left ventricle."""
        return self.pixels[Label.MYOCARDIUM] + self.pixels[Label.SCAR]

    @property
    def wall_ml(self) -> float | None:
        """Volume of myocardium and scar, in mL."""
        return None if self.ml is None else self.ml[Label.MYOCARDIUM] + self.ml[Label.SCAR]


def describe(volume: Volume) -> Description:
    """Count an exam's slices and classes and measure them where the spacing is known."""
    counts = np.bincount(volume.labels.ravel(), minlength=len(Label))
    pixels = {label: int(counts[label]) for label in Label}
    voxel = volume.voxel_ml
    rows, columns = volume.pixels.shape[1:]
    return Description(
        case=volume.case,
        slices=len(volume.slices),
        size=(rows, columns),
        spacing_mm=volume.spacing_mm,
        gap_mm=volume.gap_mm,
        grey=(float(volume.pixels.min()), float(volume.pixels.max())),
        pixels=pixels,
        ml=None if voxel is None else {label: count * voxel for label, count in pixels.items()},
        notes=volume.notes,
    )
