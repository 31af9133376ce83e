"""Where in the left ventricle a slice lies, from what is drawn on the slices of its exam alone."""

from collections.abc import Sequence

import numpy as np

from lge_sweep.arrays import Vector

LEVELS = ("base", "mid", "apex")
"""The thirds of a ventricle, from the valves on."""
UNTOLD = "not told"
"""Of an exam whose slices are too few, or do not say which end is the base."""
NO_WALL = "no wall"
"""Of a slice on which no wall is drawn."""


def split_in_thirds(places: Sequence[int]) -> Vector:
    """Deal slices to equal thirds of a stack, counting those that are missing in between.

    Of slices that do not divide by three the first third gets one more, then the second.

    Args:
        places: of each slice its place in an evenly spaced stack, from one end to the other.

    Returns:
        0, 1 or 2 for each.

    Source: Cerqueira et al., Circulation 105, 2002 (equal thirds).

    >>> split_in_thirds([0, 1, 2, 3, 4, 5, 6]).tolist(), split_in_thirds([9, 7, 4]).tolist()
    ([0, 0, 0, 1, 1, 2, 2], [0, 1, 2])
    """
    depth = np.abs(np.asarray(places) - places[0])
    return np.asarray(3 * depth // (depth[-1] + 1))


def slice_levels(cavity: Sequence[int], wall: Sequence[int], slots: Sequence[int]) -> list[str]:
    """Tell base, mid and apex of one exam's slices, where the direction of the stack is not known.

    The slices with wall and cavity are dealt to thirds; the end whose third has the larger cavity on average is the
    base. Slices with wall alone belong to the end beyond which they lie, else to no level.

    Args:
        cavity: pixels of the cavity of each slice, as it is drawn by the reference.
        wall: those of the wall.
        slots: the slices' places in an evenly spaced stack, ascending.

    Returns:
        One of `LEVELS`, `UNTOLD` or `NO_WALL` for each slice. All that have wall are `UNTOLD` where fewer than three
        have wall and cavity, a third is empty, or both ends are alike.

    >>> slice_levels([50, 60, 40, 20, 0], [30, 30, 30, 30, 10], [0, 1, 2, 3, 4])
    ['base', 'base', 'mid', 'apex', 'apex']
    """
    rings = [k for k in range(len(wall)) if wall[k] and cavity[k]]
    untold = [UNTOLD if pixels else NO_WALL for pixels in wall]
    if len(rings) < 3:
        return untold
    thirds = split_in_thirds([slots[k] for k in rings])
    areas = [np.mean([cavity[k] for k, third in zip(rings, thirds, strict=True) if third == end]) for end in (0, 2)]
    if set(thirds.tolist()) != {0, 1, 2} or areas[0] == areas[1]:
        return untold
    names = LEVELS if areas[0] > areas[1] else LEVELS[::-1]
    levels = dict(zip(rings, (names[third] for third in thirds), strict=True))
    for k, pixels in enumerate(wall):
        if pixels and k not in levels and (k < rings[0] or k > rings[-1]):
            levels[k] = names[0] if k < rings[0] else names[2]
    return [levels.get(k, said) for k, said in enumerate(untold)]
