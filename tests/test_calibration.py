"""Calibration of class probabilities: against scikit-learn, torchmetrics, and a table worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from lge_sweep.metrics import measure_calibration
from lge_sweep.metrics.calibration import TOP
from lge_sweep.scoring import calibration_intervals
from lge_sweep.scoring.bootstrap import draw_cases

CLASSES = ("background", "cavity", "scar")


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [4, 3, 9, 11] and labels that follow them roughly, overconfident."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, size=(4, 3, 9, 11))
    true, said = (np.exp(scale * logits) / np.exp(scale * logits).sum(axis=1, keepdims=True) for scale in (1.0, 2.5))
    labels = (random.random((4, 1, 9, 11)) > true.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(np.uint8)
    return said, labels


@pytest.mark.parametrize("seed", range(2))
def test_scores_agree_with_other_libraries(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    curves = pytest.importorskip("sklearn.calibration")
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    p, labels = drawn(seed)
    found = measure_calibration(p, labels, CLASSES)
    flat, truth = np.moveaxis(p, 1, -1).reshape(-1, 3), labels.ravel()
    scores = found.scores.set_index("class")
    for channel, name in enumerate(CLASSES):
        assert scores.loc[name, "brier"] == pytest.approx(metrics.brier_score_loss(truth == channel, flat[:, channel]))
        frequency, confidence = curves.calibration_curve(truth == channel, flat[:, channel], n_bins=10)
        table = found.table[found.table["class"] == name]
        np.testing.assert_allclose(table["frequency"], frequency)
        np.testing.assert_allclose(table["confidence"], confidence)
    assert found.brier == pytest.approx(((flat - np.eye(3)[truth]) ** 2).sum(axis=1).mean())
    for norm, column in (("l1", "ece"), ("max", "mce")):
        theirs = torchmetrics.multiclass_calibration_error(
            torch.from_numpy(flat), torch.from_numpy(truth.astype(np.int64)), num_classes=3, n_bins=10, norm=norm
        )
        assert scores.loc[TOP, column] == pytest.approx(float(theirs), rel=1e-5)


def test_a_table_by_hand() -> None:
    """Four pixels, two classes: probabilities of the second .05, .15, .15, .95; it is there on the last two."""
    p = np.array([0.05, 0.15, 0.15, 0.95]).reshape(1, 1, 1, 4)
    labels = np.array([[[0, 0, 1, 1]]], dtype=np.uint8)
    found = measure_calibration(np.concatenate([1 - p, p], axis=1), labels, ("background", "scar"))
    table = found.table[found.table["class"] == "scar"]
    assert table["pixels"].tolist() == [1, 2, 1]
    assert table["frequency"].tolist() == [0, 0.5, 1]
    assert table["confidence"].tolist() == pytest.approx([0.05, 0.15, 0.95])
    scores = found.scores.set_index("class").loc["scar"]
    assert scores["ece"] == pytest.approx((0.05 + 2 * 0.35 + 0.05) / 4)
    assert scores["mce"] == pytest.approx(0.35)
    assert scores["brier"] == pytest.approx((0.05**2 + 0.15**2 + 0.85**2 + 0.05**2) / 4)
    assert found.brier == pytest.approx(2 * scores["brier"])


def test_only_what_counts_counts() -> None:
    p, labels = drawn(5)
    where = np.zeros(labels.shape, dtype=bool)
    where[1, 2:5, 3:8] = True
    found = measure_calibration(p, labels, CLASSES, where)
    assert found.pixels == 15
    part = measure_calibration(p[1:2, :, 2:5, 3:8], labels[1:2, 2:5, 3:8], CLASSES)
    assert found.scores.equals(part.scores)
    with pytest.raises(ValueError, match="there is no pixel that counts"):
        measure_calibration(p, labels, CLASSES, np.zeros(labels.shape, dtype=bool))


def test_intervals_are_of_cases_drawn_anew() -> None:
    """Against the pixels of the drawn cases put together, and measured as they are."""
    p, labels = drawn(7)
    cases = np.repeat([0, 1, 2, 2], 9 * 11).reshape(labels.shape)
    found = measure_calibration(p, labels, CLASSES, groups=cases)
    pd.testing.assert_frame_equal(found.scores, measure_calibration(p, labels, CLASSES).scores)
    intervals = calibration_intervals(found.sums, resamples=40, seed=3)
    slices = [[0], [1], [2, 3]]
    measured = []
    for counts in draw_cases(3, 40, np.random.default_rng(3)).astype(int):
        chosen = [place for case, count in enumerate(counts) for place in slices[case] * count]
        drawn_anew = measure_calibration(p[chosen], labels[chosen], CLASSES)
        measured.append([*drawn_anew.scores["brier"], drawn_anew.brier, *drawn_anew.scores["ece"]])
    low, high = np.quantile(np.array(measured), [0.025, 0.975], axis=0)
    np.testing.assert_allclose(intervals["brier_low"], low[:5])
    np.testing.assert_allclose(intervals["brier_high"], high[:5])
    np.testing.assert_allclose(intervals["ece_low"][:4], low[5:])
    np.testing.assert_allclose(intervals["ece_high"][:4], high[5:])
    assert intervals["ece_low"].isna().tolist() == [False] * 4 + [True]
    alone = measure_calibration(p, labels, CLASSES)
    assert calibration_intervals(alone.sums).isna().all(axis=None)  # of one case


def test_numbers_that_are_no_probabilities_are_refused() -> None:
    p, labels = drawn(6)
    with pytest.raises(ValueError, match="those of a pixel sum to 1"):
        measure_calibration(2 * p, labels, CLASSES)
    with pytest.raises(ValueError, match=r"probabilities must be \[N, 2, H, W\]"):
        measure_calibration(p, labels, CLASSES[:2])
    with pytest.raises(ValueError, match="labels must be 0 to 2, got 0 to 7"):
        measure_calibration(p, np.where(labels == 2, 7, labels).astype(np.uint8), CLASSES)
