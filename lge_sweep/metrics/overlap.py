"""Confusion counts, and the metrics that follow from them alone: each a ratio, nan where zero is divided by zero.

Each takes `Counts` of any one shape and gives values in [0, 1] or nan, in that shape.

Source: paper Eqs. (2)-(4), (6), (7). The accuracy has no equation there; the paper's column of that name is another
number (see `lge_sweep.metrics.summary`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


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


def dice(counts: Counts) -> Values:
    """2 TP / (2 TP + FP + FN)."""
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(counts: Counts) -> Values:
    """TP / (TP + FP + FN)."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def sensitivity(counts: Counts) -> Values:
    """TP / (TP + FN)."""
    return _ratio(counts.tp, counts.tp + counts.fn)


def specificity(counts: Counts) -> Values:
    """TN / (TN + FP)."""
    return _ratio(counts.tn, counts.tn + counts.fp)


def accuracy(counts: Counts) -> Values:
    """(TP + TN) / (TP + FP + FN + TN)."""
    return _ratio(counts.tp + counts.tn, counts.tp + counts.fp + counts.fn + counts.tn)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Values:
    """Divide; nan where there is nothing to divide by."""
    ratio = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
