"""Intervals of proportions: of independent cases, and of slices that belong to cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Level of intervals."""


@dataclass(frozen=True)
class Proportion:
    """A share and its interval.

    Attributes:
        hits: how many have it.
        of: of how many.
        value: the share; None of none.
        low, high: its 95 % interval; None where there is no value.
    """

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


def wilson(hits: float, of: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share, of a number of independent units that need not be whole.

    Args:
        hits: how many have it, 0 to `of`.
        of: of how many, > 0.

    Source: Wilson, J Am Stat Assoc 22, 1927; Newcombe, Stat Med 17, 1998 (its coverage).

    >>> [round(end, 4) for end in wilson(10, 10)]
    [0.7225, 1.0]
    """
    z2 = float(stats.norm.ppf((1 + LEVEL) / 2)) ** 2
    share = hits / of
    middle, half = share + z2 / (2 * of), np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of**2)))
    low, high = (middle - half) / (1 + z2 / of), (middle + half) / (1 + z2 / of)
    return (0.0 if hits == 0 else float(low)), (1.0 if hits == of else float(high))


def proportion(hits: int, of: int) -> Proportion:
    """Return a share of independent units, such as patients, with Wilson's interval."""
    if not of:
        return Proportion(0, 0, None, None, None)
    return Proportion(hits, of, hits / of, *wilson(hits, of))


def clustered_proportion(hits: Sequence[int], of: Sequence[int]) -> Proportion:
    """Return a share of slices with an interval that knows that slices of one case resemble each other.

    It is Wilson's, of fewer slices than there are: of their number divided by the design effect, the variance of the
    share over cases by that of independent slices, at least 1. Where all slices agree, or all are of one case, the
    design effect cannot be told, and the number of cases is taken: as if a case's slices were one.

    Args:
        hits: a number a case.
        of: of how many of the case's slices; cases with none are left out.

    Source: Rao and Scott, Biometrics 48, 1992 (design effect); Saha, Miller and Wang, Int J Biostat 12, 2016 (with
        Wilson's interval).
    """
    counted = [(hit, slices) for hit, slices in zip(hits, of, strict=True) if slices]
    if not counted:
        return Proportion(0, 0, None, None, None)
    found, slices = np.array(counted, dtype=np.float64).T
    cases, total = len(found), float(slices.sum())
    share = float(found.sum()) / total
    if cases == 1 or share in (0, 1):
        effective = float(cases)
    else:
        variance = cases / (cases - 1) * float(((found - share * slices) ** 2).sum()) / total**2
        effective = total / max(1.0, variance * total / (share * (1 - share)))
    return Proportion(int(found.sum()), int(total), share, *wilson(share * effective, effective))
