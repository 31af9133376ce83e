"""Where voxels lie, for NIfTI and DICOM alike: everything is derived from one matrix, nothing is assumed.

A matrix [4, 4] maps an index (i, j, k, 1) to a position in mm. Its three columns are the steps from voxel to voxel.
They need not be at right angles: slices may drift in their planes from one to the next (shear).
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from lge_sweep.arrays import Matrix, Pixels, Vector

Steps = tuple[float, float, float]

_CLEAR_ANISOTROPY = 2.0
"""An axis along which voxels are so many times farther apart than along the others, or so many times fewer, is that of
the slices."""
_WEAK_ANISOTROPY = 1.2
"""The same, where nothing else tells it."""
_SPACING_TOLERANCE = 1e-3
"""Share by which two statements of one distance may differ and count as equal."""
_STEP_TOLERANCE = 0.02
"""Largest difference between a step of one grid and that of another, in steps, that counts as none."""
_CORNER_TOLERANCE = 0.25
"""Largest distance of a corner of one grid from that of another, in voxels, that counts as none."""
_DRIFT_MM = 0.1
"""In-plane drift from slice to slice from which on it is told."""


def voxel_mm3(matrix: Matrix) -> float:
    """Return the volume of a voxel in mm3, the determinant's size: right also where steps are not at right angles.

    >>> voxel_mm3(np.array([[1.6, 0, 4, 0], [0, 1.6, 0, 0], [0, 0, 10, 0], [0, 0, 0, 1]]))
    25.6
    """
    return round(abs(float(np.linalg.det(matrix[:3, :3]))), 12)


def voxel_spacing(matrix: Matrix) -> Steps:
    """Return the distances in mm along the first two axes, and of the planes of the third along their normal.

    >>> voxel_spacing(np.array([[1.6, 0, 4, 0], [0, 1.6, 0, 0], [0, 0, 10, 0], [0, 0, 0, 1]]))
    (1.6, 1.6, 10.0)
    """
    first, second, third = matrix[:3, :3].T
    return float(np.linalg.norm(first)), float(np.linalg.norm(second)), abs(float(third @ plane_normal(matrix)))


def plane_normal(matrix: Matrix) -> Vector:
    """Return the direction, of length 1, at right angles to the first two axes."""
    across = np.cross(matrix[:3, 0], matrix[:3, 1])
    return np.asarray(across / np.linalg.norm(across))


def drift_mm(matrix: Matrix) -> float:
    """Return how far the planes of the third axis are shifted in themselves from one to the next, in mm."""
    step = matrix[:3, 2]
    return float(np.linalg.norm(step - (step @ plane_normal(matrix)) * plane_normal(matrix)))


def in_plane_angle(matrix: Matrix) -> float:
    """Return the angle between the first and the second axis, 90 where rows and columns are at right angles."""
    first, second = (step / np.linalg.norm(step) for step in matrix[:3, :2].T)
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def shape_notes(matrix: Matrix) -> list[str]:
    """Say where a stack is no upright box; its third axis is that of the slices."""
    notes = []
    if (drift := drift_mm(matrix)) > _DRIFT_MM:
        notes.append(
            f"each slice lies {drift:.4g} mm aside of the one before (a sheared stack); volumes take the distance "
            f"along the slices' normal, {voxel_spacing(matrix)[2]:.4g} mm"
        )
    if abs((angle := in_plane_angle(matrix)) - 90) > 0.1:
        notes.append(
            f"its rows and columns are at {angle:.4g} degrees; volumes are right, pictures show them at right angles"
        )
    return notes


class SliceAxis(NamedTuple):
    """Along which axis the slices of an array lie."""

    axis: int
    note: str | None


def find_slice_axis(shape: Sequence[int], steps: Steps) -> SliceAxis:
    """Tell along which of three axes slices follow each other.

    In this order: the only axis of length 1; that along which voxels are at least `_CLEAR_ANISOTROPY` times farther
    apart than along the others; that with at most 1 / `_CLEAR_ANISOTROPY` of the voxels of the others; that along which
    they are `_WEAK_ANISOTROPY` farther apart; else the third.

    Args:
        shape: of the array.
        steps: distance of neighbouring voxels along each axis, in mm; NaN where unknown.
    """
    axis, told = _slice_axis(shape, steps)
    if told and axis == 2:
        return SliceAxis(axis, None)
    apart = "x".join(f"{mm:.4g}" for mm in steps)
    voxels = "x".join(map(str, shape))
    name = ("first", "second", "third")[axis]
    if told:
        return SliceAxis(axis, f"its slices lie along the {name} axis of the file ({voxels} voxels, {apart} mm apart)")
    return SliceAxis(
        axis, f"which axis is that of the slices is not clear ({voxels} voxels, {apart} mm apart); taken for the third"
    )


def _slice_axis(shape: Sequence[int], steps: Steps) -> tuple[int, bool]:
    """Return the axis, and whether anything tells it."""
    single = [axis for axis in range(3) if shape[axis] == 1]
    if single or not all(math.isfinite(mm) for mm in steps):
        return (single[0] if len(single) == 1 else 2), True
    farthest, next_mm = int(np.argmax(steps)), sorted(steps)[1]
    fewest, next_count = int(np.argmin(shape)), sorted(shape)[1]
    if steps[farthest] >= _CLEAR_ANISOTROPY * next_mm:
        return farthest, True
    if shape[fewest] * _CLEAR_ANISOTROPY <= next_count:
        return fewest, True
    return (farthest, True) if steps[farthest] >= _WEAK_ANISOTROPY * next_mm else (2, False)


def is_unit_spaced(matrix: Matrix) -> bool:
    """Whether a matrix has three steps of 1 mm along the axes: what programs write that know no distances."""
    steps = np.abs(matrix[:3, :3])
    return bool(np.isin(steps, (0, 1)).all() and (steps.sum(axis=0) == 1).all() and (steps.sum(axis=1) == 1).all())


def may_lack_position(matrix: Matrix) -> bool:
    """Whether a matrix may have lost the position: its origin is 0 and its steps run along the axes."""
    return bool(not matrix[:3, 3].any() and np.count_nonzero(matrix[:3, :3]) == 3)


def spacing_agrees(matrix: Matrix, steps: Steps) -> bool:
    """Whether the distances that a header tells beside a matrix are the matrix's own.

    Either the lengths of its steps, or, where they are not at right angles, the distance of one axis' planes.
    """
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    planes = voxel_mm3(matrix) / np.array([math.prod(np.delete(lengths, axis)) for axis in range(3)])
    told = np.array(steps)
    either = np.minimum(np.abs(lengths / told - 1), np.abs(planes / told - 1))
    return bool((either < _SPACING_TOLERANCE).all())


class AxisTransform(NamedTuple):
    """How an array is brought onto another grid: axes permuted, then reversed."""

    axes: tuple[int, int, int]
    reverse: tuple[int, ...]

    def apply(self, array: Pixels) -> Pixels:
        """Turn an array of three axes."""
        return np.flip(array.transpose(self.axes), self.reverse)


IDENTITY = AxisTransform((0, 1, 2), ())
"""Nothing is permuted or reversed."""


class GridMismatch(NamedTuple):
    """Why two grids are not one; a phrase for the user."""

    why: str


def grid_transform(
    grid: Matrix, shape: Sequence[int], other: Matrix, other_shape: Sequence[int]
) -> AxisTransform | GridMismatch:
    """Tell how an array on another grid becomes one on this grid, where both are the same voxels in another order.

    Args:
        grid: index -> mm of this grid.
        shape: its length along each axis.
        other: index -> mm of the other grid.
        other_shape: its length along each axis.
    """
    relative = np.linalg.inv(grid) @ other
    relative[:3, :3] = _fill_singleton_axis(relative[:3, :3], other_shape)
    turn = np.rint(relative[:3, :3]).astype(int)
    permutes = (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()
    if not permutes or np.abs(relative[:3, :3] - turn).max() > _STEP_TOLERANCE:
        return GridMismatch("direction or spacing differ")
    axes = np.abs(turn).argmax(axis=1)
    turned = tuple(other_shape[axis] for axis in axes)
    if turned != tuple(shape):
        return GridMismatch(f"it has {'x'.join(map(str, turned))} voxels, not {'x'.join(map(str, shape))}")
    reverse = tuple(axis for axis in range(3) if turn[axis].sum() < 0)
    first = np.array([shape[axis] - 1 if axis in reverse else 0 for axis in range(3)])
    corners = np.array(list(product(*((0, length - 1) for length in other_shape)))).T
    apart = relative[:3, :3] @ corners + relative[:3, 3:] - (turn @ corners + first[:, None])
    if (most := np.abs(apart).max()) > _CORNER_TOLERANCE:
        return GridMismatch(f"a corner of it is {most:.3g} voxels off")
    return AxisTransform((int(axes[0]), int(axes[1]), int(axes[2])), reverse)


def _fill_singleton_axis(steps: Matrix, shape: Sequence[int]) -> Matrix:
    """Give the axis of a single voxel, whose step means nothing, the step of the axis that is left for it."""
    single = [axis for axis in range(3) if shape[axis] == 1]
    if len(single) != 1:
        return steps
    others = np.delete(steps, single[0], axis=1)
    left = int(np.abs(others).max(axis=1).argmin())
    filled = steps.copy()
    filled[:, single[0]] = np.eye(3)[left] * (1 if steps[left, single[0]] >= 0 else -1)
    return filled
