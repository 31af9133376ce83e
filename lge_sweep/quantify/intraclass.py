"""How well two measurements of the same cases can stand for each other: the intraclass correlation ICC(2,1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lge_sweep.arrays import Matrix
from lge_sweep.quantify.limits_of_agreement import complete_pairs

FEWEST = 1e-3
"""Degrees of freedom at which the quantiles of F have reached their limits, infinity and 0; with fewer they are NaN."""


@dataclass(frozen=True)
class Intraclass:
    """ICC(2,1): two-way random effects, absolute agreement, of a single measurement.

    Attributes:
        cases: how many have both values.
        missing: cases left out because a value is missing.
        value: at most 1; None with fewer than 3 cases, or where all values are one number.
        low, high: 95 % confidence interval; None where there is no value.
    """

    cases: int
    missing: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


def intraclass_correlation(measured: Sequence[float | None], truth: Sequence[float | None]) -> Intraclass:
    """Compare a measurement with the truth as two raters of the same cases.

    With n cases, k = 2 raters and the mean squares of cases R, raters C and error E of the two-way analysis of
    variance: ICC = (R - E) / (R + (k - 1) E + k (C - E) / n). A constant offset lowers it, as it should: it is no
    correlation. The interval is Satterthwaite's. Where both agree to the last digits it is 1 to 1.

    Args:
        measured: a value a case; None or NaN where there is none.
        truth: the same cases in the same order.

    Raises:
        ValueError: the two have different lengths, or a value is infinite.

    Source: Shrout and Fleiss, Psychol Bull 86, 1979; McGraw and Wong, Psychol Methods 1, 1996 (table 7, case 2A).

    >>> found = intraclass_correlation([9.0, 6.0, 8.0, 7.0, 10.0, 6.0], [8.0, 2.0, 8.0, 6.0, 9.0, 7.0])
    >>> found.cases, round(found.value, 3)
    (6, 0.648)
    """
    both, missing = complete_pairs(measured, truth)
    count = len(both)
    if count < 3 or np.ptp(both) == 0:
        return Intraclass(count, missing)
    cases, raters, error = _mean_squares(both)
    same = raters == 0 and error == 0
    value = 1.0 if same else (cases - error) / (cases + error + 2 * (raters - error) / count)
    if value == 1:  # also where they differ by a rounding error
        return Intraclass(count, missing, 1.0, 1.0, 1.0)
    a = 2 * value / (count * (1 - value))
    b = 1 + 2 * value * (count - 1) / (count * (1 - value))
    spread = (a * raters) ** 2 + (b * error) ** 2 / (count - 1)  # 0 where one measurement mirrors the other
    freedom = max((a * raters + b * error) ** 2 / spread, FEWEST) if spread else FEWEST
    lower, upper = stats.f.ppf(0.975, count - 1, freedom), stats.f.ppf(0.975, freedom, count - 1)
    others = 2 * raters + (count - 2) * error
    low = count * (cases / lower - error) / (others + count * cases / lower)  # `lower` may be infinite
    high = count * (upper * cases - error) / (others + count * upper * cases)
    return Intraclass(count, missing, float(value), float(low), float(high))


def _mean_squares(both: Matrix) -> tuple[float, float, float]:
    """Mean squares of cases, of raters and of error of [n, 2] values, without rounding noise where there is none."""
    count = len(both)
    offset = both[:, 0] - both[:, 1]
    cases = 2 * float(both.mean(axis=1).var(ddof=1))
    raters = count * float(offset.mean()) ** 2 / 2
    error = float(offset.var(ddof=1)) / 2
    return cases, raters, error
