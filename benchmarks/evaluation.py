"""What measuring predictions takes, beside MONAI and scipy computing the same values.

Command: .venv/bin/python benchmarks/evaluation.py [--full] [--size 96]

60 simulated slices of three classes (background, myocardium, scar) and a prediction with errors, at 96 and 320 px. Ours
is `evaluate`, the whole table. The peer is what one would write: MONAI's functions on one-hot tensors, once a metric,
and scipy for the boundary F1 score, which MONAI lacks; arrays, no table. Where a class is empty each library has a rule
of its own, which the peer replaces by ours. Before anything is timed, all ten metrics of each image and class are shown
to be the same: to 1e-6, lengths to a 1e-5th of themselves, as MONAI's are single precision. Nothing of ours is left
out: hd95_px and assd_px are of slices whose spacing is not known.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics.confusion_matrix import compute_confusion_matrix_metric, get_confusion_matrix
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.meandice import compute_dice
from monai.metrics.meaniou import compute_iou
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from monai.networks.utils import one_hot
from numpy.typing import NDArray
from scipy import ndimage
from section import Figure, Options, Section, ratios, run_alone, say, seconds
from slices import make_errors, simulate_slices

from lge_sweep.arrays import LabelImage
from lge_sweep.labels import class_names, stage_target
from lge_sweep.metrics import evaluate
from lge_sweep.metrics.boundary import default_tolerance
from lge_sweep.metrics.surface import NSD_TOLERANCE

Values = NDArray[np.float64]
CLASSES = class_names(2)
SLICES = 60
CLOSE, CLOSE_LENGTHS = 1e-6, 1e-5
MONAI_NAMES = {"sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy", "f1": "f1 score"}


def measure_ours(prediction: LabelImage, truth: LabelImage, pixel_mm: float) -> dict[str, Values]:
    """Return each metric's values [N, C], by the program."""
    table = evaluate(prediction, truth, CLASSES, spacing=np.full((len(truth), 2), pixel_mm))
    names = ("dice", "iou", "f1", "bf", "sensitivity", "specificity", "accuracy", "hd95_mm", "assd_mm", "nsd")
    return {name: table[name].to_numpy().reshape(-1, len(CLASSES)) for name in names}


def measure_peer(prediction: LabelImage, truth: LabelImage, pixel_mm: float) -> dict[str, Values]:
    """Return the same by MONAI and scipy."""
    count = len(CLASSES)
    found, true = (one_hot(torch.from_numpy(labels)[:, None], count) for labels in (prediction, truth))
    has_found, has_true = (some.flatten(2).any(dim=2).numpy() for some in (found, true))
    one, neither = has_found != has_true, ~has_found & ~has_true
    overlap = {
        "dice": compute_dice(found, true, ignore_empty=False),
        "iou": compute_iou(found, true, ignore_empty=False),
    }
    confusion = get_confusion_matrix(found, true)
    for name, title in MONAI_NAMES.items():
        overlap[name] = compute_confusion_matrix_metric(title, confusion)
    distances = {
        "hd95_mm": compute_hausdorff_distance(found, true, True, percentile=95, spacing=pixel_mm),
        "assd_mm": compute_average_surface_distance(found, true, True, symmetric=True, spacing=pixel_mm),
        "nsd": compute_surface_dice(found, true, [NSD_TOLERANCE] * count, True, spacing=pixel_mm),
    }
    values = {name: tensor.numpy().astype(np.float64) for name, tensor in (overlap | distances).items()}
    values["bf"] = boundary_f1(prediction, truth)
    for name in ("dice", "iou", "f1", "bf", "nsd"):
        values[name][one], values[name][neither] = 0.0, np.nan
    diagonal = float(np.hypot(*truth.shape[1:]) * pixel_mm)
    for name in ("hd95_mm", "assd_mm"):
        values[name][one], values[name][neither] = diagonal, np.nan
    return values


def boundary_f1(prediction: LabelImage, truth: LabelImage) -> Values:
    """Return the boundary F1 score [N, C] by scipy: erosions, and distances to the boundaries."""
    tolerance = default_tolerance(*truth.shape[1:])
    scores = np.full((len(truth), len(CLASSES)), np.nan)
    for image, channel in np.ndindex(*scores.shape):
        masks = [labels[image] == channel for labels in (prediction, truth)]
        edges = [mask & ~ndimage.binary_erosion(mask) for mask in masks]
        if all(edge.any() for edge in edges):
            near = [ndimage.distance_transform_edt(~edge) <= tolerance for edge in edges]
            precision, recall = near[1][edges[0]].mean(), near[0][edges[1]].mean()
            scores[image, channel] = 2 * precision * recall / max(precision + recall, 1e-300)
    return scores


def check_same(ours: dict[str, Values], theirs: dict[str, Values]) -> None:
    """Make sure that both have found the same."""
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        relative = CLOSE_LENGTHS if name.endswith("_mm") else 0
        np.testing.assert_allclose(values, theirs[name], rtol=relative, atol=CLOSE, err_msg=name)


def compare(slices: int, size: int, times: int) -> Section:
    """Measure both on the same slices, after both have found the same."""
    _, labels, pixel_mm = simulate_slices(slices, size)
    prediction, truth = stage_target(make_errors(labels), 2), stage_target(labels, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns of empty classes, and of its own calls
        check_same(measure_ours(prediction, truth, pixel_mm), measure_peer(prediction, truth, pixel_mm))
        ours: list[float] = []
        theirs: list[float] = []
        for turn in range(times):  # in turn, so that both see the same drift
            say(f"evaluation at {size} px: {turn + 1} of {times}")
            ours.append(seconds(lambda: measure_ours(prediction, truth, pixel_mm)) * 1e3 / slices)
            theirs.append(seconds(lambda: measure_peer(prediction, truth, pixel_mm)) * 1e3 / slices)
    title = f"evaluation: {size} px, {len(CLASSES)} classes, {slices} slices, the same values"
    figures = [Figure("ours", "ms a slice", ours), Figure("MONAI, scipy", "ms a slice", theirs)]
    return Section(title, [*figures, ratios("peer / ours", theirs, ours)], settings={"size": size, "slices": slices})


def measure(options: Options) -> Sequence[Section]:
    """Measure at the sizes asked for."""
    torch.set_num_threads(1)  # MONAI's many small steps are slower with more, several times so on a busy machine
    sizes = (options.size,) if options.size else (96, 320)
    return [compare(SLICES, size, options.rounds or (9 if options.full else 3)) for size in sizes]


if __name__ == "__main__":
    run_alone(__doc__, measure)
