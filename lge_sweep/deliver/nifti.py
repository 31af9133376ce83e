"""Labels as NIfTI."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np

from lge_sweep.deliver.result import RESEARCH, Result

UNPLACED = (
    "where the slices lie in the patient is unknown: labels.nii.gz has a diagonal affine, columns to the left and rows "
    "to the back"
)
UNMEASURED = "not all distances are known: labels.nii.gz has 1 mm in place of those that are not"


def write_nifti(result: Result, path: Path) -> list[str]:
    """Write labels as uint8 NIfTI, values of `Label`.

    An exam that came as NIfTI gets them on the very grid of its file. Of any other they are [columns, rows, slices], in
    the exam's order, with an empty slice where the series lacks one. The affine is the exam's. Where that is unknown it
    is diagonal: columns run to the patient's left and rows to the back, as slices are looked at, with the distances
    that are known and 1 mm for those that are not.

    Args:
        result: the labels.
        path: the file to write.

    Returns:
        What a user should know.

    Raises:
        OSError: it cannot be written.
    """
    exam = result.exam
    if exam.stored:
        # without an affine, which would overwrite what the header says
        _save(nib.Nifti1Image(exam.stored.from_display(result.labels), None, exam.stored.header), path)
        return []
    notes = []
    if exam.affine is not None:
        affine, code = exam.affine[:, [1, 0, 2, 3]], "scanner"
    else:
        known = exam.spacing_mm or (math.nan, math.nan, math.nan)
        rows, columns, slices = (1.0 if math.isnan(mm) else mm for mm in known)
        affine, code = np.diag([-columns, -rows, slices, 1.0]), "aligned"
        notes = [UNPLACED] + ([UNMEASURED] if any(math.isnan(mm) for mm in known) else [])
    slots = exam.slots or range(len(result.labels))
    labels = np.zeros((slots[-1] + 1, *result.labels.shape[1:]), dtype=np.uint8)
    labels[list(slots)] = result.labels
    image = nib.Nifti1Image(labels.transpose(2, 1, 0), affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code, strip_shears=True)
    image.header.set_xyzt_units("mm")
    _save(image, path)
    return notes


def _save(image: nib.Nifti1Image, path: Path) -> None:
    image.set_data_dtype(np.uint8)
    image.header["descrip"] = RESEARCH.encode()
    image.header["cal_max"] = 3
    nib.save(image, path)
