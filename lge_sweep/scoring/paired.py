"""Paired comparisons on the same images: per image, per case, and the rank tests that go with them.

The case (one patient exam) is the independent unit. Slices of one case resemble each other, so a p value per image is
smaller than the data deserve; it is there because the field reports it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from lge_sweep.errors import ConfigError
from lge_sweep.labels import SCORED
from lge_sweep.metrics import check_columns

Array = NDArray[np.float64]
DECIMALS = 12
"""Values that agree to so many decimals are equal: rounding noise of a mean is no difference and breaks no tie."""

EXACT = 13
"""Most differences for which Wilcoxon's p is exact although some are tied (2^13 sign patterns), as in scipy."""


@dataclass(frozen=True)
class Paired:
    """Two configurations on one metric, over the images (or cases) on which both have a value.

    Attributes:
        metric: one of `SCORED`, or "dice/<class>".
        unit: "image" or "case".
        pairs: how many units both have a value on.
        mean_a, mean_b: means over those units; None without one.
        median_difference: median of a - b; None without a pair.
        better, worse: units on which a is above b, and below; the rest are equal.
        p: two-sided Wilcoxon signed-rank; 1 where no unit differs, None without a pair.
        p_holm: the same after Holm's correction over all metrics of the unit (dice and f1 both count, though they are
            one number, so it errs on the careful side).
    """

    metric: str
    unit: str
    pairs: int
    mean_a: float | None
    mean_b: float | None
    median_difference: float | None
    better: int
    worse: int
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class WinnerTest:
    """The winner against one other configuration on one metric, over cases.

    Attributes:
        other: the other configuration.
        metric: one of `SCORED`.
        pairs: cases on which both have a value.
        median_difference: median over cases of winner - other; None without a pair.
        p: two-sided Wilcoxon signed-rank; 1 where no case differs, None without a pair.
        p_holm: after Holm's correction over the other configurations, within the metric.
    """

    other: str
    metric: str
    pairs: int
    median_difference: float | None
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that all configurations are alike on one metric.

    Attributes:
        metric: one of `SCORED`.
        statistic: chi-squared with (configurations - 1) degrees of freedom, corrected for ties.
        p: its upper tail; a rough figure with fewer than about 10 cases.
        cases: cases on which every configuration has a value.
    """

    metric: str
    statistic: float
    p: float
    cases: int


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """One row an image, one column a metric and class.

    Args:
        table: the columns of `lge_sweep.metrics.evaluate`, any order of rows; each image has each class once.

    Returns:
        Index (case, image), as text and sorted, a missing case as ""; columns (metric, class), metrics as in `SCORED`,
        classes in their order in `table`; NaN where there is no value.

    Raises:
        ValueError: a column is missing, the table is empty, or an image lacks a class or has one twice.
    """
    check_columns(table, ("case", "image", "class", *SCORED))
    keyed = table.assign(case=table["case"].map(as_text), image=table["image"].map(as_text))
    classes = list(dict.fromkeys(table["class"]))
    twice = keyed.duplicated(["case", "image", "class"]).any()
    spread = pd.DataFrame() if twice else keyed.pivot(index=["case", "image"], columns="class", values=list(SCORED))
    if len(keyed) != len(spread) * len(classes):
        raise ValueError("table must have each class once an image, got an image that lacks one or has one twice")
    return spread.reindex(columns=pd.MultiIndex.from_product([SCORED, classes], names=["metric", "class"]))


def over_classes(spread: pd.DataFrame, emphasis: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Average each metric over the classes that have a value on the image: sum of w v / sum of w.

    Without emphasis these are the values whose spread `lge_sweep.metrics.Summary.std` is.

    Args:
        spread: a table as `wide` gives it.
        emphasis: class -> weight, 1 where not named; 0 leaves the class out.

    Returns:
        Index (case, image), sorted; a column for each of `SCORED`; NaN where no counted class has a value.
    """
    classes = list(spread["dice"].columns)
    values = spread.to_numpy(float).reshape(len(spread), len(SCORED), len(classes))
    weights = class_weights(classes, emphasis)
    total = ~np.isnan(values) @ weights
    means = np.divide(np.nan_to_num(values) @ weights, total, out=np.full(total.shape, np.nan), where=total > 0)
    return pd.DataFrame(means, index=spread.index, columns=list(SCORED))


