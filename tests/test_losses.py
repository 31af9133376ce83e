"""The losses of phase 2 against hand-computed values and gradients, above all where a class is absent."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lge_sweep.config.losses import LOSSES, LossOptions
from lge_sweep.data import class_weights
from lge_sweep.models.losses import LossInputs, build_loss

OPTIONS = LossOptions()
CLASSES = 3


def evaluate(name: str, scores: Tensor, target: Tensor, options: LossOptions = OPTIONS) -> tuple[float, Tensor]:
    """Value of a loss and its gradient by the scores."""
    scores = scores.clone().requires_grad_()
    loss = build_loss(name, LossInputs(options, CLASSES, (0.5, 1.0, 4.0)))(scores, target)
    loss.backward()
    assert scores.grad is not None
    return float(loss.detach()), scores.grad


def random_batch(seed: int = 0, highest: int = CLASSES) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, CLASSES, 4, 5, generator=generator, dtype=torch.float64)
    return scores, torch.randint(0, highest, (2, 4, 5), generator=generator)


def probabilities(scores: Tensor) -> np.ndarray:
    """Softmax over classes, [K, pixels], by numpy."""
    flat = scores.permute(1, 0, 2, 3).reshape(CLASSES, -1).numpy()
    powers = np.exp(flat - flat.max(axis=0))
    return np.asarray(powers / powers.sum(axis=0))


def dice_by_hand(p: np.ndarray, t: np.ndarray, smooth: float = 1.0) -> float:
    terms = [1 - (2 * p[k][t == k].sum() + smooth) / (p[k].sum() + (t == k).sum() + smooth) for k in range(CLASSES)]
    return float(np.mean(terms))


def focal_by_hand(p: np.ndarray, t: np.ndarray, gamma: float = 2.0, alpha: float = 0.25) -> float:
    """MONAI means over pixels and channels; only the true channel of a pixel is not 0."""
    right = p[t, np.arange(len(t))]
    return float((-alpha * (1 - right) ** gamma * np.log(right)).sum() / p.size)


@pytest.mark.parametrize("highest", [3, 2], ids=["all classes there", "scar-free batch"])
def test_values_agree_with_hand_computed_ones(highest: int) -> None:
    scores, target = random_batch(1, highest)
    p, t = probabilities(scores), target.numpy().ravel()
    right = p[t, np.arange(len(t))]
    weights = np.array([0.5, 1.0, 4.0])[t]
    cross_entropy, dice, focal = -np.log(right).mean(), dice_by_hand(p, t), focal_by_hand(p, t)
    expected = {
        "cross_entropy": cross_entropy,
        "weighted_ce": (-weights * np.log(right)).sum() / weights.sum(),
        "dice": dice,
        "focal": focal,
        "dice_ce": dice + cross_entropy,
        "dice_focal": dice + focal,
    }
    assert expected.keys() == LOSSES.keys()
    for name, value in expected.items():
        if name == "weighted_ce":
            scores = scores.float()  # its weights are float32
        assert evaluate(name, scores, target)[0] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("highest", [3, 2], ids=["all classes there", "scar-free batch"])
def test_gradients_agree_with_differences(name: str, highest: int) -> None:
    scores, target = random_batch(2, highest)
    loss = build_loss(name, LossInputs(OPTIONS, CLASSES, (0.5, 1.0, 4.0))).double()
    scores.requires_grad_()
    coarse: dict[str, Any] = {}
    if "focal" in name:  # MONAI's is float32
        coarse = {"eps": 1e-2, "atol": 2e-5, "rtol": 1e-2}
    assert torch.autograd.gradcheck(lambda x: loss(x, target).double(), (scores,), **coarse)


def test_dice_of_a_scar_free_batch_by_hand() -> None:
    """All scores 0, so that each class has probability 1/3 everywhere; 8 pixels, all of them background."""
    scores, target = torch.zeros(2, CLASSES, 2, 2, dtype=torch.float64), torch.zeros(2, 2, 2, dtype=torch.long)
    value, gradient = evaluate("dice", scores, target)
    total = 8 / 3  # P, the sum of each class's probabilities
    absent, present = total / (total + 1), 1 - (2 * total + 1) / (total + 8 + 1)
    assert value == pytest.approx((2 * absent + present) / 3)
    # by a pixel's probability: absent 1 / (P + 1)^2 / 3; present -(2 (P + 9) - (2 P + 1)) / (P + 9)^2 / 3
    by_absent = 1 / (total + 1) ** 2 / 3
    by_present = -(2 * (total + 9) - (2 * total + 1)) / (total + 9) ** 2 / 3
    by_probability = np.array([by_present, by_absent, by_absent])
    by_score = (by_probability - by_probability.mean()) / 3  # softmax at 1/3 each
    assert gradient[0, :, 0, 0].numpy() == pytest.approx(by_score)
    assert gradient[0, 2, 0, 0] > 0  # descent lowers the score of the absent class


def test_monais_own_smoothing_would_leave_false_scar_unpunished() -> None:
    scores, target = torch.zeros(1, CLASSES, 32, 32, dtype=torch.float64), torch.zeros(1, 32, 32, dtype=torch.long)
    p = 1024 / 3
    for smooth in (1.0, 1e-5):
        loss = build_loss("dice", LossInputs(LossOptions(dice_smooth=smooth), CLASSES))
        assert float(loss(scores, target)) == pytest.approx(
            (2 * p / (p + smooth) + 1 - (2 * p + smooth) / (p + 1024 + smooth)) / 3
        )
        assert smooth / (p + smooth) ** 2 < (1e-5 if smooth == 1 else 1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_scar_free_prediction_costs_nothing_and_false_scar_costs_more(name: str) -> None:
    target = torch.zeros(1, 8, 8, dtype=torch.long)
    perfect = torch.zeros(1, CLASSES, 8, 8)
    perfect[:, 0] = 30
    false_scar = perfect.clone()
    false_scar[:, 2, :2, :2] = 60
    assert evaluate(name, perfect, target)[0] == pytest.approx(0, abs=1e-6)
    value, gradient = evaluate(name, false_scar, target)
    assert value > 0.1
    assert math.isfinite(float(gradient.abs().sum()))


def test_options_reach_the_losses() -> None:
    scores, target = random_batch(3)
    p, t = probabilities(scores), target.numpy().ravel()
    options = LossOptions(gamma=0.5, alpha=0.75, dice_weight=0.3, other_weight=2, dice_smooth=4)
    focal, dice = focal_by_hand(p, t, 0.5, 0.75), dice_by_hand(p, t, 4)
    assert evaluate("focal", scores, target, options)[0] == pytest.approx(focal)
    assert evaluate("dice_focal", scores, target, options)[0] == pytest.approx(0.3 * dice + 2 * focal)
    cross_entropy = evaluate("cross_entropy", scores, target)[0]
    assert evaluate("dice_ce", scores, target, options)[0] == pytest.approx(0.3 * dice + 2 * cross_entropy)


def test_focal_without_focus_is_cross_entropy() -> None:
    scores, target = random_batch(4)
    focal = evaluate("focal", scores, target, LossOptions(gamma=0, alpha=1))[0]
    assert focal == pytest.approx(evaluate("cross_entropy", scores, target)[0] / CLASSES)


def test_class_weights_are_median_frequency_balanced() -> None:
    """Two slices of 10 pixels; the second has no scar, so scar's frequency is over the first alone."""
    labels = np.array([[[0, 0, 0, 0, 2, 2, 2, 3, 1, 0]], [[0, 0, 0, 0, 0, 0, 0, 0, 2, 0]]], dtype=np.uint8)
    # stage 2: the cavity is background. background 15 of 20, myocardium 4 of 20, scar 1 of 10; median .2
    assert class_weights(labels, 2) == pytest.approx((0.2 / 0.75, 1.0, 0.2 / 0.1))
    assert class_weights(labels[1:], 2) == pytest.approx((0.5 / 0.9, 0.5 / 0.1, 0.0))
