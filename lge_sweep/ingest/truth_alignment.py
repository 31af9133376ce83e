"""Whether the truth can belong to its images: the cavity is bright, the wall dark around it, and so they lie.

In LGE the blood is bright and healthy myocardium is nulled. Two things are measured of a whole case, each by comparing
pixels, so that scale and offset of intensities do not matter:

- brighter: how often a pixel of the cavity is brighter than one of the healthy myocardium of the same slice (the area
  under the ROC curve; ties count half), over slices, weighted by the smaller of the two numbers of pixels;
- edge: of all pairs of neighbours across the endocardial border, the share with the brighter one in the cavity less the
  share with the darker one.

A truth that is mirrored, turned or in the reverse order of slices is found by trying: it fits better once that is
undone. Measured on EMIDEC and the phantom: see docs/log.md.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from lge_sweep.arrays import LabelImage, PixelIndices, Pixels, Vector
from lge_sweep.ingest.volume import Volume
from lge_sweep.labels import WALL, Label

_MIN_PIXELS = 100
"""Pixels of cavity, and of healthy myocardium, below which a case tells nothing."""
_MIN_BRIGHTER = 0.6
"""`brighter` below this is a doubt; EMIDEC's 70 cases have .80 to .97."""
_TRUTH_BRIGHTER = 0.7
"""`brighter` from which on another orientation looks like the truth."""
_MIN_GAIN = 0.04
"""By how much `brighter` + `edge` must be better for another orientation to be named; EMIDEC's smallest is .064."""
_MIN_SLICES = 5
"""Slices of a case from which on `_MIN_GAIN` is enough; of S fewer ones it takes `_SINGLE_SLICE_GAIN` / S."""
_SINGLE_SLICE_GAIN = 0.3
_MIN_ENCLOSED = 0.6
"""Share of the cavity's border that lies at the wall, below which the cavity is not inside; EMIDEC has 1."""
DARK_CAVITY = (
    "the cavity of its masks is hardly brighter than the healthy myocardium: classes that are mixed up, masks of "
    "another exam, or LGE with dark blood? Look at --sheet"
)
CAVITY_OUTSIDE = "the cavity of its masks is not inside the wall: are classes mixed up? Look at --sheet"
OTHER_ORIENTATION = "its masks would fit its images better {}: were they saved in another orientation? Look at --sheet"
ORIENTATION_DOUBT = OTHER_ORIENTATION.partition("{}")[0]
"""How that note begins."""
_ROTATIONS = ("", "turned by 90 degrees", "turned by 180 degrees", "turned by 270 degrees")
_REFLECTIONS = (
    "mirrored left to right",
    "mirrored along the diagonal",
    "mirrored top to bottom",
    "mirrored along the other diagonal",
)
_REVERSED = "with their slices in reverse order"


class Orientation(NamedTuple):
    """A way in which labels can lie on their grid."""

    turns: int
    """By 90 degrees, against the clock, after mirroring."""
    mirrored: bool
    """Left to right."""
    backwards: bool
    """Whether the slices are in reverse order."""

    @property
    def words(self) -> str:
        """What is done to the labels; "" where nothing is."""
        how = (_REFLECTIONS if self.mirrored else _ROTATIONS)[self.turns]
        return " and ".join(part for part in (how, _REVERSED * self.backwards) if part)

    def move(self, places: PixelIndices, shape: tuple[int, ...]) -> tuple[PixelIndices, PixelIndices, PixelIndices]:
        """Return slices, rows and columns that pixels of [S, H, W] come to lie at."""
        count, height, width = shape
        slices, rows, columns = places.T
        slices = count - 1 - slices if self.backwards else slices
        columns = width - 1 - columns if self.mirrored else columns
        for _ in range(self.turns):
            rows, columns, height, width = width - 1 - columns, rows, width, height
        return slices, rows, columns


_UNCHANGED = Orientation(0, mirrored=False, backwards=False)


def with_alignment_warnings(volumes: Sequence[Volume]) -> list[Volume]:
    """Add a note to each exam whose truth does not look like that of its images."""
    return [
        replace(volume, notes=(*volume.notes, *alignment_warnings(volume.pixels, volume.labels))) for volume in volumes
    ]


