"""The bootstrap over cases: scores on resamples of the cases, their intervals, and the chance of each rank.

The case (one patient exam) is the unit that is drawn, all its images with it: slices of one case resemble each other,
and drawing them one by one would make every interval too narrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd
from scipy import stats

from lge_sweep.errors import ConfigError
from lge_sweep.labels import SCORED
from lge_sweep.scoring.paired import DECIMALS, Array, class_weights
from lge_sweep.scoring.scores import global_metrics, score


@dataclass(frozen=True)
class CaseSums:
    """One table as sums and counts per case, from which the score of any resample of cases follows.

    Attributes:
        sums: [cases, metrics * classes], sum over the case's images of the values that are there.
        counts: the same shape, how many are there.
        weights: [classes], weight of each class in a global metric.
        shares: [metrics], weight of each metric in the score, 0 where it has no value on the whole table.
        score: of the whole table.
    """

    sums: Array
    counts: Array
    weights: Array
    shares: Array
    score: float

    def scores(self, draws: Array) -> Array:
        """Score of each resample.

        Args:
            draws: [B, cases], how often each case was drawn.

        Returns:
            [B]; NaN where a class that counts lacks a metric in the resample that the whole table has.
        """
        means = resampled_means(draws, self.sums, self.counts)
        by_class = means.reshape(len(draws), len(SCORED), len(self.weights))
        counted, present = self.weights > 0, self.shares > 0
        overall = by_class[:, :, counted] @ (self.weights[counted] / self.weights.sum())
        scores: Array = overall[:, present] @ self.shares[present]
        return scores


@dataclass(frozen=True)
class Resampled:
    """What came of drawing cases.

    Attributes:
        point: [candidates], scores on all cases.
        scores: [resamples, candidates], scores on the resamples that were used.
        left_out: resamples that were not, because some candidate has no score on them.
        cases, images: how many were measured.
    """

    point: Array
    scores: Array
    left_out: int
    cases: int
    images: int


def resample(
    spreads: Sequence[Sequence[pd.DataFrame]],
    rule: str,
    emphasis: Mapping[str, float] | None,
    resamples: int,
    seed: int,
) -> Resampled:
    """Score every candidate on all cases, and on resamples of them that are the same for all candidates.

    A candidate with S > 1 tables is scored by the mean of S of them, drawn with replacement anew in each resample.

    Args:
        spreads: for each candidate its tables, one a seed, as `lge_sweep.scoring.paired.wide` gives them; all of the
            same images.
        rule: "mean" or "weighted".
        emphasis: class -> weight in the global metrics.
        resamples: how many, >= 1; with a single case none is made.
        seed: of the random numbers.

    Raises:
        ConfigError: the rule is unknown.
        SelectionError: a candidate has no metric to score.
    """
    tables = [[case_sums(spread, rule, emphasis) for spread in seeds] for seeds in spreads]
    point = np.array([np.mean([table.score for table in seeds]) for seeds in tables])
    cases, images = len(tables[0][0].sums), len(spreads[0][0])
    if cases == 1:
        return Resampled(point, np.empty((0, len(tables))), 0, cases, images)

    random = np.random.default_rng(seed)
    draws = draw_cases(cases, resamples, random)
    columns = []
    for seeds in tables:
        scores = np.stack([table.scores(draws) for table in seeds], axis=1)
        share = np.ones((resamples, 1))
        if len(seeds) > 1:
            share = random.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=resamples) / len(seeds)
        # A seed without a score (NaN) rules the resample out, drawn or not.
        columns.append((scores * share).sum(axis=1))
    found = np.stack(columns, axis=1)
    usable = ~np.isnan(found).any(axis=1)
    return Resampled(point, found[usable], int((~usable).sum()), cases, images)


def check_range(resamples: int, level: float) -> None:
    """Raise ConfigError unless both numbers make sense."""
    if resamples < 1:
        raise ConfigError(f"resamples must be at least 1, got {resamples}")
    if not 0 < level < 1:
        raise ConfigError(f"level must be between 0 and 1, such as 0.95, got {level}")


def draw_cases(cases: int, resamples: int, random: np.random.Generator) -> Array:
    """Draw as many cases as there are, with replacement, again and again.

    Args:
        cases: how many there are.
        resamples: how many draws.
        random: the generator.

    Returns:
        [resamples, cases], how often each case was drawn; every row sums to `cases`.
    """
    return random.multinomial(cases, np.full(cases, 1 / cases), size=resamples).astype(np.float64)


def resampled_means(draws: Array, sums: Array, counts: Array) -> Array:
    """Mean over the images of the cases drawn.

    Args:
        draws: [B, cases], how often each case was drawn.
        sums: [cases, K], sum over the case's images of the values that are there.
        counts: [cases, K], how many are there.

    Returns:
        [B, K]; NaN where none is there.
    """
    present = draws @ counts
    means: Array = np.divide(draws @ sums, present, out=np.full(present.shape, np.nan), where=present > 0)
    return means


def case_sums(spread: pd.DataFrame, rule: str, emphasis: Mapping[str, float] | None) -> CaseSums:
    """Sums and counts per case of a table as `lge_sweep.scoring.paired.wide` gives it, and its score.

    Args:
        spread: the table.
        rule: name of the rule that scores are by.
        emphasis: class -> weight; None: all alike.
    """
    classes = list(spread["dice"].columns)
    means = spread.mean()
    by_class = {
        metric: {name: None if np.isnan(means[metric, name]) else float(means[metric, name]) for name in classes}
        for metric in SCORED
    }
    points = score(global_metrics(by_class, emphasis), rule)
    by_case = spread.groupby(level="case")
    return CaseSums(
        sums=by_case.sum().to_numpy(float),
        counts=by_case.count().to_numpy(float),
        weights=class_weights(classes, emphasis),
        shares=np.array([points.weights.get(metric, 0.0) for metric in SCORED]),
        score=points.value,
    )


def percentile_interval(values: Array, level: float) -> tuple[float, float] | tuple[None, None]:
    """Percentile interval of [resamples] values; None where no resample could be used."""
    if not len(values):
        return None, None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


NARROW_BELOW = 30
"""Below so many cases it is said how often a percentile interval holds the truth: less often than its level."""


def coverage(cases: int, level: float = 0.95) -> float:
    """How often the percentile interval of a mean over so few cases holds the true mean, 0 to 1, if cases are normal.

    The interval is the mean -+ z sqrt((n - 1) / n) s / sqrt(n), and (mean - truth) / (s / sqrt(n)) follows Student's t
    with n - 1 degrees of freedom.

    Source: Hesterberg, What teachers should know about the bootstrap, Am Stat 69, 2015 (narrowness bias).

    >>> [round(coverage(cases), 3) for cases in (5, 10, 18, 30, 1000)]
    [0.846, 0.904, 0.926, 0.936, 0.95]
    """
    z = stats.norm.ppf((1 + level) / 2)
    return float(1 - 2 * stats.t.sf(z * np.sqrt((cases - 1) / cases), cases - 1))


def in_hundred(cases: int, level: float) -> str:
    """Say how often intervals from so few cases hold the truth; "" from enough."""
    if not 1 < cases < NARROW_BELOW:
        return ""
    return f"such an interval from {cases} cases holds the truth in about {100 * coverage(cases, level):.0f} of 100"


def most_certain(cases: int) -> float:
    """Largest probability of an order that so many cases can show, 1 - 2^-cases.

    Of two configurations that are alike each is ahead on a case with probability 1/2, so that one is ahead on all with
    probability 2^-cases: no test over the cases gives a smaller one-sided p. The bootstrap's probability of an order is
    an approximation of 1 - p, and a bad one where cases are few: it is 1 as soon as all cases agree.

    Source: the sign test; Efron and Tibshirani, The problem of regions, Ann Stat 26, 1998, for 1 - p.

    >>> [most_certain(cases) for cases in (2, 3, 6)]
    [0.75, 0.875, 0.984375]
    """
    return 1 - 2.0**-cases


def fewest_cases(level: float) -> int:
    """Fewest cases that can tell two configurations apart by an interval of that level, both of whose tails count.

    >>> fewest_cases(0.95)
    6
    """
    return next(cases for cases in count(1) if most_certain(cases) >= (1 + level) / 2)


def rank_chances(scores: Array, cases: int) -> Array:
    """Probability of each rank of each candidate: the share of the resamples in which it has it.

    Of equal scores each has an equal share of the ranks that they take. Where a probability is above `most_certain`,
    all are drawn towards equal ranks, by as little as brings it down to that.

    Args:
        scores: [resamples, candidates], at least one resample.
        cases: how many were measured.

    Returns:
        [candidates, ranks]; every row and every column sums to 1.
    """
    descending = -np.round(scores, DECIMALS)
    first, last = (stats.rankdata(descending, method, axis=1) for method in ("min", "max"))
    candidates, share = scores.shape[1], 1 / (last - first + 1)
    ranks = range(1, candidates + 1)
    chances = np.stack([(share * ((first <= rank) & (rank <= last))).mean(axis=0) for rank in ranks], axis=1)
    excess = chances.max() - most_certain(cases)
    if candidates > 1 and excess > 0:
        weight = excess / (chances.max() - 1 / candidates)
        chances = (1 - weight) * chances + weight / candidates
    return np.round(chances, DECIMALS)
