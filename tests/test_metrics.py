"""The metrics room, against scikit-learn, MONAI, a distance transform, hand counts and the paper's own tables."""

import doctest
import importlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import confusion_matrix, jaccard_score, precision_recall_fscore_support

from lge_sweep.errors import ConfigError
from lge_sweep.labels import SCORED, class_names
from lge_sweep.metrics import METRICS, Counts, Metric, Summary, aggregate, evaluate
from lge_sweep.scoring.aggregate_intervals import intervals, resample_table

Labels = NDArray[np.integer[Any]]
TWO = class_names(1)
THREE = class_names(2)
DISTANCES = ("hd95_mm", "assd_mm", "nsd", "hd95_px", "assd_px")
OVERLAP = ("dice", "iou", "f1", "sensitivity", "specificity", "accuracy")
POLICY = {"nan": math.nan, "zero": 0.0, "one": 1.0}


def random_labels(seed: int) -> tuple[Labels, Labels]:
    """Prediction and truth [7, 24, 40] of three classes: blobs, then images with every kind of emptiness."""
    rng = np.random.default_rng(seed)
    field = rng.random((2, 7, 6, 10)).repeat(4, axis=2).repeat(4, axis=3)  # 4x4 blocks, so that boundaries are sparse
    prediction, truth = np.digitize(field + rng.normal(0, 0.05, field.shape), (0.5, 0.8)).astype(np.uint8)
    truth[1] = prediction[1] = 0  # neither foreground class anywhere
    truth[2][truth[2] == 2] = 0  # scar predicted only
    prediction[3][prediction[3] == 2] = 1  # scar in the truth only
    truth[4] = 1  # the truth is all myocardium
    truth[5] = prediction[5] = 2  # both are all scar
    return prediction, truth


def of(table: pd.DataFrame, column: str, classes: int = 3) -> NDArray[np.float64]:
    """A column as [N, C]."""
    return table[column].to_numpy(float).reshape(-1, classes)


def row(table: pd.DataFrame, image: object, name: str) -> dict[str, Any]:
    """The one row of an image and class."""
    found = table[(table["image"] == image) & (table["class"] == name)]
    assert len(found) == 1
    return {str(column): value for column, value in found.iloc[0].items()}


def strip(*rows: Sequence[int]) -> Labels:
    """Images of one pixel row each: [N, 1, W]."""
    return np.array(rows, dtype=np.int64)[:, None, :]


def scores_table(values: dict[str, dict[str, float]], counts: dict[str, tuple[int, int, int, int]]) -> pd.DataFrame:
    """A table of one image with the given metrics and counts of each class."""
    return pd.DataFrame(
        [
            {"image": 0, "case": "a", "class": name, **dict(zip(("tp", "fp", "fn", "tn"), counts[name], strict=True))}
            | dict.fromkeys(METRICS, math.nan)
            | values[name]
            for name in values
        ]
    )


# --------------------------------------------------------------------------------------------- independent references


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_overlap_agree_with_scikit_learn(seed: int) -> None:
    # Reference: scikit-learn on the flattened pixels of each image; zero_division=nan is our default policy.
    prediction, truth = random_labels(seed)
    table = evaluate(prediction, truth, THREE)
    for image in range(len(truth)):
        flat = truth[image].ravel(), prediction[image].ravel()
        matrix = confusion_matrix(*flat, labels=range(3))
        _, recall, f1, _ = precision_recall_fscore_support(*flat, labels=range(3), zero_division=np.nan)
        for channel, name in enumerate(THREE):
            got = row(table, image, name)
            tp = matrix[channel, channel]
            fn, fp = matrix[channel].sum() - tp, matrix[:, channel].sum() - tp
            assert (got["tp"], got["fp"], got["fn"], got["tn"]) == (tp, fp, fn, matrix.sum() - tp - fp - fn)
            masks = truth[image] == channel, prediction[image] == channel
            iou = jaccard_score(masks[0].ravel(), masks[1].ravel(), zero_division=0) if fp + fn + tp else np.nan
            negatives = (~masks[0]).sum()
            specificity = (~masks[0] & ~masks[1]).sum() / negatives if negatives else np.nan
            want = {
                "dice": f1[channel],
                "f1": f1[channel],
                "iou": iou,
                "sensitivity": recall[channel],
                "specificity": specificity,
                "accuracy": (masks[0] == masks[1]).mean(),
            }
            for metric in OVERLAP:
                assert got[metric] == pytest.approx(want[metric], abs=1e-9, nan_ok=True), (image, name, metric)


