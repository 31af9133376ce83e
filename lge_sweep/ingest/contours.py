"""Closed contours become pixels: a pixel belongs to a contour if its centre lies in it, or on it."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_fill_holes
from skimage.measure import grid_points_in_poly

from lge_sweep.arrays import ClassCodes, Mask, Points
from lge_sweep.labels import CLASS_CODES, MVO, Label

PAINT_ORDER = ("myocardium", "cavity", "scar", "mvo")
"""Where classes overlap, the later one counts: the wall is what an epicardial contour holds and no endocardial one."""
MIN_CONTOUR_POINTS = 3
"""Points of the smallest contour."""
DUPLICATE_CONTOUR = "a contour is there twice; it counts once"
EMPTY_CONTOUR = "contours that hold no pixel's centre are lost"
PARTIAL_OVERLAP = (
    "two contours of one structure (or kind) overlap in part; what is in both is outside of it (even-odd rule)"
)
SCAR_IN_CAVITY = "a scar's contour reaches into the cavity's; what is in both is scar"
NO_ENDOCARDIUM = "slices have a contour around the wall and none around the cavity; they are wall throughout"


class Contour(NamedTuple):
    """A closed contour on a slice."""

    structure: str
    """What it is a part of (in cvi42 the kind): those of one on one slice are laid by the even-odd rule."""
    code: int
    """Its class, a value of `CLASS_CODES`."""
    slice: int
    """Index of the slice."""
    points: Points
    """[N, 2] row and column; 0, 0 is the centre of the first pixel."""


def fill_contours(contours: Sequence[Contour], shape: tuple[int, int, int]) -> tuple[ClassCodes, tuple[str, ...]]:
    """Fill contours.

    Of one structure on one slice those inside of another are holes, those inside of a hole islands, and so on (the
    even-odd rule). Structures of one class are put together.

    Args:
        contours: of any classes; those of the background change nothing.
        shape: S, H, W.

    Returns:
        [S, H, W] values of `CLASS_CODES`, and what a user should know.

    Source:
        DICOM PS3.3 C.8.8.6.3 (CLOSEDPLANAR_XOR).
    """
    codes: ClassCodes = np.zeros(shape, dtype=np.uint8)
    notes: list[str] = []
    for code in (CLASS_CODES[name] for name in PAINT_ORDER):
        parts = [contour for contour in contours if contour.code == code]
        for structure, index in dict.fromkeys((part.structure, part.slice) for part in parts):
            region = _even_odd([p.points for p in parts if (p.structure, p.slice) == (structure, index)], shape, notes)
            if code in (Label.SCAR, MVO) and (codes[index][region] == Label.CAVITY).any():
                notes.append(SCAR_IN_CAVITY)
            codes[index][region] = code
    if any(_is_solid_wall(image) for image in codes):
        notes.append(NO_ENDOCARDIUM)
    return codes, tuple(dict.fromkeys(notes))


def polygon_mask(points: Points, shape: tuple[int, int]) -> Mask:
    """Return [H, W]: the pixels whose centres lie in or on a polygon, by the even-odd rule.

    Args:
        points: [N, 2] row and column; 0, 0 is the centre of the first pixel. The last is joined to the first.
        shape: H, W.
    """
    region = np.zeros(shape, dtype=np.bool_)
    low = np.clip(np.floor(points.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 1, 0, shape).astype(int)
    if (high > low).all():
        region[low[0] : high[0], low[1] : high[1]] = grid_points_in_poly(tuple(high - low), points - low)
    return region


def _even_odd(polygons: Sequence[Points], shape: tuple[int, int, int], notes: list[str]) -> Mask:
    once = {polygon.tobytes(): polygon for polygon in polygons}
    regions = [polygon_mask(polygon, shape[1:]) for polygon in once.values()]
    notes += [DUPLICATE_CONTOUR] * (len(once) < len(polygons))
    notes += [EMPTY_CONTOUR] * (not all(region.any() for region in regions))
    for one, other in combinations(regions, 2):
        both = int(np.count_nonzero(one & other))
        if 0 < both < min(np.count_nonzero(one), np.count_nonzero(other)):
            notes.append(PARTIAL_OVERLAP)
    return np.asarray(np.logical_xor.reduce(regions))


def _is_solid_wall(codes: ClassCodes) -> bool:
    """Whether a slice [H, W] has wall, and neither cavity nor a hole in the wall."""
    wall = codes > 0
    if not (codes == Label.MYOCARDIUM).any() or (codes == Label.CAVITY).any():
        return False
    return bool(np.array_equal(binary_fill_holes(wall), wall))
