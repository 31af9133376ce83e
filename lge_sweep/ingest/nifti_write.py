"""Write arrays of slices as NIfTI, on the grid of their exam."""

import math

import nibabel as nib
import numpy as np

from lge_sweep.arrays import Matrix, Pixels
from lge_sweep.ingest.volume import Exam

POSITION_UNKNOWN = (
    "where the slices lie in the patient is unknown: the NIfTI file has a diagonal affine, columns to the left and "
    "rows to the back"
)
SPACING_UNKNOWN = "not all distances are known: the NIfTI file has 1 mm in place of those that are not"
SHEARED_STACK = (
    "a sheared stack: the NIfTI file has an sform only, as no qform can hold shear; SimpleITK and other programs that "
    "use ITK refuse such a file, nibabel reads it"
)
_SHEAR_TOLERANCE = 1e-3
"""Cosine between two axes from which on they count as not at right angles; 0.01 mm a slice of 10 mm. ITK refuses a
matrix from 1e-4 on, unless a qform, which has right angles, stands beside it."""


def nifti_on_grid(exam: Exam, slices: Pixels, empty: float = 0) -> nib.Nifti1Image:
    """Put an array on the grid of its exam, so that every voxel lies where the slice's pixel does.

    Voxels are [columns, rows, slices], as slices are looked at, whatever the order of a NIfTI file that the exam came
    from: all exams of a data set have their axes in one order. The affine is the exam's. Where that is unknown it is
    diagonal: columns run to the patient's left and rows to the back, with the distances that are known and 1 mm for
    those that are not. What the user should know of this is told by `grid_notes`.

    Args:
        exam: the exam.
        slices: [S, H, W] values, one slice for each of the exam's; their type is kept.
        empty: value of the slices that the exam lacks between others.
    """
    voxels = fill_slots(exam, slices, empty).transpose(2, 1, 0)
    if exam.affine is not None:
        return make_nifti(voxels, exam.affine[:, [1, 0, 2, 3]])
    rows, columns, distance = (1.0 if math.isnan(mm) else mm for mm in _spacing(exam))
    return make_nifti(voxels, np.diag([-columns, -rows, distance, 1.0]), "aligned")


def nifti_as_stored(exam: Exam, slices: Pixels) -> nib.Nifti1Image:
    """Put an array on the very grid of the NIfTI file that the exam came from, with that file's own header fields."""
    assert exam.stored is not None, exam.case
    # without an affine, which would overwrite what the header says
    image = nib.Nifti1Image(exam.stored.from_display(slices), None, exam.stored.header)
    image.set_data_dtype(slices.dtype)
    return image


def make_nifti(voxels: Pixels, affine: Matrix, code: str = "scanner") -> nib.Nifti1Image:
    """Return an image whose sform, and qform where it can hold it, is an affine in mm.

    Args:
        voxels: [I, J, K] values.
        affine: [4, 4] voxel -> mm; right, front, head are positive.
        code: what the place refers to, one of nibabel's names: "scanner", "aligned".
    """
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, code)
    image.set_qform(affine, "unknown" if is_sheared(affine) else code, strip_shears=True)
    image.header.set_xyzt_units("mm")
    return image


def is_sheared(affine: Matrix) -> bool:
    """Whether the axes of a matrix [4, 4] are not at right angles to each other."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(steps.T @ steps - np.eye(3)).max() > _SHEAR_TOLERANCE)


def fill_slots(exam: Exam, slices: Pixels, empty: float = 0) -> Pixels:
    """Return [slots, H, W]: slices in their places of the evenly spaced stack, with `empty` where the exam has none.

    Args:
        exam: whose slices they are.
        slices: [S, H, W] values.
        empty: value of the slices that the exam lacks.
    """
    if not exam.slots:
        return slices
    stack = np.full((exam.slots[-1] + 1, *slices.shape[1:]), empty, dtype=slices.dtype)
    stack[list(exam.slots)] = slices
    return stack


def grid_notes(exam: Exam) -> list[str]:
    """Return what a user should know of a file that `nifti_on_grid` makes."""
    if exam.affine is not None:
        return [SHEARED_STACK] if is_sheared(exam.affine) else []
    return [POSITION_UNKNOWN] + ([SPACING_UNKNOWN] if any(math.isnan(mm) for mm in _spacing(exam)) else [])


def _spacing(exam: Exam) -> tuple[float, float, float]:
    return exam.spacing_mm or (math.nan, math.nan, math.nan)
