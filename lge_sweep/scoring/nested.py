"""Choose one of several candidates on cases, and say what the choice is worth without letting a case decide on itself.

The best of many candidates looks better than it is, as it was chosen for the luck of these cases, too. Each fold's
cases are therefore also given the candidate that the other folds' cases choose; the mean over these is what choosing in
this way is worth on a case that had no say.

Source: Varma and Simon, BMC Bioinformatics 7:91, 2006 (nested cross-validation).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lge_sweep.scoring.paired import Array


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
