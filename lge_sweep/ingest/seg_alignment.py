"""Where the frames of a DICOM SEG lie: each is laid on an image that it refers to by the planes of both."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from lge_sweep.arrays import Matrix
from lge_sweep.ingest.dicom_header import Frame, Numbers, read_numbers
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.geometry import IDENTITY, AxisTransform, GridMismatch, grid_transform
from lge_sweep.ingest.volume import UnusableError

_DEFAULT_SLICE_MM = 1.0
"""Slice spacing where neither distance nor thickness is known: `SHIFTED` of it is the tolerance."""
NO_GEOMETRY = "its SEG, or its images, do not say where they lie; laid pixel by pixel on the images that it refers to"
TURNED_SEG = (
    "its SEG is stored with rows or columns in another order or direction; laid on its images by the positions of both"
)
OTHER_FRAME_OF_REFERENCE = (
    "its SEG refers to its images, but names another frame of reference (0020,0052); taken for the same"
)
_EXPORT_ADVICE = (
    "export the segmentation that was drawn on this series, or resample it onto the series; if only its positions are "
    "wrong, give the masks as NIfTI with source.mask.trust_grid"
)


class FramePlacement(NamedTuple):
    """Where a frame of a SEG belongs."""

    slice: int
    """Index in the stack."""
    turn: AxisTransform
    """How its pixels [rows, columns, 1] become those of the slice."""


class FramePlane(NamedTuple):
    """Where a frame says that it lies; as in `Frame`."""

    position: Numbers
    orientation: Numbers
    spacing: Numbers


class _Misplacement(NamedTuple):
    """How far a frame is from the images that it refers to."""

    mm: float
    why: str


def align_frames(
    seg: Dataset, stack: Stack, frames_of_reference: Collection[str]
) -> tuple[list[FramePlacement], tuple[str, ...]]:
    """Tell on which slice of a stack each frame of a SEG is to be laid, and how it is to be turned.

    Args:
        seg: the SEG; it may refer to images of the stack only.
        stack: the series.
        frames_of_reference: those of its images.

    Returns:
        A place a frame, and what a user should know.

    Raises:
        UnusableError: a frame lies elsewhere than its images, or it cannot be told where it lies.
    """
    size = (int(seg.Rows), int(seg.Columns))
    images: dict[str, list[int]] = defaultdict(list)
    for index, frame in enumerate(stack.frames):
        images[frame.instance].append(index)
    placed = [_image_plane(frame) is not None for frame in stack.frames]
    nearest = cache(lambda plane, slices: _nearest_slice(plane, size, slices, stack))  # segments share planes
    found: list[FramePlacement | _Misplacement] = []
    notes: list[str] = []
    for number, groups in enumerate(seg.PerFrameFunctionalGroupsSequence):
        slices, preserved = _referred_slices(groups, number, stack, images)
        plane = _declared_plane(seg, number)
        if plane is not None and all(placed[index] for index in slices):
            found.append(nearest(plane, slices))
            continue
        if len(slices) != 1 or not preserved:
            raise UnusableError(
                f"it cannot be told where its frame {number + 1} lies: it has no position, orientation and "
                f"PixelSpacing, and does not refer to the pixels of one image; {_EXPORT_ADVICE}"
            )
        _check_size(size, stack)
        notes.append(NO_GEOMETRY)
        found.append(FramePlacement(slices[0], IDENTITY))
    ours = set(frames_of_reference) - {""}
    foreign = bool(ours) and str(seg.get("FrameOfReferenceUID") or "") not in {"", *ours}
    places = [place for place in found if isinstance(place, FramePlacement)]
    if away := [place for place in found if isinstance(place, _Misplacement)]:
        _check_size(size, stack)
        worst = max(away, key=lambda one: one.mm)
        named = ", and it names another frame of reference (0020,0052)" * foreign
        raise UnusableError(
            f"{len(away)} of its {len(found)} frames lie elsewhere than the images that they refer to, by up to "
            f"{worst.mm:.3g} mm ({worst.why}){named}; {_EXPORT_ADVICE}"
        )
    notes += [TURNED_SEG] * any(place.turn.axes[0] != 0 or {0, 1} & set(place.turn.reverse) for place in places)
    notes += [OTHER_FRAME_OF_REFERENCE] * foreign
    return places, tuple(dict.fromkeys(notes))


def source_images(groups: Dataset) -> list[Dataset]:
    """Return the items that name the images which a frame of a SEG was made from."""
    return [s for item in groups.get("DerivationImageSequence", []) for s in item.get("SourceImageSequence", [])]


def _referred_slices(
    groups: Dataset, number: int, stack: Stack, images: Mapping[str, Sequence[int]]
) -> tuple[tuple[int, ...], bool]:
    """Return the slices that a frame refers to, and whether it does not deny that its pixels are theirs."""
    slices: list[int] = []
    for source in source_images(groups):
        named = source.get("ReferencedFrameNumber")
        listed = () if named is None else np.atleast_1d(np.array(named, dtype=int)) - 1
        slices += [
            index
            for index in images.get(str(source.ReferencedSOPInstanceUID), ())
            if not len(listed) or stack.frames[index].number in listed
        ]
    if not slices:
        raise UnusableError(f"its frame {number + 1} refers to a frame that its image does not have; export it again")
    told = {str(source.get("SpatialLocationsPreserved") or "YES") for source in source_images(groups)}
    return tuple(dict.fromkeys(slices)), told == {"YES"}


def _declared_plane(seg: Dataset, number: int) -> FramePlane | None:
    """Return where a frame says that it lies, in its own functional groups or the shared ones."""
    position = read_numbers(seg, "ImagePositionPatient", 3, number)
    orientation = read_numbers(seg, "ImageOrientationPatient", 6, number)
    spacing = read_numbers(seg, "PixelSpacing", 2, number)
    if position is None or orientation is None or spacing is None:
        return None
    directions = np.array(orientation).reshape(2, 3)
    if not np.allclose(directions @ directions.T, np.eye(2), atol=0.02) or min(spacing) <= 0:
        raise UnusableError(
            f"ImageOrientationPatient of its frame {number + 1} is not two directions at right angles, of length 1, or "
            "its PixelSpacing is not positive; export it again"
        )
    return FramePlane(position, orientation, spacing)


def _image_plane(frame: Frame) -> FramePlane | None:
    if frame.position is None or frame.orientation is None or frame.spacing is None:
        return None
    return FramePlane(frame.position, frame.orientation, frame.spacing)


def _matrix(plane: FramePlane, slice_mm: float) -> Matrix:
    """Return index (row, column, slice) -> mm; left, back, head are positive.

    Source:
        DICOM PS3.3 C.7.6.2.1.1.
    """
    row, column = np.array(plane.orientation).reshape(2, 3)
    steps = [column * plane.spacing[0], row * plane.spacing[1], np.cross(row, column) * slice_mm]
    matrix = np.eye(4)
    matrix[:3] = np.stack([*steps, np.array(plane.position)], axis=1)
    return matrix


def _nearest_slice(
    plane: FramePlane, size: tuple[int, int], slices: tuple[int, ...], stack: Stack
) -> FramePlacement | _Misplacement:
    """Return the first slice that a plane lies on, or how far it is from the nearest."""
    away: list[_Misplacement] = []
    for index in slices:
        own = _image_plane(stack.frames[index])
        assert own is not None
        turn = _compare_grids(
            _matrix(plane, _slice_mm(stack)), size, _matrix(own, _slice_mm(stack)), stack.frames[index].size
        )
        if isinstance(turn, AxisTransform):
            return FramePlacement(index, turn)
        away.append(turn)
    return min(away, key=lambda one: one.mm)


def _compare_grids(
    seg: Matrix, size: tuple[int, int], image: Matrix, image_size: tuple[int, int]
) -> AxisTransform | _Misplacement:
    """Tell how a frame is turned onto an image, or how far it is from it."""
    corners, own = _corners(size), _corners(image_size)
    apart = np.linalg.norm((seg @ corners)[:3, :, None] - (image @ own)[:3, None, :], axis=0).min(axis=1).max()
    turn = grid_transform(image, (*image_size, 1), seg, (*size, 1))
    if isinstance(turn, GridMismatch):
        return _Misplacement(float(apart), turn.why)
    return turn


def _corners(size: tuple[int, int]) -> Matrix:
    """Return [4, 4]: the indices of the corners' centres, one a column."""
    return np.array([(i, j, 0, 1) for i, j in product((0, size[0] - 1), (0, size[1] - 1))], dtype=float).T


def _slice_mm(stack: Stack) -> float:
    distance = stack.spacing_mm[2] if stack.spacing_mm else float("nan")
    return distance if np.isfinite(distance) else stack.thickness_mm or _DEFAULT_SLICE_MM


def _check_size(size: tuple[int, int], stack: Stack) -> None:
    if size != (own := stack.frames[0].size):
        raise UnusableError(f"mask is {size[0]}x{size[1]}, its image {own[0]}x{own[1]}; they must be equal")
