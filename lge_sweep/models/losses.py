"""The losses by name: class scores [B, K, H, W] and targets [B, H, W] to a number.

What each does about a class that is absent from the batch (no target pixel), with P the sum of that class's
probabilities over the batch:

=============  ========================================================================================================
cross_entropy  nothing of its own; pixels given to the class cost as misclassified pixels of the classes that are there
weighted_ce    the same, and the other classes' weights stay as they are over the whole training subset
focal          as cross_entropy, less for pixels that are nearly right
dice           the class's term is P / (P + s), s = `dice_smooth`: 0 only if the class is predicted nowhere; its
               gradient by a probability is s / (P + s)^2: false pixels are punished, the harder the fewer there are
dice_ce        the sum of both
dice_focal     the sum of both
=============  ========================================================================================================

MONAI's default s = 1e-5 makes that gradient vanish: 1e-9 at P = 100; with s = 1 it is 1e-4.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.losses.dice import DiceCELoss, DiceLoss
from monai.losses.focal_loss import FocalLoss
from torch import Tensor, nn

from lge_sweep.config.schema import LossOptions

Weights = Sequence[float] | None
"""A weight a channel; None: all alike."""


class _Indexed(nn.Module):
    """A MONAI loss that takes channel indices without a channel axis."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        value: Tensor = self.loss(scores, target[:, None])
        return value


class _Sum(nn.Module):
    """Losses times their weights, added up."""

    def __init__(self, *terms: tuple[float, nn.Module]) -> None:
        super().__init__()
        self.weights = [weight for weight, _ in terms]
        self.losses = nn.ModuleList([loss for _, loss in terms])

    def forward(self, scores: Tensor, target: Tensor) -> Tensor:
        terms = [weight * loss(scores, target) for weight, loss in zip(self.weights, self.losses, strict=True)]
        return torch.stack(terms).sum()


def _overlap(options: LossOptions) -> dict[str, Any]:
    """Options of MONAI's Dice: over all pixels of the batch at once, background included, as the paper's globals."""
    smooth = options.dice_smooth
    return {"to_onehot_y": True, "softmax": True, "batch": True, "smooth_nr": smooth, "smooth_dr": smooth}


def _cross_entropy(options: LossOptions, classes: int, weights: Weights) -> nn.Module:
    return nn.CrossEntropyLoss()


def _weighted_ce(options: LossOptions, classes: int, weights: Weights) -> nn.Module:
    return nn.CrossEntropyLoss(weight=None if weights is None else torch.tensor(weights))


def _dice(options: LossOptions, classes: int, weights: Weights) -> nn.Module:
    return _Indexed(DiceLoss(**_overlap(options)))


def _focal(options: LossOptions, classes: int, weights: Weights) -> nn.Module:
    """Mean over pixels *and classes* of -alpha (1 - p)^gamma log p of the true class, as MONAI's.

    So it is 1 / classes of the sum in Lin et al. 2017, which Adam does not see, SGDM and the weight beside Dice do.
    Alpha is the same factor for every class, as in MATLAB; a bare number MONAI takes as 1 - alpha for background.
    """
    return _Indexed(FocalLoss(to_onehot_y=True, use_softmax=True, gamma=options.gamma, alpha=[options.alpha] * classes))


def _dice_ce(options: LossOptions, classes: int, weights: Weights) -> nn.Module:
    return _Indexed(DiceCELoss(**_overlap(options), lambda_dice=options.dice_weight, lambda_ce=options.other_weight))


def _dice_focal(options: LossOptions, classes: int, weights: Weights) -> nn.Module:
    """Sum the two ourselves: the focal term of MONAI's `DiceFocalLoss` is one of sigmoids, not of the softmax."""
    return _Sum(
        (options.dice_weight, _dice(options, classes, weights)),
        (options.other_weight, _focal(options, classes, weights)),
    )


LOSSES: dict[str, Callable[[LossOptions, int, Weights], nn.Module]] = {
    "cross_entropy": _cross_entropy,
    "weighted_ce": _weighted_ce,
    "dice": _dice,
    "focal": _focal,
    "dice_ce": _dice_ce,
    "dice_focal": _dice_focal,
}
"""Name -> builder from options, number of classes, and class weights of the training subset (`weighted_ce`)."""
