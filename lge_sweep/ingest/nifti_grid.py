"""Where the voxels of a NIfTI file lie, and how they are turned to be looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from lge_sweep.arrays import Matrix, Pixels
from lge_sweep.ingest.geometry import (
    Steps,
    find_slice_axis,
    is_unit_spaced,
    may_lack_position,
    shape_notes,
    spacing_agrees,
    voxel_spacing,
)
from lge_sweep.ingest.limits import PIXEL_MM, POSITION_MM, SLICE_MM
from lge_sweep.ingest.nifti_file import read_nifti_file
from lge_sweep.ingest.volume import StoredGrid, UnusableError

_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Code of the header's unit of length (none, m, mm, um) -> mm; mm where the header names none."""
_AXIAL_LIMIT = np.sin(np.radians(20))
"""Head-foot share of a plane's directions below which it is nearly axial: within 20 degrees."""
UNIT_AFFINE = (
    "its affine holds no distances (steps of 1 mm); spacing is taken from the header's zooms, and where it lies in the "
    "patient is unknown"
)
NO_SPACING_TOLD = (
    "its header tells voxels of 1x1x1 mm at no place, as programs write it that know neither: no length, area or "
    "volume is valid; write the file again with its spacing"
)
NO_ORIENTATION = "its NIfTI header holds no orientation; slices may be mirrored"
_FORM_TOLERANCE_MM = 1.0
"""Distance between two statements of a position from which on it is told."""
TWO_DIMENSIONAL = "its NIfTI header holds no slice spacing: no volume is valid"
_GEOMETRY_FIELDS = (
    "xyzt_units", "pixdim", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "sform_code", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
"""Fields of a header that tell where its voxels lie; others may tell who the patient is."""


class NiftiVoxels(NamedTuple):
    """A NIfTI file as it is stored."""

    array: Pixels
    """[I, J, K] values, of at most 4 bytes each."""
    matrix: Matrix
    """[4, 4] voxel -> mm; right, front, head are positive."""
    placed: bool
    """Whether the matrix is where the voxels lie in the patient; else its distances alone are known."""
    flat: bool
    """Whether the file is of two dimensions, so that the third distance is unknown."""
    blank: bool
    """Whether its header tells 1 mm in all directions and no place, so that no distance is known."""
    header: nib.Nifti1Header
    """The file's `_GEOMETRY_FIELDS`."""
    notes: tuple[str, ...]
    """What a user should know."""


@dataclass(frozen=True)
class NiftiGrid:
    """A NIfTI file's array in the order of display.

    Attributes:
        array: [S, H, W] values.
        matrix: [4, 4] index (row, column, slice) of `array` -> mm; right, front, head are positive.
        placed: the same; None where the voxels may lie elsewhere: the header holds no orientation, or a bare affine.
        spacing_mm: (row, column, slice); slice is NaN in a file of two dimensions. None: not known.
        stored: how the file stores it.
        notes: what a user should know.
    """

    array: Pixels
    matrix: Matrix
    placed: Matrix | None
    spacing_mm: tuple[float, float, float] | None
    stored: StoredGrid
    notes: tuple[str, ...]


def read_nifti_grid(path: Path) -> NiftiGrid:
    """Read a NIfTI file of one volume and turn its slices the way they are looked at.

    Which axis is that of the slices `find_slice_axis` tells, and which are rows and columns `display_axes`.

    Raises:
        UnusableError: it holds more than one volume, or its affine or zooms are broken.
        Whatever nibabel raises for broken files.
    """
    return orient_for_display(read_nifti_voxels(path))


def orient_for_display(voxels: NiftiVoxels) -> NiftiGrid:
    """Turn a stored array the way its slices are looked at, see `read_nifti_grid`."""
    shape = voxels.array.shape
    distances = np.linalg.norm(voxels.matrix[:3, :3], axis=0)
    slices = find_slice_axis(
        shape, (float(distances[0]), float(distances[1]), nan if voxels.flat else float(distances[2]))
    )
    stored = StoredGrid(voxels.header, *display_axes(voxels.matrix, slices.axis))
    matrix = voxels.matrix @ stored.turning(shape)
    rows_mm, columns_mm, slices_mm = voxel_spacing(matrix)
    PIXEL_MM.check("distance of pixels", (rows_mm, columns_mm))
    SLICE_MM.check("slice spacing", (slices_mm,))
    return NiftiGrid(
        np.ascontiguousarray(stored.to_display(voxels.array)),
        matrix,
        matrix if voxels.placed else None,
        None if voxels.blank else (rows_mm, columns_mm, nan if voxels.flat else slices_mm),
        stored,
        (*voxels.notes, *([slices.note] if slices.note else []), *shape_notes(matrix)),
    )


def read_nifti_voxels(path: Path) -> NiftiVoxels:
    """Read a NIfTI file of one volume as it is stored.

    Where its affine and its zooms tell different distances: an affine of bare 1 mm steps tells none, and the zooms are
    taken; else the affine is. Of sform and qform it is the sform. Either is noted.

    Raises:
        UnusableError: it holds more than one volume, or its affine or zooms are broken.
        Whatever nibabel raises for broken files.
    """
    image, raw = read_nifti_file(path)
    affine, zooms = _affine(image), _zooms(raw)
    array = np.asarray(image.dataobj).reshape((*image.shape, 1)[:3])
    if array.dtype.itemsize > 4:
        with np.errstate(over="ignore"):  # what becomes infinite is found with what is
            array = array.astype(np.float32)
    flat, unit = isnan(zooms[2]), all(mm == 1 for mm in zooms if not isnan(mm))
    steps = (zooms[0], zooms[1], voxel_spacing(affine)[2] if flat else zooms[2])
    oriented = bool(int(image.header["sform_code"]) or int(image.header["qform_code"]))
    blank = unit and (not oriented or (is_unit_spaced(affine) and may_lack_position(affine)))
    bare = oriented and is_unit_spaced(affine) and not spacing_agrees(affine, steps)
    notes = [] if oriented else [NO_ORIENTATION]
    if bare:
        affine, notes = affine @ np.diag([*steps, 1.0]), [UNIT_AFFINE]
    elif not spacing_agrees(affine, steps):
        notes.append(_spacing_conflict(affine, steps))
    notes += [*[NO_SPACING_TOLD] * blank, *[TWO_DIMENSIONAL] * (flat and oriented), *_form_conflict(image)]
    placed = oriented and not bare and not flat and not blank
    return NiftiVoxels(array, affine, placed, flat, blank, _geometry_header(image.header), tuple(notes))


def display_axes(matrix: Matrix, slices: int = 2) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Tell how a voxel array must be turned to be looked at.

    As scanners store and viewers show them: rows run downwards, to the feet or the back, columns rightwards, to the
    patient's left or back. Of a slice's two axes the rows are that which is nearer to head-foot, or, in planes that are
    nearly axial (`_AXIAL_LIMIT`), nearer to front-back.

    Args:
        matrix: [4, 4] voxel -> mm (right, front, head are positive).
        slices: the axis along which slices follow each other.

    Returns:
        The axes that are slices, rows and columns, and the axes to reverse before.
    """
    left, back, feet = -matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    one, other = (axis for axis in range(3) if axis != slices)
    down = back if np.hypot(feet[one], feet[other]) < _AXIAL_LIMIT else feet
    rows, columns = (one, other) if abs(down[one]) > abs(down[other]) else (other, one)
    flips = ((rows, back[rows] + feet[rows]), (columns, left[columns] + back[columns]))
    return (slices, rows, columns), tuple(sorted(axis for axis, along in flips if along < 0))


def _affine(image: nib.Nifti1Image) -> Matrix:
    """Return voxel -> world, mm."""
    affine = np.array(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise UnusableError("its affine holds numbers that are not finite; write it again with a valid orientation")
    affine[:3] *= _unit_mm(image.header)
    POSITION_MM.check("its affine", [float(affine.flat[np.abs(affine).argmax()])])
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnusableError("its affine is singular (two axes point the same way, or one has no length)")
    return affine


def _zooms(raw: nib.Nifti1Header) -> Steps:
    columns, rows, *others = (float(zoom) * _unit_mm(raw) for zoom in raw.get_zooms()[:3])
    PIXEL_MM.check("its header's zooms: distance of pixels", (columns, rows))
    SLICE_MM.check("its header's zooms: slice spacing", others)
    return columns, rows, (*others, float("nan"))[0]


def _geometry_header(header: nib.Nifti1Header) -> nib.Nifti1Header:
    geometry = nib.Nifti1Header()
    for field in _GEOMETRY_FIELDS:
        geometry[field] = header[field]
    return geometry


def _spacing_conflict(affine: Matrix, zooms: Steps) -> str:
    def listed(steps: Iterable[float]) -> str:
        return "x".join(f"{mm:.6g}" for mm in steps)

    return (
        f"its affine tells voxels of {listed(np.linalg.norm(affine[:3, :3], axis=0))} mm, its header's zooms "
        f"{listed(zooms)} mm; the affine is taken"
    )


def _form_conflict(image: nib.Nifti1Image) -> list[str]:
    """Return a note where sform and qform differ by more than shear, which a qform cannot hold."""
    if not (int(image.header["sform_code"]) and int(image.header["qform_code"])):
        return []
    told = image.header.copy()
    told.set_qform(image.get_sform(), strip_shears=True)
    ends = np.array(list(product(*((0, length - 1) for length in (*image.shape, 1)[:3]), (1,)))).T
    apart = (told.get_qform() - image.get_qform()) @ ends * _unit_mm(image.header)
    most = float(np.linalg.norm(apart[:3], axis=0).max())
    return (
        [f"its sform and its qform place it up to {most:.3g} mm apart; the sform is taken"]
        if most > _FORM_TOLERANCE_MM
        else []
    )


def _unit_mm(header: nib.Nifti1Header) -> float:
    code = int(header["xyzt_units"]) & 7
    if code not in _UNIT_MM:
        raise UnusableError(f"its header's unit of length has the code {code}; expected 0 to 3; write it again in mm")
    return _UNIT_MM[code]
