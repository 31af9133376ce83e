"""From the table of metrics to one number a class and metric, three ways, each with its name.

The paper mixes two of them: its Dice, IoU and sensitivity are `image_mean`, while its "Accuracy" column is the pooled
recall of the class, here ``pooled["sensitivity"]`` (and its "Mean Accuracy" is `mean_accuracy`, its "Global Accuracy"
`global_accuracy`). Our metric called accuracy is (TP + TN) / all, which the paper does not report.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.labels import Label
from lge_sweep.metrics.overlap import Counts
from lge_sweep.metrics.registry import METRICS, pooled_scores

AGGREGATES = ("image_mean", "pooled", "present_only")
"""The aggregates that each class has of a metric; fields of `Summary`."""

ByClass = dict[str, float | None]
"""Class name -> value, and "global" -> the unweighted mean over all classes; None where there is no value."""


@dataclass(frozen=True)
class Summary:
    """The aggregates of one table. A missing value is None, never 0, and every key is always there.

    A global is the unweighted mean over the classes (background included) of the class's aggregate. It is None where
    any class has none: never a mean over fewer classes.
    """

    image_mean: dict[str, ByClass]
    """Metric -> class -> mean over the images on which the class has a value. The paper's Dice, IoU, sensitivity."""
    pooled: dict[str, ByClass]
    """Metric -> class -> metric of the counts summed over all images. Knows no empty policy: a class without a pixel in
    any truth or prediction has no value. Only the metrics that counts determine."""
    present_only: dict[str, ByClass]
    """Metric -> class -> as `image_mean`, over the images whose truth has the class."""
    std: dict[str, float | None]
    """Metric -> standard deviation (N - 1 in the denominator) over images of the mean over the classes that have a
    value on the image. None with fewer than two such images."""
    global_accuracy: float
    """Correct pixels / all pixels, over all images."""
    mean_accuracy: float | None
    """Mean over classes of the pooled recall, TP / (TP + FN)."""
    collapsed: tuple[str, ...]
    """Foreground classes that are in the truth of some image and predicted on no image whose truth has them."""

    def by_key(self) -> dict[tuple[str, str, str], float | None]:
        """Return the values of `AGGREGATES`: aggregate, metric and class (or "global") -> value."""
        return {
            (aggregate, metric, name): value
            for aggregate in AGGREGATES
            for metric, by_class in getattr(self, aggregate).items()
            for name, value in by_class.items()
        }


def aggregate(table: pd.DataFrame) -> Summary:
    """Summarise a table of metrics over its images.

    Args:
        table: the columns that `lge_sweep.metrics.evaluate` returns (or a CSV file of them), in any order of rows; each
            image has each class exactly once. An image is known by case and image name together.

    Returns:
        The aggregates; see `Summary` for each. "Foreground" is every class but the one named background.

    Raises:
        ValueError: a column is missing, the table is empty, or an image lacks a class or has one twice.

    Source: paper Tables VI and VII (globals, mean and global accuracy), Figs. 10 and 17 (standard deviations).

    >>> from lge_sweep.metrics import evaluate
    >>> truth = np.array([[[0, 0, 1, 1]], [[0, 0, 0, 0]]])
    >>> prediction = np.array([[[0, 0, 0, 1]], [[0, 0, 0, 1]]])
    >>> summary = aggregate(evaluate(prediction, truth, ("background", "cavity")))
    >>> summary.image_mean["iou"]["cavity"], summary.present_only["iou"]["cavity"]
    (0.25, 0.5)
    >>> summary.pooled["sensitivity"], summary.collapsed
    ({'background': 0.8333333333333334, 'cavity': 0.5, 'global': 0.6666666666666667}, ())
    """
    classes, columns = _columns(table)
    counts = Counts(*(columns[name].astype(np.int64) for name in Counts._fields))
    values = {metric: columns[metric] for metric in METRICS}
    in_truth = counts.tp + counts.fn > 0
    total = Counts(*(pixels.sum(axis=0) for pixels in counts))
    pooled = pooled_scores(total)
    pooled_by_class = {metric: _by_class(classes, pooled[metric][None]) for metric in pooled}
    return Summary(
        image_mean={metric: _by_class(classes, values[metric]) for metric in METRICS},
        pooled=pooled_by_class,
        present_only={metric: _by_class(classes, np.where(in_truth, values[metric], np.nan)) for metric in METRICS},
        std={metric: _spread(values[metric]) for metric in METRICS},
        global_accuracy=float(total.tp.sum() / sum(pixels[0] for pixels in total)),
        mean_accuracy=pooled_by_class["sensitivity"]["global"],
        collapsed=_collapsed(classes, in_truth, counts.tp + counts.fp > 0),
    )


def check_columns(table: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise ValueError unless a table has these of the columns that `evaluate` returns, and a row."""
    if missing := [name for name in names if name not in table.columns]:
        raise ValueError(f"table must have the columns that evaluate returns, got none called {', '.join(missing)}")
    if table.empty:
        raise ValueError("table must have at least one image, got no rows")


def _columns(table: pd.DataFrame) -> tuple[tuple[str, ...], dict[str, NDArray[np.float64]]]:
    """Names of the classes, and every count and metric as [N, C]."""
    check_columns(table, ("image", "case", "class", *Counts._fields, *METRICS))
    image = table.groupby(["case", "image"], sort=False, dropna=False).ngroup().to_numpy()
    channel, classes = pd.factorize(table["class"])
    rows = np.zeros((image.max() + 1, len(classes)), dtype=np.intp)
    np.add.at(rows, (image, channel), 1)
    if (rows != 1).any():
        first, wrong = np.argwhere(rows != 1)[0]
        name = table["image"].tolist()[int(np.argmax(image == first))]
        raise ValueError(
            f"table must have each class once an image, got {rows[first, wrong]} rows of {classes[wrong]} "
            f"on image {name!r}"
        )
    columns = {}
    for column in (*Counts._fields, *METRICS):
        columns[column] = np.empty(rows.shape)
        columns[column][image, channel] = table[column]
    return tuple(str(name) for name in classes), columns


def _mean(values: NDArray[np.float64]) -> float | None:
    """Mean of the values that are there; None where none is."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else None


def _by_class(classes: tuple[str, ...], values: NDArray[np.float64]) -> ByClass:
    """Mean over images of each class of [N, C], and their mean; None where there is no value."""
    means = [_mean(column) for column in values.T]
    present = [mean for mean in means if mean is not None]
    overall = sum(present) / len(present) if len(present) == len(means) else None
    return {**dict(zip(classes, means, strict=True)), "global": overall}


def _spread(values: NDArray[np.float64]) -> float | None:
    """Standard deviation over images (ddof 1) of the mean over classes of [N, C]; None with fewer than two images."""
    per_image = [mean for row in values if (mean := _mean(row)) is not None]
    return float(np.std(per_image, ddof=1)) if len(per_image) > 1 else None


def _collapsed(classes: tuple[str, ...], in_truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[str, ...]:
    """Foreground classes with truth on some image ([N, C]) and a prediction on none of those images."""
    return tuple(
        name
        for name, true, found in zip(classes, in_truth.T, predicted.T, strict=True)
        if name != Label.BACKGROUND.title and true.any() and not (true & found).any()
    )