@pytest.mark.parametrize("empty", ["nan", "one"])
def test_dice_and_iou_agree_with_monai(empty: str) -> None:
    # Reference: MONAI on one-hot masks. Its ignore_empty=True skips every image whose truth lacks the class, so the
    # default policy is compared where the truth has it; ignore_empty=False is our policy "one" everywhere.
    torch = pytest.importorskip("torch")
    monai_metrics = pytest.importorskip("monai.metrics")
    prediction, truth = random_labels(5)
    one_hot = [torch.from_numpy(np.eye(3)[labels].transpose(0, 3, 1, 2)) for labels in (prediction, truth)]
    ignore = empty == "nan"
    dice = monai_metrics.DiceMetric(include_background=True, reduction="none", ignore_empty=ignore)(*one_hot)
    iou = monai_metrics.compute_iou(*one_hot, include_background=True, ignore_empty=ignore)
    table = evaluate(prediction, truth, THREE, empty=empty)
    compared = (of(table, "tp") + of(table, "fn") > 0) if ignore else np.ones((7, 3), dtype=bool)
    assert compared.sum() > 12
    np.testing.assert_allclose(of(table, "dice")[compared], dice.numpy()[compared], atol=1e-7)  # MONAI's is float32
    np.testing.assert_allclose(of(table, "iou")[compared], iou.numpy()[compared], atol=1e-9)


