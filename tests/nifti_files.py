"""NIfTI files as the tests read them back."""

from pathlib import Path

from nibabel import Nifti1Image


def load_nifti(path: str | Path) -> Nifti1Image:
    """Open a NIfTI-1 file; `nibabel.load` is typed as any file with an image."""
    return Nifti1Image.from_filename(path)
