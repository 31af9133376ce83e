"""Scar by segment of the left ventricle: the 17-segment model of the American Heart Association.

Source: Cerqueira et al., Standardized myocardial segmentation and nomenclature for tomographic imaging of the heart,
Circulation 2002;105:539-542.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lge_sweep.arrays import LabelImage, Mask, Matrix, Vector
from lge_sweep.ingest import plane_normal
from lge_sweep.labels import WALL, Label
from lge_sweep.quantify.levels import split_in_thirds
from lge_sweep.text import digits_apart, write_digits

_SIX_SECTORS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
_FOUR_SECTORS = ("anterior", "septal", "inferior", "lateral")
SEGMENT_NAMES = (
    *(f"basal {n}" for n in _SIX_SECTORS),
    *(f"mid {n}" for n in _SIX_SECTORS),
    *(f"apical {n}" for n in _FOUR_SECTORS),
    "apex",
)
"""Names of the segments 1 to 17."""
_LONG_AXIS = np.array([-1.0, 1.0, -1.0]) / np.sqrt(3)
"""About where the left ventricle points, base to apex: left, front and feet in equal parts (right, front, head)."""
_MAX_TILT_DEGREES = 45.0
"""Largest angle to it. A heart that lies or stands is within 25 degrees, the body's own planes are 55 degrees off."""
_ANGLE_NOTE = (
    "Angles are approximated from the patient's axes, without the insertion points of the right ventricle: the middle "
    "of the anterior segment is taken where the slice's plane points towards the head, the middle of the septum at "
    "right angles to that, towards the patient's right and front. Borders may be off by some tens of degrees."
)


class SegmentsError(ValueError):
    """Segments cannot be told in this exam; the message is a sentence that says why."""


@dataclass(frozen=True)
class ScarExtent:
    """Scar by segment.

    Attributes:
        percent: for segments 1 to 17, area of scar / area of wall x 100; None where a segment has no wall.
        levels: index of each slice that is used -> ``basal``, ``mid``, ``apical`` or ``apex``.
        notes: what a reader must know.
    """

    percent: tuple[float | None, ...]
    levels: dict[int, str]
    notes: tuple[str, ...]


def scar_extent(labels: LabelImage, affine: Matrix | None, slots: Sequence[int] = ()) -> ScarExtent:
    """Measure the scar in each of the 17 segments.

    Slices with wall and cavity are basal, mid and apical in equal thirds, from base to apex, counting those that are
    missing in between; of slices that do not divide by three the basal third gets one more, then the mid one. Slices
    with wall and without cavity, beyond the last of those towards the apex, are segment 17. Base and apex are told by
    the slices' positions (`_LONG_AXIS`).

    Within a slice a pixel belongs to a segment by its angle around the cavity's centre of gravity, in mm. Angle 0, the
    middle of the anterior segment, is the head direction projected into the slice's plane: the inferior wall, opposite,
    lies on the diaphragm. Angles grow towards the septum, which lies in the plane at right angles to it, horizontally,
    on the patient's right and front (for this sense of rotation no landmark is needed: it follows from the direction
    of the apex). Segments are 60 degrees wide, 90 in the apical third.

    Args:
        labels: [S, H, W], values of `Label`.
        affine: [4, 4] index (row, column, slice, 1) -> position in mm; right, front, head are positive (RAS+).
        slots: for each slice its place in an evenly spaced stack; empty: its index.

    Raises:
        SegmentsError: where the slices lie is unknown, they are no short-axis slices, fewer than three of them have
            wall and cavity, or none in some third, or the cavity grows towards the end that should be the apex.

    Source:
        Cerqueira et al. 2002 (segments, thirds, widths of segments).
    """
    if affine is None:
        raise SegmentsError("where the slices lie in the patient is unknown, so base, apex and septum cannot be told")
    apexward, forward = _apex_direction(affine)
    order = np.arange(len(labels)) if forward else np.arange(len(labels))[::-1]
    cavity = (labels == Label.CAVITY).sum(axis=(1, 2))
    muscle = np.isin(labels, WALL)
    wall = np.asarray(muscle.any(axis=(1, 2)))
    rings = [int(k) for k in order if wall[k] and cavity[k]]
    if len(rings) < 3:
        raise SegmentsError(f"thirds need at least 3 slices with wall and cavity; there are {len(rings)}")
    third = split_in_thirds(np.array(slots or range(len(labels)))[rings].tolist())
    thirds = [np.array(rings)[third == level] for level in range(3)]
    if not all(len(third) for third in thirds):
        raise SegmentsError("too many slices are missing: the basal, mid or apical third has none with wall and cavity")
    if cavity[thirds[2]].mean() > cavity[thirds[0]].mean():
        raise SegmentsError(
            "the cavity is larger at the end that the slices' positions tell to be the apex; base and apex are in doubt"
        )
    past = [int(k) for k in order[list(order).index(rings[-1]) + 1 :] if wall[k]]
    segments = np.zeros(labels.shape, dtype=np.uint8)
    for level, members in enumerate(thirds):
        for k in members:
            segments[k] = _label_segments(labels[k] == Label.CAVITY, affine, apexward, level)
    segments[past] = 17
    names = [(name, third) for name, third in zip(("basal", "mid", "apical"), thirds, strict=True)] + [("apex", past)]
    levels = {int(k): name for name, members in names for k in members}
    left_out = [str(k) for k in range(len(labels)) if wall[k] and k not in levels]
    notes = [_ANGLE_NOTE] + (
        [f"Slices of wall without cavity above the apex belong to no segment: {', '.join(left_out)}."]
        if left_out
        else []
    )
    return ScarExtent(_scar_percent(labels, segments), levels, tuple(notes))


