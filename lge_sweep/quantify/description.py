"""What an exam holds, in numbers: slices, classes, spacing, intensities."""

from dataclasses import dataclass

import numpy as np

from lge_sweep.ingest import Volume
from lge_sweep.quantify.burden import Burden, measure
from lge_sweep.quantify.findings import Finding
from lge_sweep.quantify.plausibility import find_implausible, unchecked_note


@dataclass(frozen=True)
class Description:
    """One exam in numbers.

    Attributes:
        case: pseudonymous id.
        slices: number of slices.
        size: rows, columns.
        spacing_mm: (row, column, slice), or None where unknown.
        gap_mm: unimaged distance between slices, or None where unknown.
        intensity_range: lowest and highest intensity of the anatomy.
        burden: amounts of each class.
        notes: what a user should know.
        findings: what in the labels no left ventricle has.
    """

    case: str
    slices: int
    size: tuple[int, int]
    spacing_mm: tuple[float, float, float] | None
    gap_mm: float | None
    intensity_range: tuple[float, float]
    burden: Burden
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def describe(volume: Volume) -> Description:
    """Count an exam's slices and classes and measure them where the spacing is known."""
    rows, columns = volume.pixels.shape[1:]
    return Description(
        case=volume.case,
        slices=len(volume.slices),
        size=(rows, columns),
        spacing_mm=volume.spacing_mm,
        gap_mm=volume.gap_mm,
        intensity_range=(float(np.nanmin(volume.pixels)), float(np.nanmax(volume.pixels))),
        burden=measure(volume.labels, volume.voxel_ml, volume.mvo),
        notes=(*volume.notes, *unchecked_note(volume)),
        findings=find_implausible(volume, volume.labels),
    )
