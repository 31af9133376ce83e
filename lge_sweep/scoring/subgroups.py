"""A ratio of sums over cases, such as a pooled Dice or a share of slices, with its bootstrap interval over cases."""

from typing import NamedTuple

import numpy as np

from lge_sweep.scoring.bootstrap import check_range, draw_cases, percentile_interval, resampled_means
from lge_sweep.scoring.paired import Array


class Ratio(NamedTuple):
    """A ratio of sums and its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def ratio_of_sums(above: Array, below: Array, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> Ratio:
    """Return the sum of one number over all cases divided by that of another.

    Cases are drawn with replacement, and the ratio is made anew from those drawn; a draw in which what it is divided by
    is 0 is left out of the interval.

    Args:
        above: [cases], what is divided.
        below: [cases], what it is divided by, >= 0.
        resamples: how many draws, >= 1; none is made of a single case, which tells nothing of how cases differ.
        seed: of the random numbers.
        level: of the interval, between 0 and 1.

    Raises:
        ConfigError: `resamples` or `level` is out of range.

    Source: cluster bootstrap with percentile intervals (Efron and Tibshirani 1993, sections 8 and 13).

    >>> ratio_of_sums(np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    Ratio(value=0.5, low=0.5, high=0.5)
    >>> ratio_of_sums(np.array([0.0]), np.array([0.0]))
    Ratio(value=None, low=None, high=None)
    """
    check_range(resamples, level)
    total = float(below.sum())
    if total == 0:
        return Ratio(None, None, None)
    value = float(above.sum()) / total
    if len(below) == 1:
        return Ratio(value, None, None)
    draws = draw_cases(len(below), resamples, np.random.default_rng(seed))
    drawn = resampled_means(draws, above[:, None], below[:, None])[:, 0]
    return Ratio(value, *percentile_interval(drawn[~np.isnan(drawn)], level))