def _apex_direction(affine: Matrix) -> tuple[Vector, bool]:
    """Return the slices' normal towards the apex (right, front, head; length 1), and whether slices run that way."""
    apexward = plane_normal(affine)
    if apexward @ _LONG_AXIS < 0:
        apexward = -apexward
    tilt = float(np.degrees(np.arccos(min(1.0, apexward @ _LONG_AXIS))))
    if tilt > _MAX_TILT_DEGREES:
        told = write_digits(tilt, digits_apart([tilt], None, _MAX_TILT_DEGREES, least=2))
        raise SegmentsError(
            f"the slices are not plausibly short-axis: their normal is {told} degrees off the usual direction of "
            f"the left ventricle (left, front, feet), more than {_MAX_TILT_DEGREES:.0f}"
        )
    return apexward, bool(affine[:3, 2] @ apexward > 0)


def _label_segments(cavity: Mask, affine: Matrix, apexward: Vector, level: int) -> LabelImage:
    """Return the segment [H, W] that each pixel of a slice belongs to.

    Args:
        cavity: [H, W], not empty.
        affine: as for `scar_extent`.
        apexward: direction of the apex, of length 1.
        level: 0 basal, 1 mid, 2 apical.
    """
    head = np.array([0.0, 0.0, 1.0])
    anterior = head - (head @ apexward) * apexward
    anterior /= np.linalg.norm(anterior)
    septal = np.cross(apexward, anterior)
    centre = np.argwhere(cavity).mean(axis=0)
    steps = np.indices(cavity.shape) - centre[:, None, None]
    towards = np.tensordot(np.stack([anterior, septal]) @ affine[:3, :2], steps, axes=1)
    angle = np.degrees(np.arctan2(towards[1], towards[0]))
    count, first = (4, 13) if level == 2 else (6, 1 + 6 * level)
    width = 360 / count
    return np.asarray(first + np.floor((angle + width / 2) / width) % count, dtype=np.uint8)


def _scar_percent(labels: LabelImage, segments: LabelImage) -> tuple[float | None, ...]:
    wall = np.isin(labels, WALL)
    whole = np.bincount(segments[wall], minlength=18)
    scar = np.bincount(segments[labels == Label.SCAR], minlength=18)
    return tuple(100 * float(scar[k] / whole[k]) if whole[k] else None for k in range(1, 18))