def alignment_warnings(pixels: Pixels, labels: LabelImage) -> list[str]:
    """Return what makes a truth doubtful, a sentence each.

    Args:
        pixels: [S, H, W] intensities; NaN where there is none.
        labels: [S, H, W] values of `Label`.
    """
    inner, outer = _cavity_border(labels)
    around = labels[tuple(outer.T)]
    if np.isin(labels, WALL).any() and len(around) and np.isin(around, WALL).mean() < _MIN_ENCLOSED:
        return [CAVITY_OUTSIDE]
    cavity, wall = (np.argwhere(labels == label) for label in (Label.CAVITY, Label.MYOCARDIUM))
    if min(len(cavity), len(wall)) < _MIN_PIXELS:
        return []
    healthy = around == Label.MYOCARDIUM
    places = [*_group_by_slice(cavity, wall), (inner[healthy], outer[healthy])]
    square = labels.shape[1] == labels.shape[2]
    ways = product(range(4) if square else (0, 2), (False, True), (False, True) if len(labels) > 1 else (False,))
    fits = {way: _measure_fit(pixels, places, way) for way in (Orientation(*way) for way in ways)}
    best = max(fits, key=lambda way: sum(fits[way]))
    better = _MIN_GAIN if len(labels) >= _MIN_SLICES else _SINGLE_SLICE_GAIN / len(labels)
    if fits[best].brighter >= _TRUTH_BRIGHTER and sum(fits[best]) > sum(fits[_UNCHANGED]) + better:
        return [OTHER_ORIENTATION.format(best.words)]
    return [DARK_CAVITY] if fits[_UNCHANGED].brighter < _MIN_BRIGHTER else []


class AlignmentFit(NamedTuple):
    """How well a truth fits its images."""

    brighter: float
    edge: float


def _measure_fit(pixels: Pixels, places: Sequence[tuple[PixelIndices, PixelIndices]], way: Orientation) -> AlignmentFit:
    """Measure how well labels fit in some orientation.

    Args:
        pixels: [S, H, W] intensities.
        places: pixels of cavity and healthy myocardium of each slice, and last those on both sides of their border.
        way: the orientation.
    """

    def grey(where: PixelIndices) -> Vector:
        return np.asarray(pixels[way.move(where, pixels.shape)], dtype=np.float64)

    *slices, (inner, outer) = places
    total = weights = 0.0
    for cavity, wall in slices:
        bright, dark = (values[~np.isnan(values)] for values in (grey(cavity), grey(wall)))
        weight = min(len(bright), len(dark))
        if weight:
            dark.sort()
            below = np.searchsorted(dark, bright, "left") + np.searchsorted(dark, bright, "right")
            total += weight * float(below.mean()) / (2 * len(dark))
            weights += weight
    steps = grey(inner) - grey(outer)
    steps = steps[~np.isnan(steps)]
    return AlignmentFit(total / weights if weights else 0.5, float(np.sign(steps).mean()) if len(steps) else 0.0)


def _group_by_slice(cavity: PixelIndices, wall: PixelIndices) -> list[tuple[PixelIndices, PixelIndices]]:
    both = np.intersect1d(cavity[:, 0], wall[:, 0])
    return [(cavity[cavity[:, 0] == index], wall[wall[:, 0] == index]) for index in both]


def _cavity_border(labels: LabelImage) -> tuple[PixelIndices, PixelIndices]:
    """Return neighbours in a slice of which the first is in the cavity and the second is not."""
    cavity = labels == Label.CAVITY
    inner, outer = [], []
    for axis, step in product((1, 2), (1, -1)):
        places = np.argwhere(cavity)
        beside = places.copy()
        beside[:, axis] += step
        there = (beside[:, axis] >= 0) & (beside[:, axis] < labels.shape[axis])
        places, beside = places[there], beside[there]
        outside = ~cavity[tuple(beside.T)]
        inner.append(places[outside])
        outer.append(beside[outside])
    return np.concatenate(inner), np.concatenate(outer)
