"""Confusion counts, and the metrics that follow from them alone.

Source: paper Eqs. (2)-(4), (6), (7).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lge_sweep.labels import METRICS

ALL_METRICS: tuple[str, ...] = (*METRICS, "accuracy")
"""The metrics of a table: the six that scores are made of, then accuracy."""

COUNT_METRICS: tuple[str, ...] = tuple(name for name in ALL_METRICS if name != "bf")
"""The metrics that counts determine; only bf needs the masks."""


class Counts(NamedTuple):
    """Pixels of a class by truth and prediction; arrays of one shape."""

    tp: NDArray[np.int64]
    """In the class, predicted as it."""
    fp: NDArray[np.int64]
    """Outside the class, predicted as it."""
    fn: NDArray[np.int64]
    """In the class, predicted as another."""
    tn: NDArray[np.int64]
    """Outside the class, predicted as another."""


def confusion_counts(prediction: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]], classes: int) -> Counts:
    """Count true and false positives and negatives of every class on every image.

    Args:
        prediction: [N, H, W], channel indices 0 .. `classes` - 1, already checked.
        truth: the same.
        classes: number of classes C.

    Returns:
        Counts of shape [N, C]; the four of a cell add up to H * W.
    """
    confusion = np.empty((len(truth), classes, classes), dtype=np.int64)
    for image, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):  # one at a time, for flat memory
        key = true.astype(np.intp)  # the label's own type may not hold `classes` squared
        key *= classes
        key += predicted.astype(np.intp, copy=False)
        confusion[image] = np.bincount(key.ravel(), minlength=classes**2).reshape(classes, classes)
    tp = np.diagonal(confusion, axis1=1, axis2=2).astype(np.int64)
    fp = confusion.sum(axis=1) - tp
    fn = confusion.sum(axis=2) - tp
    return Counts(tp, fp, fn, truth[0].size - tp - fp - fn)


def overlap_scores(counts: Counts) -> dict[str, NDArray[np.float64]]:
    """Every metric that follows from counts.

    dice = f1 = 2 TP / (2 TP + FP + FN), iou = TP / (TP + FP + FN), sensitivity = TP / (TP + FN),
    specificity = TN / (TN + FP), accuracy = (TP + TN) / (TP + FP + FN + TN). Zero divided by zero is nan.

    Args:
        counts: pixels, any one shape.

    Returns:
        Metric -> values in [0, 1] or nan, in the shape of the counts.

    Source: paper Eqs. (2)-(4), (6), (7). The accuracy has no equation there; the paper's column of that name is
    another number (see `lge_sweep.metrics.summary`).
    """
    tp, fp, fn, tn = counts
    dice = _ratio(2 * tp, 2 * tp + fp + fn)
    return {
        "dice": dice,
        "iou": _ratio(tp, tp + fp + fn),
        "f1": dice.copy(),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
    }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide; nan where there is nothing to divide by."""
    ratio = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
