"""What a number that warns of bad labels meant on exams whose truth is known: how it ranks them, what it catches."""

from collections.abc import Sequence

import numpy as np

from lge_sweep.config.doubt import WarningNumber
from lge_sweep.scoring.auc import clustered_auc
from lge_sweep.scoring.bootstrap import draw_cases, percentile_interval
from lge_sweep.scoring.paired import Array
from lge_sweep.scoring.proportions import LEVEL

WORST = 0.25
"""Share of the exams that are the worst."""


def measure_warning(numbers: Array, worth: Array, cases: Sequence[str], flagged: float) -> WarningNumber:
    """Measure a number that warns, and choose from where it does.

    The threshold is the lowest of the numbers of which no larger share is above it than asked for.

    Args:
        numbers: [exams], the higher the more is to be doubted.
        worth: [exams], what their labels are worth, the higher the better.
        cases: the case of each exam; intervals are bootstrap over cases.
        flagged: largest share of the exams that may be above the threshold, 0 to 1.
    """
    count = len(numbers)
    threshold = float(np.sort(numbers)[count - 1 - int(flagged * count)])
    above = numbers > threshold
    worst = worth <= np.sort(worth)[max(1, round(WORST * count)) - 1]
    auc = clustered_auc(numbers.tolist(), worst.tolist(), cases)
    rank, low, high = _spearman(numbers, worth, cases)
    return WarningNumber(
        threshold=threshold,
        exams=count,
        flagged=int(above.sum()),
        worst=int(worst.sum()),
        caught=int((above & worst).sum()),
        dice_above=float(worth[above].mean()) if above.any() else None,
        dice_below=float(worth[~above].mean()),
        auc=auc.value,
        auc_low=auc.low,
        auc_high=auc.high,
        spearman=rank,
        spearman_low=low,
        spearman_high=high,
    )


def _spearman(
    numbers: Array, worth: Array, cases: Sequence[str], resamples: int = 2000, seed: int = 0
) -> tuple[float | None, float | None, float | None]:
    """Return Spearman's correlation and its bootstrap interval over cases; None where either is one value."""
    names = sorted(set(cases))
    of_case = np.array([names.index(case) for case in cases])
    draws = draw_cases(len(names), resamples, np.random.default_rng(seed))[:, of_case]
    (value,) = _correlations(numbers, worth, np.ones((1, len(numbers))))
    if np.isnan(value):
        return None, None, None
    drawn = _correlations(numbers, worth, draws)
    return float(value), *percentile_interval(drawn[~np.isnan(drawn)], LEVEL)


def _correlations(first: Array, second: Array, times: Array) -> Array:
    """Return Spearman's correlation of exams that are there so many times each, [B]; NaN where either is one value.

    Args:
        first: [exams].
        second: [exams].
        times: [B, exams].
    """
    spread = []
    for values in (first, second):
        ranks = times @ (values[:, None] < values) + (times @ (values[:, None] == values) + 1) / 2
        spread.append(ranks - (times * ranks).sum(axis=1, keepdims=True) / times.sum(axis=1, keepdims=True))
    shared, one, two = ((times * a * b).sum(axis=1) for a, b in (spread, spread[:1] * 2, spread[1:] * 2))
    product = np.sqrt(one * two)
    found: Array = np.divide(shared, product, out=np.full(len(times), np.nan), where=product > 1e-9)
    return found
