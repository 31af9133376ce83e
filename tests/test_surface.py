"""Distances of boundaries (hd95, assd, nsd), against MONAI and numbers worked out by hand."""

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lge_sweep.config.schema import MetricsConfig
from lge_sweep.data import frame_spacing
from lge_sweep.errors import ConfigError
from lge_sweep.metrics import METRICS, aggregate, evaluate
from lge_sweep.metrics.surface import NSD_TOLERANCE, SurfaceScores, surface_scores

Labels = NDArray[np.integer[Any]]


def measure(
    prediction: Labels, truth: Labels, spacing: tuple[float, float] = (1.0, 1.0), tolerance: float = 2.0
) -> SurfaceScores:
    """Scores [N, C] with the same spacing for all images."""
    spacings = np.tile(np.array(spacing), (len(truth), 1))
    return surface_scores(prediction, truth, int(truth.max()) + 1, spacing=spacings, tolerance=tolerance)


def blobs(seed: int) -> tuple[Labels, Labels]:
    """Prediction and truth [5, 33, 47] of three classes: patches of 3x3 pixels, every class on every image."""
    random = np.random.default_rng(seed)
    field = random.random((2, 5, 11, 16)).repeat(3, axis=2).repeat(3, axis=3)[..., :47]
    prediction, truth = np.digitize(field, (0.5, 0.8)).astype(np.uint8)
    return prediction, truth


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")  # MONAI warns of its own call
@pytest.mark.parametrize("seed", range(3))
def test_distances_agree_with_monai_on_pixels_that_are_not_square(seed: int) -> None:
    # Reference: MONAI, whose boundary is the mask without its erosion, too; another spacing for each image.
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    prediction, truth = blobs(seed)
    random = np.random.default_rng(100 + seed)
    spacing, tolerance = random.uniform(0.6, 2.4, size=(len(truth), 2)), 1.7
    one_hot = [torch.from_numpy(np.eye(3)[labels].transpose(0, 3, 1, 2)) for labels in (prediction, truth)]
    options: dict[str, Any] = {"include_background": True, "spacing": spacing.tolist()}
    want = (
        monai.compute_hausdorff_distance(*one_hot, percentile=95, **options),
        monai.compute_average_surface_distance(*one_hot, symmetric=True, **options),
        monai.compute_surface_dice(*one_hot, class_thresholds=[tolerance] * 3, **options),
    )
    got = surface_scores(prediction, truth, 3, spacing=spacing, tolerance=tolerance)
    for name, ours, theirs in zip(got._fields, got, want, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, err_msg=name)  # MONAI's are float32
    assert len(np.unique(got.nsd)) > 5


def test_a_bar_that_is_drawn_too_long_by_hand() -> None:
    # One row of the image: the truth is columns 0-3, the prediction columns 0-7, pixels 0.5 mm wide. The prediction's
    # pixels are 0, 0, 0, 0, 0.5, 1, 1.5 and 2 mm from the truth, the truth's all 0.
    truth, prediction = np.zeros((2, 1, 3, 9), dtype=np.uint8)
    truth[0, 1, :4] = 1
    prediction[0, 1, :8] = 1
    got = measure(prediction, truth, spacing=(7.0, 0.5), tolerance=1.0)
    assert got.hd95[0, 1] == pytest.approx(1.5 + 0.65 * 0.5)  # place 0.95 * 7 = 6.65 among the eight
    assert got.assd[0, 1] == pytest.approx(5 / 12)
    assert got.nsd[0, 1] == pytest.approx((6 + 4) / 12)  # 1 mm is within 1 mm


def test_rows_and_columns_have_their_own_spacing() -> None:
    truth, down, right = np.zeros((3, 1, 9, 9), dtype=np.uint8)
    truth[0, 2, 2] = down[0, 4, 2] = right[0, 2, 4] = 1
    for prediction, distance in ((down, 2 * 1.5), (right, 2 * 0.4)):
        got = measure(prediction, truth, spacing=(1.5, 0.4))
        assert (got.hd95[0, 1], got.assd[0, 1]) == (pytest.approx(distance), pytest.approx(distance))


def test_a_distance_equal_to_the_tolerance_is_within_it_despite_rounding() -> None:
    # 12 * 0.2 - 2 * 0.2 is 2.0000000000000004 in floating point.
    truth, prediction = np.zeros((2, 1, 1, 20), dtype=np.uint8)
    truth[0, 0, 2] = prediction[0, 0, 12] = 1
    assert 12 * 0.2 - 2 * 0.2 > 2
    assert measure(prediction, truth, (1, 0.2), 2.0).nsd[0, 1] == 1
    assert measure(prediction, truth, (1, 0.2), 1.99).nsd[0, 1] == 0


