"""How well a measurement agrees with the truth over cases: Bland and Altman's limits, Lin's concordance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lge_sweep.arrays import Matrix, Vector

_LIMIT_SDS = 1.96
"""Standard deviations from the bias to a limit of agreement, as published."""


@dataclass(frozen=True)
class Agreement:
    """Measurement minus truth, over the cases that have both; everything in the measurement's unit.

    Every field after `missing` is None with fewer than 2 cases. Limits and intervals presume differences that are
    roughly normal and alike over the range measured: look at the plot.

    Attributes:
        cases: how many have both values.
        missing: cases left out because a value is missing.
        bias: mean difference, positive where the measurement is too high.
        bias_low, bias_high: its 95 % confidence interval.
        sd: standard deviation of the differences (N - 1).
        lower, upper: 95 % limits of agreement, bias -+ 1.96 sd.
        lower_low, lower_high, upper_low, upper_high: 95 % confidence intervals of the two limits.
        concordance: Lin's concordance correlation, -1 to 1; also None where all values of both are one number.
    """

    cases: int
    missing: int
    bias: float | None = None
    bias_low: float | None = None
    bias_high: float | None = None
    sd: float | None = None
    lower: float | None = None
    lower_low: float | None = None
    lower_high: float | None = None
    upper: float | None = None
    upper_low: float | None = None
    upper_high: float | None = None
    concordance: float | None = None


def agreement(measured: Sequence[float | None], truth: Sequence[float | None]) -> Agreement:
    """Compare a measurement with the truth, case by case.

    With n differences of mean d and standard deviation s, and t the 97.5 % point of Student's t with n - 1 degrees of
    freedom: limits d -+ 1.96 s; intervals d -+ t s sqrt(1/n) and limit -+ t s sqrt(1/n + 1.96^2 / (2 (n - 1))).

    Args:
        measured: a value a case; None or NaN where there is none.
        truth: the same cases in the same order.

    Raises:
        ValueError: the two have different lengths, or a value is infinite.

    Source: Bland and Altman, Stat Methods Med Res 8, 1999, section 2 (limits and their intervals); Lin, Biometrics 45,
        1989 (concordance).

    >>> found = agreement([11, 12, None, 16], [10, 12, 9, 14])
    >>> found.cases, found.missing, found.bias, found.sd, found.upper
    (3, 1, 1.0, 1.0, 2.96)
    """
    both, missing = complete_pairs(measured, truth)
    count = len(both)
    if count < 2:
        return Agreement(count, missing)
    differences = both[:, 0] - both[:, 1]
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    student = float(stats.t.ppf(0.975, count - 1))
    of_bias = student * sd * math.sqrt(1 / count)
    of_limit = student * sd * math.sqrt(1 / count + _LIMIT_SDS**2 / (2 * (count - 1)))
    lower, upper = bias - _LIMIT_SDS * sd, bias + _LIMIT_SDS * sd
    return Agreement(
        cases=count,
        missing=missing,
        bias=bias,
        bias_low=bias - of_bias,
        bias_high=bias + of_bias,
        sd=sd,
        lower=lower,
        lower_low=lower - of_limit,
        lower_high=lower + of_limit,
        upper=upper,
        upper_low=upper - of_limit,
        upper_high=upper + of_limit,
        concordance=_concordance(*both.T),
    )


def complete_pairs(measured: Sequence[float | None], truth: Sequence[float | None]) -> tuple[Matrix, int]:
    """Keep the pairs of which both values are there.

    Args:
        measured: a value a case; None or NaN where there is none.
        truth: the same cases in the same order.

    Returns:
        [n, 2] measured and truth, and how many pairs were left out.

    Raises:
        ValueError: the two have different lengths, or a value is infinite.
    """
    if len(measured) != len(truth):
        raise ValueError(f"measured and truth must be of the same cases, got {len(measured)} and {len(truth)} values")
    pairs = np.array([measured, truth], dtype=np.float64).T.reshape(-1, 2)  # None becomes NaN
    if np.isinf(pairs).any():
        raise ValueError(f"measured and truth must be finite or missing, got {int(np.isinf(pairs).sum())} infinite")
    kept = pairs[~np.isnan(pairs).any(axis=1)]
    return kept, len(pairs) - len(kept)


def _concordance(measured: Vector, truth: Vector) -> float | None:
    """Lin's concordance, 2 s_xy / (s_x^2 + s_y^2 + (mean_x - mean_y)^2) with N in the denominators."""
    if np.ptp(np.concatenate([measured, truth])) == 0:
        return None
    spread = float(measured.var() + truth.var() + (measured.mean() - truth.mean()) ** 2)
    covariance = float(((measured - measured.mean()) * (truth - truth.mean())).mean())
    return 2 * covariance / spread
