"""The metrics: a row each. Tables, aggregates, intervals, records and MLflow take what they list from here.

To add one, write its function and its row at the end of `_ROWS`; its column is then the last of `per_image.csv`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lge_sweep.labels import SCORED
from lge_sweep.metrics.boundary import boundary_scores
from lge_sweep.metrics.overlap import (
    Counts,
    Values,
    accuracy,
    confusion_counts,
    dice,
    iou,
    sensitivity,
    specificity,
)
from lge_sweep.metrics.surface import SurfaceScores, surface_scores


@dataclass(frozen=True, eq=False)
class MetricInputs:
    """What a metric may be made of: N images of C classes.

    Attributes:
        prediction: [N, H, W], channel indices 0 .. C - 1.
        truth: the same.
        classes: C.
        spacing: [N, 2], distance of the rows and of the columns, mm; NaN where it is not known.
        bf_tolerance: pixels.
        nsd_tolerance: mm.
    """

    prediction: NDArray[np.integer[Any]]
    truth: NDArray[np.integer[Any]]
    classes: int
    spacing: Values
    bf_tolerance: float
    nsd_tolerance: float

    @cached_property
    def counts(self) -> Counts:
        """Confusion counts [N, C]."""
        return confusion_counts(self.prediction, self.truth, self.classes)

    @cached_property
    def spacing_known(self) -> NDArray[np.bool_]:
        """Whether the spacing of each image [N] is known."""
        return np.asarray(np.isfinite(self.spacing).all(axis=1))

    @cached_property
    def surfaces(self) -> SurfaceScores:
        """Distances of boundaries [N, C]: in mm where the spacing is known, else in pixels."""
        spacing = np.where(self.spacing_known[:, None], self.spacing, 1.0)
        return surface_scores(self.prediction, self.truth, self.classes, spacing=spacing, tolerance=self.nsd_tolerance)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: of its column and of its keys in MLflow; it tells the unit.
        title: what figures call it.
        function: gives its values [N, C], nan where there is none.
        pooled: its value of counts that are summed over images; None: it cannot be had from counts.
        higher_is_better: its direction.
        high: its largest value; the smallest is 0.
        unit: "" of a ratio, "mm" or "px".
        spacing: which images have a value: "any", or only those whose spacing is "known" or "unknown".
        empty_policy: whether the option `empty` gives the value of a class that is in neither truth nor prediction;
            else the function does.
        short: what narrow tables call it; "": its name.
    """

    name: str
    title: str
    function: Callable[[MetricInputs], Values]
    pooled: Callable[[Counts], Values] | None = None
    higher_is_better: bool = True
    high: float = 1.0
    unit: Literal["", "mm", "px"] = ""
    spacing: Literal["any", "known", "unknown"] = "any"
    empty_policy: bool = True
    short: str = ""

    def values(self, inputs: MetricInputs, absent: float) -> Values:
        """Return its values [N, C] on the images that have one.

        Args:
            inputs: what was predicted, and the truth.
            absent: the empty policy's value of a class that is in neither.
        """
        values = self.function(inputs).copy()
        if self.empty_policy:
            values[inputs.counts.tp + inputs.counts.fp + inputs.counts.fn == 0] = absent
        if self.spacing != "any":
            values[inputs.spacing_known != (self.spacing == "known")] = np.nan
        return values


def _ratio(
    name: str, title: str, pooled: Callable[[Counts], Values], *, empty_policy: bool = True, short: str = ""
) -> Metric:
    """Return a metric that counts determine."""
    return Metric(name, title, lambda of: pooled(of.counts), pooled, empty_policy=empty_policy, short=short)


def _distance(name: str, function: Callable[[SurfaceScores], Values], unit: Literal["mm", "px"]) -> Metric:
    """Return a distance of boundaries: in mm where the spacing is known, in pixels where it is not."""
    return Metric(
        f"{name}_{unit}",
        f"{name.upper()} ({unit})",
        lambda of: function(of.surfaces),
        higher_is_better=False,
        high=np.inf,
        unit=unit,
        spacing="known" if unit == "mm" else "unknown",
        empty_policy=False,  # there is no distance to nothing, and none that means perfect or useless
    )


_ROWS = (
    _ratio("dice", "Dice", dice),
    _ratio("iou", "IoU", iou),
    _ratio("f1", "F1", dice),
    Metric("bf", "BF", lambda of: boundary_scores(of.prediction, of.truth, of.classes, of.bf_tolerance)),
    _ratio("sensitivity", "sensitivity", sensitivity, short="sens."),
    _ratio("specificity", "specificity", specificity, empty_policy=False, short="spec."),
    _ratio("accuracy", "accuracy", accuracy, empty_policy=False),
    _distance("hd95", lambda surfaces: surfaces.hd95, "mm"),
    _distance("assd", lambda surfaces: surfaces.assd, "mm"),
    Metric("nsd", "NSD", lambda of: of.surfaces.nsd, spacing="known"),
    _distance("hd95", lambda surfaces: surfaces.hd95, "px"),
    _distance("assd", lambda surfaces: surfaces.assd, "px"),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ROWS}
"""Name -> metric, in the order of a table's columns. Those that scores are made of: `lge_sweep.labels.SCORED`."""

POOLED: tuple[str, ...] = tuple(name for name, metric in METRICS.items() if metric.pooled)
"""The metrics that summed counts determine."""

# A score is a weighted mean: what goes into it must be 0 (useless) to 1 (perfect) on every image.
assert all(METRICS[name].higher_is_better and METRICS[name].high == 1 for name in SCORED)


def pooled_scores(counts: Counts) -> dict[str, Values]:
    """Return every metric of `POOLED` of counts of any one shape, in that shape; nan where there is no value."""
    return {name: metric.pooled(counts) for name, metric in METRICS.items() if metric.pooled}
