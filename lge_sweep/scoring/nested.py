"""Choose one of several candidates on cases, and say what the choice is worth without letting a case decide on itself.

The best of many candidates looks better than it is, as it was chosen for the luck of these cases, too. Each fold's
cases are therefore also given the candidate that the other folds' cases choose; the mean over these is what choosing in
this way is worth on a case that had no say.

Source: Varma and Simon, BMC Bioinformatics 7:91, 2006 (nested cross-validation).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lge_sweep.scoring.bootstrap import draw_cases, percentile_interval
from lge_sweep.scoring.paired import Array
from lge_sweep.scoring.patients import RESAMPLES
from lge_sweep.scoring.proportions import LEVEL
from lge_sweep.seeding import derive_seed


@dataclass(frozen=True)
class NestedChoice:
    """What was chosen.

    Attributes:
        best: index of the candidate with the highest mean over all cases; of equals the first.
        by_fold: [folds], index of the candidate that each fold's cases are given: the best of the other folds' cases.
        values: [cases], value of each case under what its fold was given.
    """

    best: int
    by_fold: NDArray[np.intp]
    values: Array


def choose_nested(values: Array, folds: NDArray[np.intp]) -> NestedChoice:
    """Choose the candidate with the highest mean over cases.

    Args:
        values: [candidates, cases], finite; the simplest candidates first.
        folds: [cases], number of each case's fold, counted from 0; at least two folds.

    Raises:
        ValueError: there is one fold, or a value is not a number.

    >>> values = np.array([[0.5, 0.5, 0.5, 0.5], [1.0, 0.9, 0.1, 0.2]])
    >>> chosen = choose_nested(values, np.array([0, 0, 1, 1]))
    >>> chosen.best, chosen.by_fold.tolist(), chosen.values.tolist()
    (1, [0, 1], [0.5, 0.5, 0.1, 0.2])
    """
    count = int(folds.max()) + 1
    if count < 2 or not np.isfinite(values).all():
        raise ValueError("a nested choice needs at least two folds, and a number for each candidate and case")
    by_fold = np.array([values[:, folds != fold].mean(axis=1).argmax() for fold in range(count)])
    return NestedChoice(int(values.mean(axis=1).argmax()), by_fold, values[by_fold[folds], np.arange(len(folds))])


def mean_interval(values: Array, seed: int = 0) -> tuple[float, float]:
    """Return the percentile interval of the mean of values [cases], from resamples of the cases.

    Args:
        values: one a case; the difference of two candidates makes it a paired comparison.
        seed: of the draw.
    """
    rng = np.random.default_rng(derive_seed(seed, "nested"))
    means = draw_cases(len(values), RESAMPLES, rng) @ values / len(values)
    low, high = percentile_interval(means, LEVEL)
    assert low is not None
    assert high is not None
    return low, high


def cases_needed(differences: Array, power: float = 0.8) -> int | None:
    """Return how many cases would tell two candidates apart that differ as these do: a paired t-test, two-sided, .05.

    Args:
        differences: one a case, at least two.
        power: probability that so many cases show it.

    Returns:
        None where the mean difference is 0, or more than a million cases are needed.

    Source: Cohen, Statistical Power Analysis, 1988, with the noncentral t distribution.

    >>> cases_needed(np.array([0.1, 0.0, 0.2, 0.1, -0.1, 0.3]))
    18
    """
    from scipy import stats

    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    if mean == 0:
        return None
    effect = abs(mean) / deviation if deviation else np.inf

    def reached(cases: int) -> bool:
        if np.isinf(effect):
            return True
        critical = stats.t.ppf(0.975, cases - 1)
        shift = effect * np.sqrt(cases)
        return bool(stats.nct.sf(critical, cases - 1, shift) + stats.nct.cdf(-critical, cases - 1, shift) >= power)

    low, high = 2, 2
    while not reached(high):
        low, high = high, 2 * high
        if high > 1_000_000:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low
