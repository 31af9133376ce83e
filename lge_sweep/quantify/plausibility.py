"""Whether labels can be a left ventricle: amounts, shape of each slice, order of the stack, place in the body.

What is found is said and nothing is changed. The ranges and their sources are in `lge_sweep.quantify.findings`.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from lge_sweep.arrays import LabelImage, Mask
from lge_sweep.ingest import Exam, plane_normal
from lge_sweep.labels import WALL, Label
from lge_sweep.quantify.body import body_mask
from lge_sweep.quantify.burden import measure
from lge_sweep.quantify.findings import CHECKS, Finding, check_range

_MIN_SLICES = 5
"""Slices with a class from which its amount has a lower bound: fewer may be a part of the heart."""
_MIN_COMPONENT_SHARE = 0.05
"""Share of the largest piece below which a piece does not count."""
_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)
"""A pixel and its eight neighbours."""


def find_implausible(exam: Exam, labels: LabelImage) -> tuple[Finding, ...]:
    """Look for what labels of a heart cannot have.

    Amounts need the volume of a pixel, thickness the size of pixels, jumps of the centre the slice spacing too;
    all else is counted in pixels. See `unchecked_titles` for what could not be looked at.

    Args:
        exam: the images, and where they lie.
        labels: [S, H, W], values of `Label`, on the exam's pixels.

    Returns:
        Findings of the exam, then those of its slices, in order; none: nothing speaks against it.
    """
    found = [*_check_amounts(exam, labels), *_check_gaps(labels), *_check_jumps(exam, labels)]
    for k in range(len(labels)):
        found += _check_slice(exam, labels, k)
    order = list(CHECKS)
    return tuple(sorted(found, key=lambda finding: order.index(finding.check)))


def unchecked_titles(exam: Exam) -> list[str]:
    """Return the titles of the checks that an exam does not allow, as its distances are unknown."""
    names = [] if exam.voxel_ml is not None else ["wall_mass", "cavity_volume"]
    if exam.spacing_mm is None:
        names.append("wall_thickness")
    if exam.spacing_mm is None or np.isnan(exam.spacing_mm[2]):
        names.append("centre_jump")
    return [CHECKS[name].title for name in names]


def unchecked_note(exam: Exam) -> tuple[str, ...]:
    """Return a sentence on what could not be looked at; none where all was."""
    names = ", ".join(unchecked_titles(exam))
    return (f"distances are unknown, so that it was not checked whether this can be a heart's: {names}",) * bool(names)


def _check_amounts(exam: Exam, labels: LabelImage) -> Iterator[Finding]:
    """Mass, volume, share of scar; a class that is nowhere."""
    burden = measure(labels, exam.voxel_ml)
    cavities = int((labels == Label.CAVITY).any(axis=(1, 2)).sum())
    walls = int(np.isin(labels, WALL).any(axis=(1, 2)).sum())
    yield from check_range("no_cavity", cavities)
    yield from check_range("no_wall", walls)
    if burden.mass_g is not None and walls:
        yield from check_range("wall_mass", burden.mass_g, low=walls >= _MIN_SLICES)
    if burden.ml is not None and cavities:
        yield from check_range("cavity_volume", burden.ml[Label.CAVITY], low=cavities >= _MIN_SLICES)
    if burden.scar_percent is not None:
        yield from check_range("scar_share", burden.scar_percent)


def _check_gaps(labels: LabelImage) -> Iterator[Finding]:
    """Slices without labels, or without a cavity, between others that have them."""
    labelled, cavity = (np.array([mask.any() for mask in masks]) for masks in (labels > 0, labels == Label.CAVITY))
    for k in _span(labelled):
        yield from check_range("empty_slice", int(labelled[k]), k)
    for k in _span(cavity):
        if labelled[k]:
            yield from check_range("cavity_gap", int((labels[k] == Label.CAVITY).sum()), k)


def _span(there: Mask) -> range:
    """Return the indices from the first that is True to the last."""
    places = np.flatnonzero(there)
    return range(int(places[0]), int(places[-1]) + 1) if len(places) else range(0)


def _check_jumps(exam: Exam, labels: LabelImage) -> Iterator[Finding]:
    """Distances of the centres of cavities that follow each other, in mm, within the slices' plane.

    They are those of points in the patient, so that a stack that drifts or is sheared moves no centre. The distance
    along the slices' normal is left out.
    """
    cavities = [k for k, image in enumerate(labels) if (image == Label.CAVITY).any()]
    if exam.spacing_mm is None or np.isnan(exam.spacing_mm[2]) or not cavities:
        return
    slots = np.array(exam.slots or range(len(labels)))[cavities]
    centres = np.array([np.argwhere(labels[k] == Label.CAVITY).mean(axis=0) for k in cavities])
    if exam.affine is None:
        places = centres * exam.spacing_mm[:2]
    else:
        places = np.column_stack([centres, slots]) @ exam.affine[:3, :3].T
        across = plane_normal(exam.affine)
        places = places - np.outer(places @ across, across)
    jumps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    apart = np.abs(np.diff(slots)) * exam.spacing_mm[2]
    for k, jump, distance in zip(cavities[1:], jumps, apart, strict=True):
        yield from check_range("centre_jump", float(jump), k, more=float(distance))


def _check_slice(exam: Exam, labels: LabelImage, k: int) -> Iterator[Finding]:
    """Shape of a slice's labels, and where they lie in the image."""
    cavity, labelled = labels[k] == Label.CAVITY, labels[k] > 0
    if not labelled.any():
        return
    stray = detached_scar(labels, k)
    wall = np.isin(labels[k], WALL)
    if wall.any():
        yield from check_range("stray_scar", 100 * float(stray.sum() / wall.sum()), k)
    if cavity.any():
        yield from check_range("wall_around", 100 * enclosed_share(cavity, wall), k)
    if cavity.any() and wall.any() and exam.spacing_mm is not None:
        yield from check_range("wall_thickness", wall_thickness_mm(wall, exam.spacing_mm[:2]), k)
    yield from check_range("cavity_pieces", count_components(cavity), k)
    yield from check_range("wall_pieces", count_components(wall & ~stray), k)
    edge = int(labelled.sum() - labelled[1:-1, 1:-1].sum())
    yield from check_range("image_edge", edge, k)
    outside = labelled & ~body_mask(exam.pixels[k])
    yield from check_range("outside_body", 100 * float(outside.sum() / labelled.sum()), k)