def per_case(values: pd.DataFrame) -> pd.DataFrame:
    """Mean over a case's images of each column, images without a value left out.

    Args:
        values: index (case, image), such as `over_classes` gives.

    Returns:
        Index case, sorted; the same columns.
    """
    return values.groupby(level="case").mean()


def compare_tables(
    a: pd.DataFrame,
    b: pd.DataFrame,
    emphasis: Mapping[str, float] | None = None,
    names: tuple[str, str] = ("a", "b"),
) -> list[Paired]:
    """Compare two configurations on the same images, metric by metric: per image, then per case.

    Args:
        a: one table; see `wide`.
        b: the other.
        emphasis: class -> weight in the means over classes.
        names: what to call the two in an error.

    Returns:
        The metrics of `SCORED`, then "dice/<class>" for each class; first per image, then per case (the independent
        unit). For the difference in score see `lge_sweep.scoring.uncertainty.score_difference`.

    Raises:
        ConfigError: the tables are not of the same images and classes; the message says which are missing.
        ValueError: a table is not one of `evaluate`.
    """
    both = [wide(a), wide(b)]
    check_same_images(both, names)
    by_image = []
    for spread in both:
        dice = spread["dice"].add_prefix("dice/")
        by_image.append(pd.concat([over_classes(spread, emphasis), dice], axis="columns"))
    by_case = [per_case(values) for values in by_image]
    return [*_pairs("image", by_image[0], by_image[1]), *_pairs("case", by_case[0], by_case[1])]