def brute_perimeter(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of the mask with one of four neighbours outside the mask or the image, pixel by pixel."""
    height, width = mask.shape
    outline = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= v < height and 0 <= u < width) or not mask[v, u]:
                outline[y, x] = True
    return outline


def edt_boundary_f1(predicted: NDArray[np.bool_], true: NDArray[np.bool_], tolerance: float) -> float:
    """Boundary F1 by the exact Euclidean distance transform of each boundary's complement."""
    p, t = brute_perimeter(predicted), brute_perimeter(true)
    if not p.any() and not t.any():
        return math.nan
    if not p.any() or not t.any():
        return 0.0
    precision = (distance_transform_edt(~t)[p] <= tolerance).mean()
    recall = (distance_transform_edt(~p)[t] <= tolerance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [None, 0, 0.99, 1, math.sqrt(2), 2.2, math.sqrt(13), 3.394, 1000])
def test_bf_agrees_with_a_distance_transform(tolerance: float | None) -> None:
    # Reference: scipy's distance transform and a pixel-by-pixel perimeter. sqrt(13)**2 < 13 in floating point.
    prediction, truth = random_labels(11)
    pixels = 0.0075 * math.hypot(*truth.shape[1:]) if tolerance is None else tolerance
    want = [
        [edt_boundary_f1(p == channel, t == channel, pixels) for channel in range(3)]
        for p, t in zip(prediction, truth, strict=True)
    ]
    got = of(evaluate(prediction, truth, THREE, bf_tolerance=tolerance), "bf")
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_bf_includes_a_distance_equal_to_the_tolerance() -> None:
    # Two single pixels at the offset (2, 3): together within sqrt(13), apart just below it.
    truth, prediction = np.zeros((2, 1, 9, 9), dtype=np.uint8)
    truth[0, 2, 2], prediction[0, 4, 5] = 1, 1
    at, below = (
        row(evaluate(prediction, truth, TWO, bf_tolerance=pixels), 0, "cavity")["bf"]
        for pixels in (math.sqrt(13), math.sqrt(13) - 1e-9)
    )
    assert (at, below) == (1, 0)


def test_bf_default_tolerance_is_3_px_apart_but_not_4_at_320() -> None:
    # 0.75 % of the diagonal of 320x320 is 3.39 px.
    truth, prediction = np.zeros((2, 2, 320, 320), dtype=np.uint8)
    truth[:, 100, 100] = 1
    prediction[0, 100, 103] = prediction[1, 100, 104] = 1
    table = evaluate(prediction, truth, TWO)
    assert (row(table, 0, "cavity")["bf"], row(table, 1, "cavity")["bf"]) == (1, 0)


def test_tolerance_0_is_equation_5_and_the_perimeter_takes_the_image_border() -> None:
    # By hand. The truth is columns 0-2 of 5x4, so its perimeter is all but the inside (rows 1-3, column 1): 15 - 3.
    # The prediction is columns 0-1, all perimeter: 10. Shared: column 0 (5) and column 1, rows 0 and 4 (2).
    truth, prediction = np.zeros((2, 1, 5, 4), dtype=np.uint8)
    truth[0, :, :3], prediction[0, :, :2] = 1, 1
    got = row(evaluate(prediction, truth, TWO, bf_tolerance=0), 0, "cavity")
    assert got["bf"] == pytest.approx(2 * 7 / (12 + 10), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_tolerance_0_is_equation_5_on_random_masks(seed: int) -> None:
    # Reference: the paper's Eq. (5), 2 |dP and dT| / (|dP| + |dT|).
    prediction, truth = random_labels(seed)
    want = np.full((7, 3), np.nan)
    for image, channel in np.ndindex(7, 3):
        p, t = (brute_perimeter(labels[image] == channel) for labels in (prediction, truth))
        if p.any() or t.any():
            want[image, channel] = 2 * (p & t).sum() / (p.sum() + t.sum())
    np.testing.assert_allclose(of(evaluate(prediction, truth, THREE, bf_tolerance=0), "bf"), want, atol=1e-9)


# ------------------------------------------------------------------------------------------------- the table, by hand


def test_table_has_one_row_per_image_and_class_in_order() -> None:
    truth = strip([0, 1, 1, 2], [0, 0, 0, 2])
    prediction = strip([0, 1, 2, 2], [0, 0, 1, 2])
    table = evaluate(prediction, truth, THREE, images=["s1", "s1"], cases=["a", "b"])
    keys, counts = ["image", "case", "class"], ["tp", "fp", "fn", "tn"]
    assert list(table.columns) == [*keys, *counts, *SCORED, "accuracy", *DISTANCES]
    assert [tuple(key) for key in table[keys].to_numpy()] == [
        ("s1", case, name) for case in "ab" for name in ("background", "myocardium", "scar")
    ]
    assert table[counts].to_numpy().tolist() == [
        [1, 0, 0, 3],
        [1, 0, 1, 2],
        [1, 1, 0, 2],
        [2, 0, 1, 1],
        [0, 1, 0, 3],
        [1, 0, 0, 3],
    ]
    assert all(table[name].dtype == np.int64 for name in counts)
    myocardium = row(table[table["case"] == "a"], "s1", "myocardium")
    want = {"dice": 2 / 3, "iou": 1 / 2, "f1": 2 / 3, "sensitivity": 1 / 2, "specificity": 1, "accuracy": 3 / 4}
    assert {metric: myocardium[metric] for metric in want} == pytest.approx(want)


def test_images_are_numbered_and_cases_missing_unless_named() -> None:
    table = evaluate(strip([0, 1], [1, 1]), strip([0, 1], [1, 1]), TWO)
    assert table["image"].tolist() == [0, 0, 1, 1]
    assert table["case"].isna().all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, np.uint64])
