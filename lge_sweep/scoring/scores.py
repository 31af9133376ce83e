"""One number from the six global metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lge_sweep.choices import look_up
from lge_sweep.errors import SelectionError
from lge_sweep.labels import SCORED

Value = float | None

RULES: dict[str, dict[str, float]] = {
    "mean": dict.fromkeys(SCORED, 1 / len(SCORED)),
    "weighted": {"dice": 0.25, "iou": 0.20, "f1": 0.20, "bf": 0.10, "sensitivity": 0.15, "specificity": 0.10},
}
"""Weights of the metrics: paper section III.G (phase 1) and Table III (phase 2)."""


@dataclass(frozen=True)
class Score:
    """A weighted mean of the metrics that are present.

    Attributes:
        value: the score, 0 to 1.
        weights: metric -> its share after renormalisation; sums to 1 over the metrics present.
        missing: metrics without a value; their weight was given to the others in proportion.
    """

    value: float
    weights: Mapping[str, float]
    missing: tuple[str, ...]


def score(metrics: Mapping[str, Value], rule: str) -> Score:
    """Score one configuration: the sum of weight times metric, over the sum of the weights of the metrics present.

    >>> metrics = {"dice": 0.4735, "iou": 0.4507, "f1": 0.4735, "sensitivity": 0.4849, "specificity": 0.9987}
    >>> round(score(metrics, "weighted").value, 4)
    0.5287

    Args:
        metrics: global value of each of the six metrics, in 0-1; None or absent where there is none.
        rule: "mean" or "weighted".

    Raises:
        ConfigError: the rule is unknown.
        SelectionError: no metric has a value.

    Source:
        Paper Eq. (1), Table III and section III.G; the renormalisation reproduces the rows of Tables IV and V that have
        no BF-score.
    """
    weights = look_up("rule", rule, RULES)
    present = {name: value for name in SCORED if (value := metrics.get(name)) is not None}
    if not present:
        raise SelectionError("none of the six global metrics has a value; nothing can be scored")
    total = sum(weights[name] for name in present)
    shares = {name: weights[name] / total for name in present}
    value = sum(shares[name] * present[name] for name in present)
    return Score(value, shares, tuple(name for name in SCORED if name not in present))


def mean_of_all(values: Sequence[Value]) -> Value:
    """Mean of values of which none may be missing; None where one is, or where there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def global_metrics(
    by_class: Mapping[str, Mapping[str, Value]], emphasis: Mapping[str, float] | None = None
) -> dict[str, Value]:
    """Average each metric over classes.

    Args:
        by_class: metric -> class -> value, None where the class has none.
        emphasis: class -> weight, 1 where not named; `{"background": 0}` leaves the background out.

    Returns:
        Metric -> weighted mean over the classes whose weight is not 0; None if one of them has no value.
    """
    result: dict[str, Value] = {}
    for metric in SCORED:
        values = by_class.get(metric, {})
        weights = {name: (emphasis or {}).get(name, 1.0) for name in values}
        counted = {name: value for name, value in values.items() if weights[name] > 0}
        known = {name: value for name, value in counted.items() if value is not None}
        complete = bool(counted) and len(known) == len(counted)
        total = sum(weights[name] for name in counted)
        result[metric] = sum(weights[name] * value for name, value in known.items()) / total if complete else None
    return result
