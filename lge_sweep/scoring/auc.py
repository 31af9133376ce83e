"""How well a number ranks those that have something before those that have not: the area under the ROC curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from lge_sweep.scoring.bootstrap import draw_cases, percentile_interval
from lge_sweep.scoring.paired import Array
from lge_sweep.scoring.proportions import LEVEL


@dataclass(frozen=True)
class Auc:
    """Probability that one that has it has a higher score than one that has not; ties count half.

    Attributes:
        positives: how many have it.
        negatives: how many have not.
        value: 0 to 1; None where there are none of one kind.
        low, high: its 95 % interval; None where there is none.
    """

    positives: int
    negatives: int
    value: float | None
    low: float | None
    high: float | None


def delong_auc(scores: Sequence[float], has: Sequence[bool]) -> Auc:
    """Return the AUC of independent cases with DeLong's interval, on the scale of the logit.

    Where DeLong's variance is 0 (all are ranked right, all wrong, or all scores are one number) or cannot be told (a
    single one of a kind), the interval is Newcombe's score interval, which has a width there, too.

    Args:
        scores: a number a case, the higher the likelier.
        has: whether the case has it.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988; Newcombe, Stat Med 25, 2006, part 2 (method 5).
    """
    kernel = _kernel(scores, has)
    positives, negatives = kernel.shape
    if not kernel.size:
        return Auc(positives, negatives, None, None, None)
    value = float(kernel.mean())
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    variance = 0.0
    if min(kernel.shape) > 1:
        variance = kernel.mean(axis=1).var(ddof=1) / positives + kernel.mean(axis=0).var(ddof=1) / negatives
    if variance <= 0 or value in (0, 1):
        return Auc(positives, negatives, value, *_score_interval(value, positives, negatives, z))
    half = z * float(np.sqrt(variance)) / (value * (1 - value))
    middle = float(np.log(value / (1 - value)))
    low, high = (float(1 / (1 + np.exp(-end))) for end in (middle - half, middle + half))
    return Auc(positives, negatives, value, low, high)


def clustered_auc(
    scores: Sequence[float], has: Sequence[bool], cases: Sequence[str], resamples: int = 2000, seed: int = 0
) -> Auc:
    """Return the AUC of slices with a bootstrap interval over cases, all slices of a case drawn with it.

    Where no resample differs from another (all slices are ranked right, all wrong, or all scores are one number), it is
    Newcombe's score interval of as many positives and negatives as there are cases with either.

    Args:
        scores: a number a slice, the higher the likelier.
        has: whether the slice has it.
        cases: the case of each slice.
        resamples: how many; a resample without slices of both kinds is left out.
        seed: of the random numbers.
    """
    kernel, truth = _kernel(scores, has), np.asarray(has, dtype=bool)
    positives, negatives = kernel.shape
    if not kernel.size:
        return Auc(positives, negatives, None, None, None)
    names = sorted(set(cases))
    member = np.array([[name == case for name in names] for case in cases], dtype=np.float64)
    of_positives, of_negatives = member[truth], member[~truth]
    low, high = None, None
    if len(names) > 1:
        draws = draw_cases(len(names), resamples, np.random.default_rng(seed))
        pairs = (draws @ of_positives.sum(axis=0)) * (draws @ of_negatives.sum(axis=0))
        wins = ((draws @ (of_positives.T @ kernel @ of_negatives)) * draws).sum(axis=1)
        low, high = percentile_interval(wins[pairs > 0] / pairs[pairs > 0], LEVEL)
    value = float(kernel.mean())
    if low is not None and low == high:
        having = [int((of.sum(axis=0) > 0).sum()) for of in (of_positives, of_negatives)]
        low, high = _score_interval(value, having[0], having[1], float(stats.norm.ppf((1 + LEVEL) / 2)))
    return Auc(positives, negatives, value, low, high)


def _kernel(scores: Sequence[float], has: Sequence[bool]) -> Array:
    """[positives, negatives]: 1 where the positive has the higher score, 1/2 where both have the same, else 0."""
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(has, dtype=bool)
    if len(values) != len(truth) or not np.isfinite(values).all():
        raise ValueError(f"scores must be finite, one for each of {len(truth)}, got {len(values)}")
    above = values[truth][:, None] - values[~truth][None, :]
    kernel: Array = np.where(above > 0, 1.0, np.where(above == 0, 0.5, 0.0))
    return kernel


def _score_interval(value: float, positives: int, negatives: int, z: float) -> tuple[float, float]:
    """Newcombe's interval: the AUCs t with (value - t)^2 = z^2 V(t), V being Hanley and McNeil's variance.

    Args:
        value: the AUC found.
        positives: how many have it.
        negatives: how many have not.
        z: the normal's point.
    """
    half_sum = (positives + negatives) / 2 - 1

    def off(t: float) -> float:
        spread = 1 + half_sum * ((1 - t) / (2 - t) + t / (1 + t))
        return (value - t) ** 2 - z**2 * t * (1 - t) * spread / (positives * negatives)

    low = 0.0 if value == 0 else float(optimize.brentq(off, 0.0, value - 1e-12))
    high = 1.0 if value == 1 else float(optimize.brentq(off, value + 1e-12, 1.0))
    return low, high