def test_integer_type_and_memory_layout_do_not_matter(dtype: type[np.integer[Any]]) -> None:
    # 300 images: the key of the last does not fit a byte. Arrays whose axes were swapped are not contiguous.
    rng = np.random.default_rng(2)
    prediction, truth = rng.integers(0, 3, (2, 300, 5, 4))
    want = evaluate(prediction, truth, THREE)
    swapped = [labels.astype(dtype).transpose(2, 1, 0).copy().transpose(2, 1, 0) for labels in (prediction, truth)]
    pd.testing.assert_frame_equal(evaluate(swapped[0], swapped[1], THREE), want)


# ------------------------------------------------------------------------------------------------ the empty policy


@pytest.mark.parametrize("empty", list(POLICY))
def test_class_in_neither_gets_the_policy(empty: str) -> None:
    got = row(evaluate(strip([0, 0]), strip([0, 0]), TWO, empty=empty), 0, "cavity")
    for metric in ("dice", "iou", "f1", "bf", "sensitivity"):
        assert got[metric] == pytest.approx(POLICY[empty], nan_ok=True), metric
    assert (got["specificity"], got["accuracy"]) == (1, 1)


def test_default_policy_is_nan() -> None:
    assert math.isnan(row(evaluate(strip([0, 0]), strip([0, 0]), TWO), 0, "cavity")["dice"])


@pytest.mark.parametrize("empty", list(POLICY))
def test_class_only_predicted_is_0_without_sensitivity(empty: str) -> None:
    got = row(evaluate(strip([0, 0, 0, 1]), strip([0, 0, 0, 0]), TWO, empty=empty), 0, "cavity")
    assert [got[metric] for metric in ("dice", "iou", "f1", "bf")] == [0, 0, 0, 0]
    assert math.isnan(got["sensitivity"])
    assert (got["specificity"], got["accuracy"]) == (3 / 4, 3 / 4)


@pytest.mark.parametrize("empty", list(POLICY))
def test_class_only_in_truth_is_0(empty: str) -> None:
    got = row(evaluate(strip([0, 0, 0, 0]), strip([0, 0, 0, 1]), TWO, empty=empty), 0, "cavity")
    assert [got[metric] for metric in ("dice", "iou", "f1", "bf", "sensitivity")] == [0, 0, 0, 0, 0]
    assert (got["specificity"], got["accuracy"]) == (1, 3 / 4)


@pytest.mark.parametrize("empty", list(POLICY))
@pytest.mark.parametrize(
    ("prediction", "accuracy"), [([1, 1], 1.0), ([0, 1], 0.5), ([0, 0], 0.0)], ids=["all", "half", "none"]
)
def test_class_that_fills_the_truth_has_no_specificity(prediction: list[int], accuracy: float, empty: str) -> None:
    got = row(evaluate(strip(prediction), strip([1, 1]), TWO, empty=empty), 0, "cavity")
    assert math.isnan(got["specificity"])
    assert (got["sensitivity"], got["accuracy"]) == (accuracy, accuracy)


def test_bf_of_two_boundaries_apart_is_0_under_every_policy() -> None:
    for empty in POLICY:
        table = evaluate(strip([1, 0, 0, 0, 0]), strip([0, 0, 0, 0, 1]), TWO, bf_tolerance=1, empty=empty)
        assert row(table, 0, "cavity")["bf"] == 0


def test_a_class_absent_everywhere_counted_as_0_halves_the_global() -> None:
    # The paper's stage-1 phase-2 rows are (cavity + 0) / 2: the policy "zero" reproduces that, "nan" refuses to.
    table = {empty: evaluate(strip([1, 1, 1, 1]), strip([1, 1, 1, 1]), TWO, empty=empty) for empty in POLICY}
    dice = {empty: aggregate(table[empty]).image_mean["dice"] for empty in POLICY}
    assert dice["zero"] == {"background": 0, "cavity": 1, "global": 0.5}
    assert dice["one"] == {"background": 1, "cavity": 1, "global": 1}
    assert dice["nan"] == {"background": None, "cavity": 1, "global": None}


# ------------------------------------------------------------------------------------------------------- aggregates


