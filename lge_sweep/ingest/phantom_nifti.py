"""Write a simulated exam as NIfTI, in the layout of the EMIDEC challenge."""

from pathlib import Path

import nibabel as nib

from lge_sweep.ingest.nifti_write import make_nifti
from lge_sweep.ingest.phantom_geometry import nifti_affine
from lge_sweep.ingest.volume import Volume


def write_nifti_case(volume: Volume, folder: Path) -> None:
    """Write ``<case>/Images/<case>.nii.gz`` and, of the same name in ``Contours``, the mask of class values 0-3.

    Voxels are [columns, rows, slices], slices from base to apex; the header's distances, in mm, are float32.

    Args:
        volume: a simulated exam.
        folder: where its folder is made.

    Raises:
        OSError: a file cannot be written.
    """
    for name, array in (("Images", volume.pixels), ("Contours", volume.labels)):
        image = make_nifti(array.transpose(2, 1, 0), nifti_affine(volume))
        path = folder / volume.case / name / f"{volume.case}.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(image, path)
