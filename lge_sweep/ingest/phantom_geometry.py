"""Where the phantom's slices lie in the patient: a short-axis stack about the scanner's centre, as it is planned.

The phantom shows the heart as short axes are shown, seen from the apex: the right ventricle on the left of the image,
the diaphragm below. Directions are (left, back, head), of length 1.
"""

import numpy as np

from lge_sweep.arrays import Matrix, Vector
from lge_sweep.ingest.volume import Volume

ROW_DIRECTION: Vector = np.array([0.8, 0.6, 0.0])
"""From an image's left to its right."""
COLUMN_DIRECTION: Vector = np.array([-0.36, 0.48, -0.8])
"""From an image's top to its bottom."""
APEX_DIRECTION: Vector = np.array([0.48, -0.64, -0.6])
"""From base to apex: left, to the front and to the feet. The planes' normal, ROW x COLUMN, is its opposite, so that
what orders slices along the normal, as DICOM does, begins at the apex."""


def first_pixel_mm(volume: Volume, index: int) -> Vector:
    """Return where the centre of a slice's first pixel is, in mm (left, back, head); the stack's centre is at 0.

    Args:
        volume: a simulated exam, slices from base to apex.
        index: of the slice.
    """
    row_mm, column_mm, slice_mm = phantom_spacing(volume)
    slices, rows, columns = volume.pixels.shape
    along = APEX_DIRECTION * slice_mm * (index - (slices - 1) / 2)
    place = along - ROW_DIRECTION * column_mm * (columns - 1) / 2 - COLUMN_DIRECTION * row_mm * (rows - 1) / 2
    return np.asarray(place.round(6))


def nifti_affine(volume: Volume) -> Matrix:
    """Return the [4, 4] matrix from (column, row, slice) to mm as NIfTI has them: right, front, head.

    Args:
        volume: a simulated exam, slices from base to apex.
    """
    row_mm, column_mm, slice_mm = phantom_spacing(volume)
    matrix = np.eye(4)
    steps = (ROW_DIRECTION * column_mm, COLUMN_DIRECTION * row_mm, APEX_DIRECTION * slice_mm, first_pixel_mm(volume, 0))
    matrix[:3] = np.stack(steps, axis=1) * [[-1], [-1], [1]]
    return matrix


def phantom_spacing(volume: Volume) -> tuple[float, float, float]:
    """Return (row, column, slice) distances in mm; a simulated exam has them."""
    assert volume.spacing_mm is not None, volume.case
    return volume.spacing_mm