@pytest.fixture
def three_images() -> Summary:
    """Image 0: 2 of 4 cavity pixels found. Image 1: no cavity, one false pixel. Image 2: no cavity, none predicted."""
    truth = strip([1, 1, 1, 1, 0, 0, 0, 0], [0] * 8, [0] * 8)
    prediction = strip([1, 1, 0, 0, 0, 0, 0, 0], [1] + [0] * 7, [0] * 8)
    return aggregate(evaluate(prediction, truth, TWO))


def test_image_mean_leaves_out_images_without_a_value(three_images: Summary) -> None:
    # By hand. Cavity dice: 2*2/(2+4) = 2/3, then 0 (only predicted), then none. Background: 2*4/(6+4), 2*7/(7+8), 1.
    dice = three_images.image_mean["dice"]
    background = (4 / 5 + 14 / 15 + 1) / 3
    assert dice == pytest.approx({"background": background, "cavity": 1 / 3, "global": (background + 1 / 3) / 2})
    # Sensitivity exists on image 0 only; specificity on all three.
    assert three_images.image_mean["sensitivity"]["cavity"] == pytest.approx(1 / 2)
    assert three_images.image_mean["specificity"]["cavity"] == pytest.approx((1 + 7 / 8 + 1) / 3)
    assert three_images.image_mean["accuracy"]["cavity"] == pytest.approx((6 / 8 + 7 / 8 + 1) / 3)


def test_present_takes_the_images_whose_truth_has_the_class(three_images: Summary) -> None:
    assert three_images.present_only["dice"]["cavity"] == pytest.approx(2 / 3)
    assert three_images.present_only["specificity"]["cavity"] == 1
    background = three_images.image_mean["dice"]["background"]
    assert background is not None
    assert three_images.present_only["dice"]["background"] == background
    assert three_images.present_only["dice"]["global"] == pytest.approx((2 / 3 + background) / 2)


def test_pooled_sums_the_counts_first(three_images: Summary) -> None:
    # By hand: cavity TP 2, FP 1, FN 2, TN 19; background TP 19, FP 2, FN 1, TN 2.
    pooled = three_images.pooled
    assert pooled["dice"] == pytest.approx({"background": 38 / 41, "cavity": 4 / 7, "global": (38 / 41 + 4 / 7) / 2})
    assert pooled["iou"]["cavity"] == pytest.approx(2 / 5)
    assert pooled["sensitivity"]["cavity"] == pytest.approx(2 / 4)
    assert pooled["specificity"]["cavity"] == pytest.approx(19 / 20)
    assert pooled["accuracy"]["cavity"] == pytest.approx(21 / 24)
    assert set(pooled) == set(METRICS) - {"bf", *DISTANCES}
    assert three_images.global_accuracy == pytest.approx(21 / 24)
    assert three_images.mean_accuracy == pytest.approx((19 / 20 + 2 / 4) / 2)


def test_std_is_over_images_of_the_mean_over_classes_that_have_a_value(three_images: Summary) -> None:
    # By hand, ddof 1. Per image: (4/5 + 2/3)/2, (14/15 + 0)/2, and on image 2 only the background has a dice: 1.
    per_image = [(4 / 5 + 2 / 3) / 2, (14 / 15) / 2, 1.0]
    mean = sum(per_image) / 3
    want = math.sqrt(sum((value - mean) ** 2 for value in per_image) / 2)
    assert three_images.std["dice"] == pytest.approx(want)
    assert set(three_images.std) == set(METRICS)


def test_std_of_a_single_image_is_missing() -> None:
    summary = aggregate(evaluate(strip([0, 1]), strip([0, 1]), TWO))
    assert set(summary.std.values()) == {None}
    # Two images, but cavity and background each fill one truth: specificity exists for one class on each.
    both = aggregate(evaluate(strip([0, 0], [1, 1]), strip([0, 0], [1, 1]), TWO))
    assert both.std["specificity"] == 0


