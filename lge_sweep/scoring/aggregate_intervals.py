"""Bootstrap intervals over cases for every aggregate of a table, and for its difference between two pipelines.

Cases (patient exams) are drawn with replacement, all their images with them, and each aggregate of
`lge_sweep.metrics.aggregate` is made anew from the images drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from lge_sweep.metrics import METRICS, Counts, Summary, aggregate, pooled_scores
from lge_sweep.scoring.bootstrap import check_range, draw_cases, percentile_interval, resampled_means
from lge_sweep.scoring.paired import DECIMALS, Array, as_text, check_same_images, wide

GLOBAL = "global"
"""In place of a class: the unweighted mean over all classes, as in `Summary`."""

Key = tuple[str, str, str]
"""Aggregate (image_mean, pooled or present_only), metric, class or `GLOBAL`."""


@dataclass(frozen=True)
class Estimate:
    """One aggregate of one class and metric (or its difference between two pipelines) and its interval.

    Attributes:
        aggregate: image_mean, pooled or present_only; see `Summary`.
        metric: one of `lge_sweep.metrics.METRICS`, global_accuracy or mean_accuracy (the last two: pooled, global).
        name: the class, or "global".
        value: on all cases, in the metric's range; None where the aggregate has none.
        low, high: percentile interval; None where there is no value, a single case or no usable resample.
        left_out: resamples that gave no value, because no case drawn has the class; the interval is made of the others.
        images: how many images have a value and are what the mean is over; None of a pooled one, a mean over classes, a
            difference.
    """

    aggregate: str
    metric: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    left_out: int
    images: int | None


@dataclass(frozen=True)
class Intervals:
    """Every aggregate with its interval.

    Attributes:
        estimates: one for each aggregate, metric and class.
        level: of the intervals, such as 0.95.
        cases, images: how many were measured.
        resamples: how many were drawn; 0 from a single case, which tells nothing of how cases differ.
    """

    estimates: tuple[Estimate, ...]
    level: float
    cases: int
    images: int
    resamples: int

    def find(self, aggregate: str, metric: str, name: str) -> Estimate:
        """Return the one estimate; KeyError where there is none of that name.

        Args:
            aggregate: "image_mean", "pooled" or "present_only".
            metric: name of the metric.
            name: of the class, or "global".
        """
        for estimate in self.estimates:
            if (estimate.aggregate, estimate.metric, estimate.name) == (aggregate, metric, name):
                return estimate
        raise KeyError(f"no estimate of {aggregate} {metric} of {name}")

    def to_frame(self) -> pd.DataFrame:
        """One row an estimate, columns as the fields of `Estimate`; None becomes NaN in columns of numbers."""
        frame = pd.DataFrame([asdict(estimate) for estimate in self.estimates])
        return frame.astype({"value": float, "low": float, "high": float})


@dataclass(frozen=True, eq=False)
class ResampledTable:
    """A table with every aggregate of it, on all cases and on resamples of them.

    Attributes:
        table: the columns of `lge_sweep.metrics.evaluate`.
        sums: what the resamples are made of.
        draws: [B, cases], how often each case was drawn; B is 0 for a single case.
        points: every aggregate on all cases; None where there is no value.
        drawn: the same on each resample, [B]; NaN where there is no value.
        level: of the intervals that are made of it.
    """

    table: pd.DataFrame
    sums: "_AggregateSums"
    draws: Array
    points: dict[Key, float | None]
    drawn: dict[Key, Array]
    level: float


def resample_table(table: pd.DataFrame, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> ResampledTable:
    """Make every aggregate of a table anew on resamples of its cases.

    Args:
        table: the columns of `lge_sweep.metrics.evaluate`, any order of rows; images without a case are one case.
        resamples: how many, >= 1.
        seed: of the random numbers; the same arguments give the same result.
        level: of the intervals that are made of it, between 0 and 1.

    Raises:
        ConfigError: `resamples` or `level` is out of range.
        ValueError: the table is not one of `evaluate`.
    """
    check_range(resamples, level)
    points, sums = _values(aggregate(table)), _AggregateSums.of(table)
    draws = draw_cases(sums.cases, resamples if sums.cases > 1 else 0, np.random.default_rng(seed))
    return ResampledTable(table, sums, draws, points, sums.resampled(draws), level)


def intervals(of: ResampledTable) -> Intervals:
    """Give every aggregate of every class and metric its bootstrap interval over cases.

    Returns:
        The values are those of `lge_sweep.metrics.aggregate`. A resample in which an aggregate has no value is left out
        of that aggregate's interval only, and counted.

    Source: cluster bootstrap with percentile intervals (Efron and Tibshirani 1993, sections 8 and 13).
    """
    measured = of.sums.measured()
    estimates = [_estimate(key, value, of.drawn[key], of.level, measured.get(key)) for key, value in of.points.items()]
    return Intervals(tuple(estimates), of.level, of.sums.cases, of.sums.images, len(of.draws))


def interval_differences(a: ResampledTable, b: ResampledTable, names: tuple[str, str] = ("a", "b")) -> Intervals:
    """Give every aggregate's difference a - b between two pipelines its paired bootstrap interval over cases.

    Each resample holds the same cases for both, so what makes a case easy or hard for both cancels; of `present_only`
    and pooled aggregates. Means over images (`image_mean`) are over the images on which each has a value: a pipeline
    that finds scar where there is none has more of them than another, and the difference is of two sets of images.

    Args:
        a: the table of one pipeline.
        b: that of the other, of the same images and classes, with as many resamples by the same seed.
        names: what to call the two in an error.

    Returns:
        Differences of the aggregates, each over the images on which its own table has a value; None where either
        aggregate has none. A resample without a value for either is left out.

    Raises:
        ConfigError: the tables are not of the same images and classes.
    """
    check_same_images([wide(a.table), wide(b.table)], names)
    assert np.array_equal(a.draws, b.draws)
    estimates = []
    for key, first in a.points.items():
        second = b.points[key]
        value = None if first is None or second is None else round(first - second, DECIMALS)
        estimates.append(_estimate(key, value, np.round(a.drawn[key] - b.drawn[key], DECIMALS), a.level))
    return Intervals(tuple(estimates), a.level, a.sums.cases, a.sums.images, len(a.draws))


@dataclass(frozen=True)
class _AggregateSums:
    """A table as sums per case, from which the aggregates of any resample follow; C classes, M metrics.

    Attributes:
        classes: their names.
        images: how many.
        pixels: [4, cases, C], counts in the order of `Counts`.
        sums, counts: aggregate (image_mean, present_only) -> [cases, M * C], sum of the values and how many are there.
    """

    classes: tuple[str, ...]
    images: int
    pixels: Array
    sums: dict[str, Array]
    counts: dict[str, Array]

    @property
    def cases(self) -> int:
        return int(self.pixels.shape[1])

    @staticmethod
    def of(table: pd.DataFrame) -> "_AggregateSums":
        """Sum a checked table by case, cases in the order of their names as text."""
        classes = list(dict.fromkeys(table["class"]))
        by_case = [table["case"].map(as_text), table["class"]]
        metrics = table[list(METRICS)]
        forms = {"image_mean": metrics, "present_only": metrics.where(table["tp"] + table["fn"] > 0)}
        grouped = {form: values.groupby(by_case) for form, values in forms.items()}
        pixels = table[list(Counts._fields)].groupby(by_case).sum()
        return _AggregateSums(
            tuple(str(name) for name in classes),
            len(table) // len(classes),
            np.stack([_spread(pixels[[name]], classes) for name in Counts._fields]),
            {form: _spread(values.sum(), classes) for form, values in grouped.items()},
            {form: _spread(values.count(), classes) for form, values in grouped.items()},
        )

    def measured(self) -> dict[Key, int]:
        """How many images have a value, for every mean over images."""
        names = [(metric, name) for metric in METRICS for name in self.classes]
        return {
            (form, metric, name): int(count)
            for form, counts in self.counts.items()
            for (metric, name), count in zip(names, counts.sum(axis=0), strict=True)
        }

    def resampled(self, draws: Array) -> dict[Key, Array]:
        """Make every aggregate of each resample.

        Args:
            draws: [B, cases], how often each case was drawn.

        Returns:
            For every key of the table's aggregates [B]; NaN where there is no value.
        """
        found: dict[Key, Array] = {}
        for form, sums in self.sums.items():
            means = resampled_means(draws, sums, self.counts[form])
            for metric, values in zip(METRICS, np.split(means, len(METRICS), axis=1), strict=True):
                found |= self._by_class(form, metric, values)
        total = Counts(*(np.rint(draws @ pixels).astype(np.int64) for pixels in self.pixels))
        for metric, values in pooled_scores(total).items():
            found |= self._by_class("pooled", metric, values)
        images = sum(pixels[:, 0] for pixels in total)
        found["pooled", "global_accuracy", GLOBAL] = total.tp.sum(axis=1) / images
        found["pooled", "mean_accuracy", GLOBAL] = found["pooled", "sensitivity", GLOBAL]
        return found

    def _by_class(self, form: str, metric: str, values: Array) -> dict[Key, Array]:
        """Key the columns of [B, C], and their mean: NaN where a class has no value, as in `Summary`."""
        named = {(form, metric, name): column for name, column in zip(self.classes, values.T, strict=True)}
        return {**named, (form, metric, GLOBAL): values.mean(axis=1)}


def _spread(by_case: pd.DataFrame, classes: Sequence[str]) -> Array:
    """Spread columns indexed by (case, class) to [cases, columns * C]: cases sorted, a column's classes together."""
    columns = pd.MultiIndex.from_product([by_case.columns, classes])
    return by_case.unstack("class")[columns].to_numpy(float)


