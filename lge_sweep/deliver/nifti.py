"""Labels as NIfTI."""

from pathlib import Path

import nibabel as nib

from lge_sweep.deliver.result import RESEARCH_USE, Result
from lge_sweep.ingest import grid_notes, nifti_as_stored, nifti_on_grid


def write_nifti(result: Result, path: Path) -> list[str]:
    """Write labels as uint8 NIfTI, values of `Label`.

    An exam that came as NIfTI gets them on the very grid of its file; for any other see `nifti_on_grid`.

    Args:
        result: the labels.
        path: the file to write.

    Returns:
        What a user should know.

    Raises:
        OSError: it cannot be written.
    """
    exam = result.exam
    image = nifti_as_stored(exam, result.labels) if exam.stored else nifti_on_grid(exam, result.labels)
    image.header["descrip"] = RESEARCH_USE.encode()
    image.header["cal_max"] = 3
    nib.save(image, path)
    return [] if exam.stored else grid_notes(exam)