def test_swapping_the_two_changes_nothing_and_agreement_is_distance_zero() -> None:
    prediction, truth = blobs(7)
    for one, other in zip(measure(prediction, truth), measure(truth, prediction), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    same = measure(truth, truth, tolerance=0.0)
    assert [(scores == best).all() for scores, best in zip(same, (0, 0, 1), strict=True)] == [True] * 3


def test_a_class_that_only_one_of_the_two_has_is_as_far_as_the_image_is_wide() -> None:
    truth = np.zeros((2, 30, 40), dtype=np.uint8)
    truth[:, 5:9, 5:9] = 1
    nothing = np.zeros_like(truth)
    spacing = np.array([[1.0, 1.0], [2.0, 1.5]])
    for pair in ((nothing, truth), (truth, nothing)):
        got = surface_scores(*pair, 2, spacing=spacing, tolerance=2.0)
        for distances in (got.hd95, got.assd):
            np.testing.assert_allclose(distances[:, 1], [50, math.hypot(60, 60)])
        assert (got.nsd[:, 1] == 0).all()


def test_a_class_that_is_nowhere_has_no_value_and_no_warning() -> None:
    labels = np.zeros((1, 4, 4), dtype=np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = surface_scores(labels, labels, 2, spacing=np.ones((1, 2)), tolerance=2.0)
    assert all(np.isnan(scores[0, 1]) for scores in got)
    assert [scores[0, 0] for scores in got] == [0, 0, 1]


# ------------------------------------------------------------------------------------------------- in the table


def test_mm_where_the_spacing_is_known_and_pixels_where_it_is_not_are_never_mixed() -> None:
    truth, prediction = np.zeros((2, 2, 9, 9), dtype=np.uint8)
    truth[:, 2, 2] = prediction[:, 4, 2] = 1
    spacing = [(1.5, 0.5), (np.nan, np.nan)]
    table = evaluate(prediction, truth, ("background", "cavity"), spacing=spacing, nsd_tolerance=3)
    known, unknown = (table[(table["class"] == "cavity") & (table["image"] == image)].iloc[0] for image in (0, 1))
    assert (known["hd95_mm"], known["assd_mm"], known["nsd"]) == (3, 3, 1)
    assert known[["hd95_px", "assd_px"]].isna().all()
    assert (unknown["hd95_px"], unknown["assd_px"]) == (2, 2)
    assert unknown[["hd95_mm", "assd_mm", "nsd"]].isna().all()
    means = aggregate(table).image_mean
    assert (means["hd95_mm"]["cavity"], means["hd95_px"]["cavity"]) == (3, 2)


@pytest.mark.parametrize(("empty", "nsd"), [("nan", math.nan), ("zero", 0.0), ("one", 1.0)])
def test_the_empty_policy_is_about_nsd_and_not_about_distances(empty: str, nsd: float) -> None:
    nothing = np.zeros((1, 4, 4), dtype=np.uint8)
    table = evaluate(nothing, nothing, ("background", "cavity"), spacing=[(1, 1)], empty=empty)
    assert table["nsd"].tolist() == pytest.approx([1.0, nsd], nan_ok=True)
    assert table["hd95_mm"].tolist() == pytest.approx([0.0, math.nan], nan_ok=True)


def test_a_spacing_or_a_tolerance_that_cannot_be_is_refused() -> None:
    labels = np.zeros((2, 4, 4), dtype=np.uint8)
    for spacing in ([(1, 1)], [(1, 0), (1, 1)], [(1, np.inf), (1, 1)]):
        with pytest.raises(ValueError, match=r"two numbers above 0 \(or NaN\) for each of 2 images"):
            evaluate(labels, labels, ("background",), spacing=spacing)
    with pytest.raises(ConfigError, match="nsd_tolerance must be a number of mm >= 0, got -1"):
        evaluate(labels, labels, ("background",), nsd_tolerance=-1)
    assert MetricsConfig().nsd_tolerance_mm == NSD_TOLERANCE


def test_the_spacing_of_a_resized_slice_is_that_of_its_own_rows_and_columns() -> None:
    manifest = pd.DataFrame(
        {"height": [200, 160], "width": [160, 160], "spacing_row_mm": [1.5, np.nan], "spacing_column_mm": [1.2, 1.0]}
    )
    got = frame_spacing(manifest, 320)
    np.testing.assert_allclose(got[0], [1.5 * 200 / 320, 1.2 * 160 / 320])
    assert np.isnan(got[1, 0])


def test_the_rows_of_the_table_of_metrics_say_what_their_values_are() -> None:
    prediction, truth = blobs(3)
    table = evaluate(prediction, truth, ("a", "b", "c"), spacing=[(1.4, 1.4)] * 4 + [(np.nan, np.nan)])
    same = evaluate(truth, truth, ("a", "b", "c"), spacing=[(1.4, 1.4)] * 4 + [(np.nan, np.nan)])
    assert list(table.columns[7:]) == list(METRICS)
    for name, metric in METRICS.items():
        assert table[name].dropna().between(0, metric.high).all()
        best = 1 if metric.higher_is_better else 0
        assert (same[name].dropna() == best).all()
        assert name.endswith(f"_{metric.unit}") == bool(metric.unit)
        assert table[name].notna().sum() == {"any": 15, "known": 12, "unknown": 3}[metric.spacing]