def _values(summary: Summary) -> dict[Key, float | None]:
    """Every aggregate under its key."""
    return summary.by_key() | {
        ("pooled", "global_accuracy", GLOBAL): summary.global_accuracy,
        ("pooled", "mean_accuracy", GLOBAL): summary.mean_accuracy,
    }


def _estimate(key: Key, value: float | None, drawn: Array, level: float, images: int | None = None) -> Estimate:
    """Turn a value and its resamples [B] into an estimate; without a value there is no interval."""
    usable = drawn[~np.isnan(drawn)]
    low, high = (None, None) if value is None else percentile_interval(usable, level)
    return Estimate(*key, value, low, high, len(drawn) - len(usable), images)


def beside_reference(
    tables: Mapping[str, pd.DataFrame], reference: str
) -> tuple[dict[str, Intervals], dict[str, Intervals]]:
    """Give every aggregate of several tables its interval, and so its difference to one of them.

    Args:
        tables: name -> metrics of each image and class, all of the same images.
        reference: the name of the one that the others are compared with.

    Returns:
        Name -> its aggregates; and, of all but the reference, their differences to it.
    """
    drawn = {name: resample_table(table) for name, table in tables.items()}
    differences = {
        name: interval_differences(found, drawn[reference], (name, reference))
        for name, found in drawn.items()
        if name != reference
    }
    return {name: intervals(found) for name, found in drawn.items()}, differences
