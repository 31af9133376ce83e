"""Write a simulated exam as NIfTI, in the layout of the EMIDEC challenge."""

from pathlib import Path

import nibabel as nib
from nibabel.nifti1 import Nifti1Image

from lge_sweep.ingest.phantom_place import affine
from lge_sweep.ingest.volume import Volume


def write_case(volume: Volume, folder: Path) -> None:
    """Write ``<case>/Images/<case>.nii.gz`` and, of the same name in ``Contours``, the mask of class values 0-3.

    Voxels are [columns, rows, slices], slices from base to apex; the header's distances, in mm, are float32.

    Args:
        volume: a simulated exam.
        folder: where its folder is made.

    Raises:
        OSError: a file cannot be written.
    """
    for name, array in (("Images", volume.pixels), ("Contours", volume.labels)):
        image = Nifti1Image(array.transpose(2, 1, 0), affine(volume))
        image.set_qform(image.affine, code="scanner")
        image.set_sform(image.affine, code="scanner")
        image.header.set_xyzt_units("mm")
        path = folder / volume.case / name / f"{volume.case}.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(image, path)
