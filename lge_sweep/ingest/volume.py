"""The nouns of ingest: one patient exam as arrays, without labels (`Exam`) and with them (`Volume`)."""

import math
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.number]


class UnusableError(ValueError):
    """What a file holds cannot be used as it is; the message is meant for the user and tells nothing of the patient."""


class SourceFrame(NamedTuple):
    """Where a slice comes from in DICOM."""

    path: Path
    """The file."""
    number: int
    """Index of the frame in it, from 0; 0 in a file of one image."""


@dataclass(frozen=True)
class Exam:
    """One patient exam: a stack of short-axis slices.

    Attributes:
        case: pseudonymous id of the patient exam.
        slices: S ids of slices, unique over all cases, ordered from one end of the ventricle to the other.
        pixels: [S, H, W] grey levels in the scanner's or the file's own units, finite.
        spacing_mm: (row, column, slice) distance between pixel centres in mm, or None where it is unknown; slice is
            NaN where only it is unknown.
        thickness_mm: thickness of a slice, or None where it is unknown.
        affine: [4, 4] index (row, column, slice, 1) -> position in mm; right, front and head of the patient are
            positive (RAS+, nibabel's convention). None where orientation, position or spacing is unknown.
        notes: what a user should know about the exam; nothing in them tells who the patient is.
        sources: the DICOM image of each slice; empty where the exam is not DICOM. Paths may tell who the patient is,
            so they are in no repr.
    """

    case: str
    slices: tuple[str, ...]
    pixels: Pixels
    _: KW_ONLY
    spacing_mm: tuple[float, float, float] | None = None
    thickness_mm: float | None = None
    affine: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[SourceFrame, ...] = field(default=(), repr=False)

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

    def with_labels(self, labels: NDArray[np.uint8]) -> "Volume":
        """Put labels [S, H, W] beside the exam's slices."""
        return Volume(
            self.case,
            self.slices,
            self.pixels,
            labels,
            spacing_mm=self.spacing_mm,
            thickness_mm=self.thickness_mm,
            affine=self.affine,
            notes=self.notes,
            sources=self.sources,
        )

    def __post_init__(self) -> None:
        """Check what only our own readers could get wrong."""
        assert self.pixels.ndim == 3, self.pixels.shape
        assert len(self.slices) == len(self.pixels), (len(self.slices), len(self.pixels))
        assert len(self.sources) in (0, len(self.pixels)), (len(self.sources), len(self.pixels))


@dataclass(frozen=True)
class Volume(Exam):
    """An exam and, for each slice, its label image.

    Attributes:
        labels: [S, H, W] uint8, values of `lge_sweep.labels.Label`.
    """

    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Check what only our own readers could get wrong."""
        super().__post_init__()
        assert self.pixels.shape == self.labels.shape, (self.pixels.shape, self.labels.shape)


def slice_ids(case: str, count: int) -> tuple[str, ...]:
    """Return the ids of a case's slices, numbered from 0 in their order."""
    return tuple(f"{case}_slice{index:03d}" for index in range(count))


def blank_slices(pixels: Pixels) -> list[str]:
    """Return a sentence for each slice [H, W] of [S, H, W] that is not finite, or shows nothing."""
    findings = []
    for index, image in enumerate(pixels):
        if not np.isfinite(image).all():
            findings.append(f"slice {index}: {int((~np.isfinite(image)).sum())} pixels are not finite numbers")
        elif image.min() == image.max():
            findings.append(f"slice {index}: every pixel has the same grey level, {image.min():g}; nothing can be seen")
    return findings
