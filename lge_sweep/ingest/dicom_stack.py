"""A DICOM series in order: its images, their distances, and where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lge_sweep.arrays import Matrix, Vector
from lge_sweep.ingest.dicom_header import Frame
from lge_sweep.ingest.geometry import shape_notes

_IRREGULAR_MM = 0.1
"""Distance of a slice's corners from a straight, even stack from which on it is told."""
_NO_SPACING = "no PixelSpacing: no length, area or volume is valid"
_NO_SLICE_SPACING = "a single slice without thickness: no volume is valid"


@dataclass(frozen=True)
class Stack:
    """The images of one series, in the order of their positions along the slices' normal.

    Attributes:
        frames: S images of one size.
        spacing_mm: (row, column, slice) distance, or None; slice is NaN where only it is unknown.
        thickness_mm: thickness of a slice, or None.
        notes: what a user should know.
        slots: for each image its place in an evenly spaced stack, from 0; more than one on where images are missing.
    """

    frames: tuple[Frame, ...]
    spacing_mm: tuple[float, float, float] | None
    thickness_mm: float | None
    notes: tuple[str, ...]
    slots: tuple[int, ...]

    def affine(self, alone_mm: float | None = None) -> Matrix | None:
        """Return where the stack lies: [4, 4] index (row, column, slot) -> mm; right, front, head are positive.

        The step from slot to slot is the distance along the normal and, within the planes, the mean drift of the
        positions, that of (last - first) / the last slot.

        Args:
            alone_mm: the distance to give to a single slice of which none is known.

        Returns:
            None where position, orientation, spacing or the slice spacing is unknown.

        Source:
            DICOM PS3.3 C.7.6.2.1.1, whose left and back are turned into nibabel's right and front.
        """
        first, last, steps = self.frames[0], self.frames[-1], self.slots[-1]
        if first.orientation is None or first.position is None or last.position is None or self.spacing_mm is None:
            return None
        rows_mm, columns_mm, distance = self.spacing_mm
        if steps == 0 and alone_mm is not None:
            distance = alone_mm
        if not np.isfinite(distance):
            return None
        row, column, normal = plane_directions(first)
        origin = np.array(first.position)
        step = (last.position - origin) / steps if steps else np.zeros(3)
        step += (distance - step @ normal) * normal
        affine = np.eye(4)
        affine[:3] = np.stack([column * rows_mm, row * columns_mm, step, origin], axis=1)
        return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def make_stack(frames: Sequence[Frame], distance: float | None, notes: Sequence[str], slots: Sequence[int]) -> Stack:
    """Put images together that are in order.

    Args:
        frames: the images.
        distance: of slices along their normal, in mm; None where it is unknown.
        notes: what a user should know; what the stack's shape says comes after it.
        slots: see `Stack`.
    """
    first, spacing = frames[0], None
    if first.spacing is None:
        notes = [*notes, _NO_SPACING]
    else:
        known = [frame.spacing for frame in frames if frame.spacing is not None]
        rows, columns = np.mean(known, axis=0).round(9).tolist()
        spacing = (rows, columns, float("nan") if distance is None else distance)
        notes = [*notes, _NO_SLICE_SPACING] if distance is None else notes
    stack = Stack(tuple(frames), spacing, first.thickness, tuple(notes), tuple(slots))
    return replace(stack, notes=(*notes, *_shape_notes(stack)))


def _shape_notes(stack: Stack) -> list[str]:
    """Say where the stack is no upright box, and where no single matrix can tell exactly where its slices are."""
    affine = stack.affine()
    if affine is None or len(stack.frames) == 1:
        return []
    off = max(_corner_error_mm(frame, affine, slot) for frame, slot in zip(stack.frames, stack.slots, strict=True))
    irregular = (
        f"slices lie up to {off:.3g} mm off an evenly spaced, straight stack; a NIfTI file places them in one, a DICOM "
        "SEG as they are"
    )
    return [*shape_notes(affine), *([irregular] if off > _IRREGULAR_MM else [])]


def _corner_error_mm(frame: Frame, affine: Matrix, slot: int) -> float:
    """Return how far the corners of a frame are from where an affine puts them, in mm."""
    assert frame.position is not None
    assert frame.spacing is not None
    row, column, _ = plane_directions(frame)
    last = np.array(frame.size) - 1
    own = np.stack([column * frame.spacing[0], row * frame.spacing[1], np.array(frame.position)], axis=1)
    corners = np.array([(i, j, 1) for i in (0, last[0]) for j in (0, last[1])]).T
    placed = affine @ np.insert(corners.astype(float), 2, slot, axis=0)
    return float(np.abs(np.diag([-1, -1, 1]) @ own @ corners - placed[:3]).max())


def plane_directions(frame: Frame) -> tuple[Vector, Vector, Vector]:
    """Return the directions along a row, along a column, and of the normal, at right angles and of length 1.

    Numbers of few digits are neither; the column's direction gives way.
    """
    assert frame.orientation is not None
    row, column = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    normal = np.cross(row, column)
    row, normal = row / np.linalg.norm(row), normal / np.linalg.norm(normal)
    return row, np.cross(normal, row), normal


def normal_positions(frames: Sequence[Frame]) -> Vector:
    """Return where each image is along the normal of the first, in mm."""
    return np.array([frame.position for frame in frames]) @ plane_directions(frames[0])[2]