def test_a_global_is_missing_when_a_class_is() -> None:
    # Scar is in no truth and predicted once: its dice is 0 (a value), its sensitivity has none on any image.
    truth, prediction = strip([0, 1, 1, 0], [0, 1, 1, 1]), strip([0, 1, 1, 2], [0, 1, 1, 1])
    summary = aggregate(evaluate(prediction, truth, THREE))
    assert summary.image_mean["dice"]["scar"] == 0
    assert summary.image_mean["dice"]["global"] is not None
    for sensitivity in (summary.image_mean["sensitivity"], summary.pooled["sensitivity"]):
        assert sensitivity["scar"] is None
        assert sensitivity["global"] is None
        assert sensitivity["myocardium"] == 1
    assert summary.mean_accuracy is None
    assert summary.global_accuracy == pytest.approx(7 / 8)
    assert summary.present_only["dice"]["scar"] is None
    assert summary.present_only["dice"]["global"] is None


@pytest.mark.parametrize("empty", list(POLICY))
def test_pooled_knows_no_empty_policy(empty: str) -> None:
    pooled = aggregate(evaluate(strip([0, 1]), strip([0, 1]), THREE, empty=empty)).pooled
    assert pooled["dice"] == {"background": 1, "myocardium": 1, "scar": None, "global": None}
    assert pooled["specificity"] == {"background": 1, "myocardium": 1, "scar": 1, "global": 1}


@pytest.mark.parametrize(
    ("prediction", "collapsed"),
    [
        (([0, 0, 0], [0, 0, 0]), ("myocardium", "scar")),
        (([0, 0, 0], [0, 0, 2]), ("myocardium", "scar")),  # scar predicted, but only where the truth has none
        (([2, 0, 0], [0, 0, 0]), ("myocardium",)),  # scar in the wrong place, on an image that has it
        (([0, 1, 2], [0, 0, 0]), ()),
        (([1, 1, 2], [1, 1, 1]), ()),  # background never predicted: it is no foreground class
    ],
)
def test_collapse(prediction: tuple[list[int], list[int]], collapsed: tuple[str, ...]) -> None:
    truth = strip([0, 1, 2], [0, 1, 0])
    assert aggregate(evaluate(strip(*prediction), truth, THREE)).collapsed == collapsed


def test_a_class_that_no_truth_has_cannot_collapse() -> None:
    assert aggregate(evaluate(strip([0, 0]), strip([0, 0]), THREE)).collapsed == ()


def test_summary_survives_json_and_csv_and_cannot_be_changed() -> None:
    prediction, truth = random_labels(1)
    table = evaluate(prediction, truth, THREE, images=[f"s{index}" for index in range(7)])
    summary = aggregate(table)
    plain = json.dumps(asdict(summary), allow_nan=False)
    assert TypeAdapter(Summary).validate_json(plain) == summary
    again = aggregate(pd.read_csv(io.StringIO(table.to_csv(index=False))))  # cases missing, nan as empty fields
    assert json.dumps(asdict(again)) == plain
    with pytest.raises(FrozenInstanceError):
        summary.global_accuracy = 1.0  # type: ignore[misc]  # frozen


def test_the_order_of_rows_changes_nothing_but_the_order_of_classes() -> None:
    prediction, truth = random_labels(4)
    table = evaluate(prediction, truth, THREE, cases=list("aabbcca"), images=[1, 2, 1, 2, 1, 2, 3])
    want, got = aggregate(table), aggregate(table.sample(frac=1, random_state=0))
    for metric in SCORED:
        assert got.image_mean[metric] == pytest.approx(want.image_mean[metric])
        assert got.present_only[metric] == pytest.approx(want.present_only[metric])
    assert got.std == pytest.approx(want.std)
    assert got.pooled["iou"] == pytest.approx(want.pooled["iou"])


def test_images_of_two_cases_may_share_a_name() -> None:
    labels = strip([0, 1], [0, 1])
    table = evaluate(strip([0, 1], [1, 0]), labels, TWO, images=["s", "s"], cases=["a", "b"])
    assert aggregate(table).std["dice"] == pytest.approx(math.sqrt(0.5))


