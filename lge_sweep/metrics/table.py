"""The table of metrics: one row an image and class.

Where a class is empty, on one image ("policy" is the value that the argument `empty` of `evaluate` names):

============================  =======================  ===========  ===========  ========  ============
the class is                  dice, iou, f1, bf, nsd   sensitivity  specificity  accuracy  hd95, assd
============================  =======================  ===========  ===========  ========  ============
in neither                    policy                   policy       1            1         nan
predicted, not in the truth   0                        nan          TN/(TN+FP)   as above  the diagonal
in the truth, not predicted   0                        0            1            as above  the diagonal
every pixel of the truth      as above                 as above     nan          as above  as above
============================  =======================  ===========  ===========  ========  ============

A truth that fills the image has no negatives, so specificity is nan even where the prediction is perfect, and where
the class is not predicted at all. Neither nan of sensitivity and specificity outside the first row depends on the
policy: a sensitivity without positives and a specificity without negatives do not exist. bf is 0, not nan, where two
boundaries lie apart. The diagonal is that of the image, see `lge_sweep.metrics.surface`.

Distances are in mm (hd95_mm, assd_mm) on images whose spacing is known, and in pixels (hd95_px, assd_px) on the others;
the other pair is nan there, so that no mean mixes the two. nsd has a tolerance in mm, and is nan without a spacing; bf,
whose tolerance is in pixels, is there always.
"""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lge_sweep.choices import look_up
from lge_sweep.errors import ConfigError
from lge_sweep.metrics.boundary import default_tolerance
from lge_sweep.metrics.registry import METRICS, MetricInputs
from lge_sweep.metrics.surface import NSD_TOLERANCE

EMPTY: dict[str, float] = {"nan": math.nan, "zero": 0.0, "one": 1.0}
"""Empty policy -> the value of a class that is in neither truth nor prediction."""


def evaluate(
    prediction: NDArray[np.integer[Any]],
    truth: NDArray[np.integer[Any]],
    classes: Sequence[str],
    *,
    images: Sequence[Hashable] | None = None,
    cases: Sequence[Hashable] | None = None,
    spacing: ArrayLike | None = None,
    bf_tolerance: float | None = None,
    nsd_tolerance: float = NSD_TOLERANCE,
    empty: str = "nan",
) -> pd.DataFrame:
    """Measure predicted label images against the true ones, per image and class, by the metrics of `METRICS`.

    Args:
        prediction: [N, H, W], any integer type, channel indices 0 .. number of classes - 1.
        truth: the same; N, H, W >= 1.
        classes: names in channel order, background included (`lge_sweep.labels.class_names`).
        images: N names of the slices; 0 .. N - 1 where not given. An image and its case together must be unique.
        cases: N names of the exams the slices belong to; left missing where not given.
        spacing: [N, 2], distance of the rows and of the columns in these images, mm; NaN where it is not known, None if
            of no image.
        bf_tolerance: pixels, finite, >= 0. None is 0.75 % of the image diagonal (3.39 px at 320x320), as in MATLAB;
            0 is the paper's Eq. (5).
        nsd_tolerance: mm, finite, >= 0.
        empty: `nan` (left out of means), `zero` or `one`.

    Returns:
        N * C rows: images as given, classes in channel order. Columns: image, case, class; tp, fp, fn, tn (pixels,
        int64); the metrics (float64, in their range, or as the table at the top of this module says).

    Raises:
        ValueError: the arrays, class names, images or cases do not fit each other; the message names which.
        ConfigError: `empty` is unknown, or a tolerance is negative or not finite.

    Source: paper Eqs. (2)-(7). The paper's "Accuracy" column is *not* this accuracy but the pooled recall of the class,
    ``aggregate(table).pooled["sensitivity"]``.

    >>> truth = np.array([[[0, 0, 1, 1]]])
    >>> prediction = np.array([[[0, 0, 0, 1]]])
    >>> table = evaluate(prediction, truth, ("background", "cavity"), bf_tolerance=0)
    >>> print(table[["image", "class", "tp", "fp", "fn", "tn", "iou", "bf"]].round(3).to_string(index=False))
     image      class  tp  fp  fn  tn   iou    bf
         0 background   2   1   0   1 0.667 0.800
         0     cavity   1   0   1   2 0.500 0.667
    """
    absent = look_up("empty policy", empty, EMPTY)
    _check(prediction, truth, classes)
    count, height, width = truth.shape
    image_names, case_names = _names(count, images, cases)
    bf_pixels = default_tolerance(height, width) if bf_tolerance is None else _tolerance("bf_tolerance", bf_tolerance)
    nsd_mm = _tolerance("nsd_tolerance", nsd_tolerance)
    inputs = MetricInputs(prediction, truth, len(classes), _spacing(spacing, count), bf_pixels, nsd_mm)
    names = {
        "image": [name for name in image_names for _ in classes],
        "case": [name for name in case_names for _ in classes],
        "class": [*classes] * count,
    }
    return pd.DataFrame(names | _columns(inputs, absent))


