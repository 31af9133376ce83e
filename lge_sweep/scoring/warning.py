"""What a number that warns of bad labels meant on exams whose truth is known: how it ranks them, what it catches."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lge_sweep.config.doubt import WarningNumber
from lge_sweep.scoring.auc import clustered_auc
from lge_sweep.scoring.bootstrap import draw_cases, percentile_interval
from lge_sweep.scoring.paired import Array
from lge_sweep.scoring.proportions import LEVEL

WORST = 0.25
"""Share of the exams that are the worst."""


def measure_warning(numbers: Array, worth: Array, cases: list[str], flagged: float) -> WarningNumber:
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
    numbers: Array, worth: Array, cases: list[str], resamples: int = 2000, seed: int = 0
) -> tuple[float | None, float | None, float | None]:
    """Return Spearman's correlation and its bootstrap interval over cases."""

    def correlate(chosen: NDArray[np.intp]) -> float:
        ranks = [stats.rankdata(values[chosen]) for values in (numbers, worth)]
        return float(np.corrcoef(*ranks)[0, 1]) if min(map(np.ptp, ranks), default=0) > 0 else np.nan

    value = correlate(np.arange(len(numbers)))
    if np.isnan(value):
        return None, None, None
    names = sorted(set(cases))
    of_case = np.array([names.index(case) for case in cases])
    draws = draw_cases(len(names), resamples, np.random.default_rng(seed)).astype(int)
    drawn = np.array([correlate(np.repeat(np.arange(len(numbers)), times[of_case])) for times in draws])
    return value, *percentile_interval(drawn[~np.isnan(drawn)], LEVEL)