# ---------------------------------------------------------------------------------------------------- the paper's


def test_paper_tables_6_and_7_globals_are_means_of_their_classes() -> None:
    # Reference: paper Tables VI and VII; per-class columns dice, iou, bf, sensitivity, specificity, then the global
    # row. They are rounded to 4 digits, so a global may be off by 1e-4.
    columns = ("dice", "iou", "bf", "sensitivity", "specificity")
    tables = [
        (
            {
                "cavity": (0.9470, 0.9013, 0.9107, 0.9697, 0.9974),
                "background": (0.9983, 0.9967, 0.9879, 0.9974, 0.9697),
            },
            (0.9727, 0.9490, 0.9493, 0.9836, 0.9836),
        ),
        (
            {
                "myocardium": (0.7351, 0.5949, 0.9157, 0.7230, 0.9973),
                "scar": (0.0556, 0.0306, 0.4804, 0.2517, 0.9654),
                "background": (0.9799, 0.9608, 0.9277, 0.9636, 0.8101),
            },
            (0.5902, 0.5288, 0.7746, 0.6461, 0.9242),
        ),
    ]
    for classes, want in tables:
        values = {name: dict(zip(columns, numbers, strict=True)) for name, numbers in classes.items()}
        means = aggregate(scores_table(values, dict.fromkeys(classes, (1, 1, 1, 1)))).image_mean
        assert {metric: means[metric]["global"] for metric in columns} == pytest.approx(
            dict(zip(columns, want, strict=True)), abs=1.01e-4
        )


def test_paper_accuracy_column_is_pooled_recall() -> None:
    # Reference: paper Table VI. Class accuracies .9764 and .9974, mean accuracy .9869, global accuracy .99677: the
    # three fit together as recalls of a cavity that covers 3 % of the pixels. (TP + TN) / all would be one number.
    counts = {"background": (967_478, 708, 2_522, 29_292), "cavity": (29_292, 2_522, 708, 967_478)}
    summary = aggregate(scores_table({name: {} for name in counts}, counts))
    recall = {"background": 0.9974, "cavity": 0.9764, "global": 0.9869}
    assert summary.pooled["sensitivity"] == pytest.approx(recall, abs=1e-9)
    assert summary.mean_accuracy == pytest.approx(0.9869, abs=1e-9)
    assert summary.global_accuracy == pytest.approx(0.99677, abs=1e-9)
    assert summary.pooled["accuracy"]["cavity"] == summary.pooled["accuracy"]["background"] == summary.global_accuracy


def test_of_two_classes_one_s_specificity_is_the_other_s_sensitivity() -> None:
    # Reference: paper Table VI (.9697 and .9974 change places) and every row of Table IV's phase 1.
    rng = np.random.default_rng(3)
    prediction, truth = rng.integers(0, 2, (2, 4, 10, 10))
    means = aggregate(evaluate(prediction, truth, TWO)).image_mean
    assert means["specificity"]["cavity"] == pytest.approx(means["sensitivity"]["background"], abs=1e-12)
    assert means["specificity"]["global"] == pytest.approx(means["sensitivity"]["global"], abs=1e-12)


def test_an_all_background_network_scores_a_third() -> None:
    # Reference: paper Table V, phase 1: dice .326 = (.98 + 0 + 0) / 3. Every slice here has both classes.
    truth = np.zeros((2, 10, 100), dtype=np.uint8)
    truth[:, 0, :20], truth[:, 1, :20] = 1, 2
    summary = aggregate(evaluate(np.zeros_like(truth), truth, THREE))
    assert summary.image_mean["dice"]["global"] == pytest.approx(0.326, abs=1e-3)
    assert summary.image_mean["sensitivity"]["global"] == pytest.approx(1 / 3)
    assert summary.collapsed == ("myocardium", "scar")


# ---------------------------------------------------------------------------------------------------------- mistakes

