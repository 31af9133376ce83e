"""The nouns of ingest: one patient exam as arrays, without labels (`Exam`) and with them (`Volume`)."""

import math
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lge_sweep.arrays import ClassCodes, LabelImage, Mask, Matrix, Pixels
from lge_sweep.ingest.geometry import voxel_mm3
from lge_sweep.labels import MVO, split_mvo

if TYPE_CHECKING:  # nibabel takes a second to import
    from nibabel import Nifti1Header


class UnusableError(ValueError):
    """What a file holds cannot be used as it is; the message is meant for the user and tells nothing of the patient."""


class SourceFrame(NamedTuple):
    """Where a slice comes from in DICOM."""

    path: Path
    """The file."""
    number: int
    """Index of the frame in it, from 0; 0 in a file of one image."""


@dataclass(frozen=True)
class StoredGrid:
    """The grid on which a NIfTI file stores a stack, so that labels can be written on the very same one.

    Attributes:
        header: a header with the file's geometry and nothing else of it.
        axes: which of the stored axes are the slices, the rows and the columns.
        flips: the stored axes that are reversed for display.
    """

    header: "Nifti1Header"
    axes: tuple[int, int, int]
    flips: tuple[int, ...]

    def to_display(self, stored: Pixels) -> Pixels:
        """Turn a stored array [I, J, K] into slices [S, H, W] as they are looked at."""
        return np.flip(stored, self.flips).transpose(self.axes)

    def from_display(self, slices: Pixels) -> Pixels:
        """Turn slices [S, H, W] back into an array [I, J, K] as it is stored."""
        return np.flip(slices.transpose(tuple(np.argsort(self.axes))), self.flips)

    def turning(self, shape: tuple[int, ...]) -> Matrix:
        """Return [4, 4]: index (row, column, slice) for display -> index in the stored array, whose shape is given."""
        turning = np.zeros((4, 4))
        slices, rows, columns = self.axes
        for turned, stored in enumerate((rows, columns, slices)):
            turning[stored, turned] = -1 if stored in self.flips else 1
            turning[stored, 3] = shape[stored] - 1 if stored in self.flips else 0
        turning[3, 3] = 1
        return turning


@dataclass(frozen=True)
class Exam:
    """One patient exam: a stack of short-axis slices.

    Attributes:
        case: pseudonymous id of the patient exam.
        slices: S ids of slices, unique over all cases, ordered from one end of the ventricle to the other.
        pixels: [S, H, W] intensities in the scanner's or the file's own units, finite; or NaN, where the file declares
            a pixel to be no anatomy (padding). The array is float32 where there is padding.
        spacing_mm: (row, column, slice) distance between pixel centres in mm, or None where it is unknown; that of
            slices is along their normal, and NaN where only it is unknown.
        thickness_mm: thickness of a slice, or None where it is unknown.
        affine: [4, 4] index (row, column, slot, 1) -> position in mm; right, front and head of the patient are
            positive (RAS+, nibabel's convention). None where orientation, position or spacing is unknown.
        slots: for each slice its place in an evenly spaced stack, from 0; empty: the slice's index, as no slice is
            missing between others.
        stored: how the exam's NIfTI file stores it, or None where it is no NIfTI.
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
    affine: Matrix | None = None
    slots: tuple[int, ...] = ()
    stored: StoredGrid | None = None
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
        """Volume that a pixel stands for, in mL, `voxel_mm3` of the affine; None where unknown.

        Where only distances are known, it is their product.
        """
        if self.affine is not None:
            return voxel_mm3(self.affine) / 1000
        if self.spacing_mm is None or math.isnan(self.spacing_mm[2]):
            return None
        return math.prod(self.spacing_mm) / 1000

    def with_labels(self, codes: ClassCodes, tells_mvo: bool = False) -> "Volume":
        """Put labels beside the exam's slices; a note tells where they lie on padding.

        Args:
            codes: [S, H, W] values of `lge_sweep.labels.CLASS_CODES`.
            tells_mvo: whether they tell no-reflow from other scar.
        """
        labels, mvo = split_mvo(codes)
        stray = int(np.count_nonzero(labels[np.isnan(self.pixels)]))
        on_padding = f"{stray} labelled pixels of its masks lie on padding, where there is no anatomy"
        return Volume(
            self.case,
            self.slices,
            self.pixels,
            labels,
            spacing_mm=self.spacing_mm,
            thickness_mm=self.thickness_mm,
            affine=self.affine,
            slots=self.slots,
            stored=self.stored,
            notes=(*self.notes, *[on_padding] * (stray > 0)),
            sources=self.sources,
            mvo=mvo if tells_mvo else None,
        )

    def __post_init__(self) -> None:
        """Check what only our own readers could get wrong."""
        assert self.pixels.ndim == 3, self.pixels.shape
        assert len(self.slices) == len(self.pixels), (len(self.slices), len(self.pixels))
        assert len(self.sources) in (0, len(self.pixels)), (len(self.sources), len(self.pixels))
        assert len(self.slots) in (0, len(self.pixels)), (len(self.slots), len(self.pixels))


@dataclass(frozen=True)
class Volume(Exam):
    """An exam and, for each slice, its label image.

    Attributes:
        labels: [S, H, W] uint8, values of `lge_sweep.labels.Label`.
        mvo: [S, H, W] where scar is microvascular obstruction (no-reflow), or None where the truth does not tell.
    """

    labels: LabelImage
    mvo: Mask | None = field(default=None, kw_only=True)

    @property
    def codes(self) -> ClassCodes:
        """[S, H, W] values of `lge_sweep.labels.CLASS_CODES`, from which `with_labels` makes this truth again."""
        return self.labels if self.mvo is None else np.where(self.mvo, np.uint8(MVO), self.labels)

    def __post_init__(self) -> None:
        """Check what only our own readers could get wrong."""
        super().__post_init__()
        assert self.pixels.shape == self.labels.shape, (self.pixels.shape, self.labels.shape)
        assert self.mvo is None or self.mvo.shape == self.labels.shape, (self.mvo.shape, self.labels.shape)


def slice_ids(case: str, count: int) -> tuple[str, ...]:
    """Return the ids of a case's slices, numbered from 0 in their order."""
    return tuple(f"{case}_slice{index:03d}" for index in range(count))