def _columns(inputs: MetricInputs, absent: float) -> dict[str, NDArray[Any]]:
    """Return counts and metrics, [N * C] each; `absent` is the value of a class that is in neither."""
    counts = {name: pixels.ravel() for name, pixels in inputs.counts._asdict().items()}
    return {**counts, **{name: metric.values(inputs, absent).ravel() for name, metric in METRICS.items()}}


def _check(prediction: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]], classes: Sequence[str]) -> None:
    """Raise ValueError unless the class names can name rows and aggregates, and both arrays hold those classes."""
    if isinstance(classes, str) or not classes or len(set(classes)) != len(classes) or "global" in classes:
        raise ValueError(f"classes must be different names, at least one, none of them 'global', got {classes!r}")
    _check_labels("prediction", prediction, classes)
    _check_labels("truth", truth, classes)
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction must have the shape of truth, {truth.shape}, got {prediction.shape}")


def _check_labels(argument: str, labels: NDArray[np.integer[Any]], classes: Sequence[str]) -> None:
    """Raise ValueError unless `labels` is [N, H, W] of channel indices."""
    if labels.ndim != 3 or labels.size == 0:
        raise ValueError(f"{argument} must have shape [N, H, W] with at least one pixel, got {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{argument} must be of an integer type (channel indices), got {labels.dtype}")
    for value in (int(labels.min()), int(labels.max())):
        if not 0 <= value < len(classes):
            allowed = f"0..{len(classes) - 1} ({', '.join(classes)})"
            raise ValueError(f"{argument} must hold channel indices {allowed}, got {value}")


def _names(
    count: int, images: Sequence[Hashable] | None, cases: Sequence[Hashable] | None
) -> tuple[Sequence[Hashable], Sequence[Hashable]]:
    """Names of the images and of their cases, one each an image."""
    image_names = range(count) if images is None else images
    case_names = [None] * count if cases is None else cases
    for argument, names in (("images", image_names), ("cases", case_names)):
        if len(names) != count:
            raise ValueError(f"{argument} must hold one name for each of the {count} images, got {len(names)}")
    seen: set[tuple[Hashable, Hashable]] = set()
    for image, case in zip(image_names, case_names, strict=True):
        if (case, image) in seen:
            raise ValueError(f"images must be different names within a case, got {image!r} twice (case {case!r})")
        seen.add((case, image))
    return image_names, case_names


def _spacing(spacing: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """`spacing` as [N, 2], checked."""
    found = np.full((count, 2), np.nan) if spacing is None else np.asarray(spacing, dtype=np.float64)
    if found.shape != (count, 2) or not (np.isnan(found) | (np.isfinite(found) & (found > 0))).all():
        raise ValueError(f"spacing must be two numbers above 0 (or NaN) for each of {count} images, got {spacing!r}")
    return found


def _tolerance(name: str, tolerance: float) -> float:
    """A tolerance, checked."""
    if not (math.isfinite(tolerance) and tolerance >= 0):
        unit = "pixels >= 0, or None for MATLAB's" if name == "bf_tolerance" else "mm >= 0"
        raise ConfigError(f"{name} must be a number of {unit}, got {tolerance}")
    return tolerance