GOOD = strip([0, 1], [1, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": GOOD[:1]}, r"^prediction must have the shape of truth, \(2, 1, 2\), got \(1, 1, 2\)$"),
        ({"truth": GOOD[0]}, r"^truth must have shape \[N, H, W\].*got \(1, 2\)$"),
        ({"prediction": GOOD[:0], "truth": GOOD[:0]}, r"^prediction must have shape .*got \(0, 1, 2\)$"),
        ({"prediction": GOOD.astype(float)}, r"^prediction must be of an integer type .*got float64$"),
        ({"truth": GOOD.astype(bool)}, r"^truth must be of an integer type .*got bool$"),
        ({"prediction": GOOD + 1}, r"^prediction must hold channel indices 0\.\.1 \(background, cavity\), got 2$"),
        ({"truth": GOOD - 1}, r"^truth must hold channel indices 0\.\.1 .*got -1$"),
        ({"classes": ()}, r"^classes must be different names"),
        ({"classes": ("a", "a")}, r"^classes must be different names.*got \('a', 'a'\)$"),
        ({"classes": ("a", "global")}, r"^classes must .*none of them 'global'"),
        ({"classes": "ab"}, r"^classes must be different names.*got 'ab'$"),
        ({"images": ["x"]}, r"^images must hold one name for each of the 2 images, got 1$"),
        ({"cases": ["x", "y", "z"]}, r"^cases must hold one name for each of the 2 images, got 3$"),
        ({"images": ["x", "x"], "cases": ["c", "c"]}, r"^images must be different.*got 'x' twice \(case 'c'\)$"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"prediction": GOOD, "truth": GOOD, "classes": TWO, **change}
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"empty": "zeros"}, r"unknown empty policy 'zeros': did you mean 'zero'\? \(allowed: nan, one, zero\)"),
        ({"bf_tolerance": -0.5}, r"bf_tolerance must be a number of pixels >= 0.*got -0\.5"),
        ({"bf_tolerance": math.nan}, r"bf_tolerance must be .*got nan"),
        ({"bf_tolerance": math.inf}, r"bf_tolerance must be .*got inf"),
    ],
)
def test_wrong_settings_are_config_errors(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate(GOOD, GOOD, TWO, **setting)


def test_aggregate_refuses_an_incomplete_table() -> None:
    table = evaluate(GOOD, GOOD, TWO)
    with pytest.raises(ValueError, match=r"^table must have the columns .*none called case, bf$"):
        aggregate(table.drop(columns=["case", "bf"]))
    with pytest.raises(ValueError, match=r"^table must have at least one image"):
        aggregate(table.iloc[:0])
    with pytest.raises(ValueError, match=r"got 0 rows of cavity on image 1$"):
        aggregate(table.iloc[:3])
    with pytest.raises(ValueError, match=r"got 2 rows of background on image 0$"):
        aggregate(pd.concat([table, table]))


@pytest.mark.parametrize("module", ["boundary", "overlap", "summary", "table"])
def test_doctests(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lge_sweep.metrics.{module}"))
    assert result.failed == 0


def test_a_row_that_is_added_is_in_the_table_and_in_every_aggregate(monkeypatch: pytest.MonkeyPatch) -> None:
    def precision(counts: Counts) -> NDArray[np.float64]:
        return np.asarray(counts.tp / np.maximum(counts.tp + counts.fp, 1), dtype=np.float64)

    row = Metric("precision", "precision", lambda inputs: precision(inputs.counts), precision, empty_policy=False)
    monkeypatch.setitem(METRICS, "precision", row)
    prediction, truth = random_labels(2)
    table = evaluate(prediction, truth, THREE, cases=list("aabbccd"))
    assert table.columns[-1] == "precision"
    summary, found = aggregate(table), intervals(resample_table(table, resamples=5))
    for form in ("image_mean", "pooled", "present_only"):
        value = getattr(summary, form)["precision"]["global"]
        assert value == found.find(form, "precision", "global").value
        assert 0 < value < 1
    assert "precision" in summary.std