def check_same_images(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> None:
    """Raise ConfigError unless all tables, as `wide` gives them, have the images and classes of the first."""
    first = tables[0]
    for name, table in zip(names, tables, strict=True):
        findings = []
        for holder, lacking, one in ((first, table, name), (table, first, names[0])):
            if len(lost := holder.index.difference(lacking.index)):
                shown = ", ".join("/".join(image) for image in lost[:3]) + (", ..." if len(lost) > 3 else "")
                findings.append(f"{one} lacks {len(lost)} {'image' if len(lost) == 1 else 'images'} ({shown})")
            if len(gone := holder["dice"].columns.difference(lacking["dice"].columns)):
                findings.append(f"{one} lacks class {', '.join(gone)}")
        if findings:
            raise ConfigError(
                f"{names[0]} and {name} were not measured on the same images and classes: {'; '.join(findings)}. "
                "Compare configurations of one sweep, or evaluate both on the same subset."
            )


def compare_with_others(winner: str, cases: Mapping[str, pd.DataFrame]) -> list[WinnerTest]:
    """Wilcoxon of the winner against each other configuration per metric, with Holm over the others.

    Args:
        winner: a key of `cases`.
        cases: configuration -> means per case, as `per_case` gives them, all with the same cases.

    Returns:
        For each metric each other configuration, in the order of `cases`.

    Source: scipy.stats.wilcoxon; `holm`.
    """
    found = []
    others = [name for name in cases if name != winner]
    for metric in SCORED:
        pairs = {name: _differences(cases[winner][metric], cases[name][metric]) for name in others}
        tests = {name: wilcoxon(differences) for name, differences in pairs.items()}
        corrected = holm(list(tests.values()))
        found += [
            WinnerTest(name, metric, len(pairs[name]), _median(pairs[name]), tests[name], p_holm)
            for name, p_holm in zip(others, corrected, strict=True)
        ]
    return found


def friedman(cases: Mapping[str, pd.DataFrame]) -> list[Friedman]:
    """Friedman's test over all configurations, per metric.

    Args:
        cases: configuration -> means per case, as `per_case` gives them, all with the same cases.

    Returns:
        One for each metric with at least 2 cases on which every configuration has a value; none with fewer than 3
        configurations. Where no configuration differs on any case the statistic is 0 and p is 1.

    Source: scipy.stats.friedmanchisquare.
    """
    found = []
    for metric in SCORED if len(cases) >= 3 else ():
        values = np.stack([table[metric].to_numpy(float) for table in cases.values()], axis=1)
        blocks = np.round(values[~np.isnan(values).any(axis=1)], DECIMALS)
        if len(blocks) < 2:
            continue
        statistic, p = 0.0, 1.0
        if (blocks != blocks[:, :1]).any():
            statistic, p = (float(value) for value in stats.friedmanchisquare(*blocks.T))
        found.append(Friedman(metric, statistic, p, len(blocks)))
    return found


def wilcoxon(differences: Array) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test, zero differences left out (Wilcoxon's own way with them).

    Args:
        differences: [n], no NaN. Exact up to 50 without ties and up to 13 with ties, else the normal approximation.

    Returns:
        1 where all differences are zero; None where there are none.
    """
    if not len(differences):
        return None
    some = differences[differences != 0]
    if not len(some):
        return 1.0
    if len(some) <= EXACT and len(np.unique(np.abs(some))) < len(some):  # as stats.wilcoxon does, 100 times faster
        test = stats.permutation_test(
            (some,), _positive_ranks, permutation_type="samples", vectorized=True, n_resamples=2**EXACT
        )
        return float(test.pvalue)
    return float(stats.wilcoxon(some).pvalue)


def _positive_ranks(differences: Array, axis: int = -1) -> Array:
    """Wilcoxon's statistic: sum of the ranks of |d| where d > 0."""
    ranks = stats.rankdata(np.abs(differences), axis=axis)
    return np.asarray((ranks * (differences > 0)).sum(axis=axis), dtype=np.float64)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of p values; None stays None and does not count as a test.

    The k-th smallest of n is multiplied by n - k + 1, at least what the one before it became, at most 1.

    Source: Holm, Scand. J. Statist. 6, 1979; the tests compare it with statsmodels' multipletests, which loads a
        library and collects garbage at each call for these three lines.
    """
    order = sorted((place for place, value in enumerate(p) if value is not None), key=lambda place: p[place] or 0.0)
    corrected: list[float | None] = [None] * len(p)
    floor = 0.0
    for rank, place in enumerate(order):
        floor = min(max(floor, (p[place] or 0.0) * (len(order) - rank)), 1.0)
        corrected[place] = floor
    return corrected


def class_weights(classes: Sequence[str], emphasis: Mapping[str, float] | None) -> Array:
    """Weight of each class in a mean over classes, as `lge_sweep.scoring.scores.global_metrics` has it; [C], >= 0."""
    return np.array([max((emphasis or {}).get(name, 1.0), 0.0) for name in classes], dtype=np.float64)


def _pairs(unit: str, a: pd.DataFrame, b: pd.DataFrame) -> list[Paired]:
    """`Paired` of every column of two tables with the same index, with Holm over the columns."""
    tests = [_pair(str(metric), unit, a[metric], b[metric]) for metric in a.columns]
    corrected = holm([test.p for test in tests])
    return [Paired(**{**vars(test), "p_holm": p}) for test, p in zip(tests, corrected, strict=True)]


def _pair(metric: str, unit: str, a: "pd.Series[float]", b: "pd.Series[float]") -> Paired:
    differences = _differences(a, b)
    both = (a.notna() & b.notna()).to_numpy()
    return Paired(
        metric=metric,
        unit=unit,
        pairs=len(differences),
        mean_a=float(a[both].mean()) if both.any() else None,
        mean_b=float(b[both].mean()) if both.any() else None,
        median_difference=_median(differences),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        p=wilcoxon(differences),
    )


def _differences(a: "pd.Series[float]", b: "pd.Series[float]") -> Array:
    """Differences a - b of two columns with the same index, where both have a value, free of rounding noise."""
    differences = a.to_numpy(float) - b.to_numpy(float)
    return np.round(differences[~np.isnan(differences)], DECIMALS)


def _median(differences: Array) -> float | None:
    return float(np.median(differences)) if len(differences) else None


def as_text(name: Any) -> str:
    """A case or image as text, so that a number from memory meets the same number from a CSV file."""
    return "" if pd.isna(name) else str(name)
