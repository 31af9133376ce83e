"""Distances of boundaries (hd95, assd, nsd), against MONAI and numbers worked out by hand."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lge_sweep.metrics.surface import SurfaceScores, surface_scores

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