def count_components(mask: Mask) -> int:
    """Count the 8-connected pieces of a mask [H, W] that have at least a twentieth of the largest one's pixels."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int((areas >= _MIN_COMPONENT_SHARE * areas.max(initial=0)).sum())


def enclosed_share(cavity: Mask, wall: Mask) -> float:
    """Return the share, 0-1, of the pixels that touch a cavity [H, W] from outside (8-connected) which are wall."""
    outlines, _ = cv2.findContours(cavity.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(cavity.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    border = (cv2.dilate(filled, _NEIGHBOURHOOD) > 0) & (filled == 0)
    return float(wall[border].mean()) if border.any() else 0.0


def wall_thickness_mm(wall: Mask, pixel_mm: tuple[float, float]) -> float:
    """Return the diameter of the largest disc that fits into a wall, in mm.

    The wall is drawn with square pixels, half as large as the shorter side of its own; there it is twice the largest
    distance to what is not wall. A straight wall along rows or columns has its very thickness; others are right to
    within such a pixel.

    Args:
        wall: [H, W], not empty.
        pixel_mm: distance of pixel centres along a column, and along a row.
    """
    rows, columns = np.nonzero(wall)
    part = wall[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    step = min(pixel_mm) / 2
    high, wide = (round(length * mm / step) for length, mm in zip(part.shape, pixel_mm, strict=True))
    drawn = cv2.resize(part.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST_EXACT)
    distance = cv2.distanceTransform(np.pad(drawn, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return 2 * step * float(distance.max())


def detached_scar(labels: LabelImage, k: int) -> Mask:
    """Find the scar of a slice that nothing says is in a wall.

    These are its 8-connected pieces none of whose pixels touches cavity or myocardium of the slice (8 neighbours), nor
    lies over cavity or myocardium of the slice before or after: a tip that is all scar goes on from its neighbour.

    Args:
        labels: [S, H, W], values of `Label`.
        k: index of the slice.

    Returns:
        [H, W].
    """
    scar: Mask = labels[k] == Label.SCAR
    if not scar.any():
        return scar
    heart = np.isin(labels[max(k - 1, 0) : k + 2], (Label.CAVITY, Label.MYOCARDIUM))
    own = np.isin(labels[k], (Label.CAVITY, Label.MYOCARDIUM)).astype(np.uint8)
    near = heart.any(axis=0) | (cv2.dilate(own, _NEIGHBOURHOOD) > 0)
    _, numbers = cv2.connectedComponents(scar.astype(np.uint8), connectivity=8)
    stray: Mask = scar & ~np.isin(numbers, np.unique(numbers[near]))
    return stray
