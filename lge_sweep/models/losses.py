"""The losses, as `lge_sweep.config.losses` names them: class scores [B, K, H, W] and targets [B, H, W] to a number.

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
from dataclasses import dataclass
from typing import Any

import torch
from monai.losses.dice import DiceCELoss, DiceLoss
from monai.losses.focal_loss import FocalLoss
from torch import Tensor, nn

from lge_sweep.choices import look_up
from lge_sweep.config.losses import LOSSES, LossOptions
from lge_sweep.config.registry import resolve

Weights = Sequence[float] | None
"""A weight a channel; None: all alike."""


@dataclass(frozen=True)
class LossInputs:
    """What a loss is built of.

    Attributes:
        options: numbers inside the losses.
        classes: number of classes K.
        weights: class weights of the training subset, for a balanced loss; None: all alike.
    """

    options: LossOptions
    classes: int
    weights: Weights = None


LossBuilder = Callable[[LossInputs], nn.Module]


def build_loss(name: str, inputs: LossInputs) -> nn.Module:
    """Build a loss of class scores [B, K, H, W] and targets [B, H, W].

    Raises:
        ConfigError: there is no such loss.
    """
    build: LossBuilder = resolve(look_up("loss", name, LOSSES).build)
    return build(inputs)


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


def cross_entropy(inputs: LossInputs) -> nn.Module:
    """Mean over pixels of -log p of the true class."""
    return nn.CrossEntropyLoss()


def weighted_ce(inputs: LossInputs) -> nn.Module:
    """Mean of the same, weighted by the weight of the true class."""
    return nn.CrossEntropyLoss(weight=None if inputs.weights is None else torch.tensor(inputs.weights))


def dice(inputs: LossInputs) -> nn.Module:
    """Mean over classes of 1 - Dice of probabilities, over all pixels of the batch at once."""
    return _Indexed(DiceLoss(**_overlap(inputs.options)))


def focal(inputs: LossInputs) -> nn.Module:
    """Mean over pixels *and classes* of -alpha (1 - p)^gamma log p of the true class, as MONAI's.

    So it is 1 / classes of the sum in Lin et al. 2017, which Adam does not see, SGDM and the weight beside Dice do.
    Alpha is the same factor for every class, as in MATLAB; a bare number MONAI takes as 1 - alpha for background.
    """
    return _Indexed(
        FocalLoss(
            to_onehot_y=True,
            use_softmax=True,
            gamma=inputs.options.gamma,
            alpha=[inputs.options.alpha] * inputs.classes,
        )
    )


def dice_ce(inputs: LossInputs) -> nn.Module:
    """Weighted sum of Dice and cross-entropy."""
    return _Indexed(
        DiceCELoss(
            **_overlap(inputs.options), lambda_dice=inputs.options.dice_weight, lambda_ce=inputs.options.other_weight
        )
    )


def dice_focal(inputs: LossInputs) -> nn.Module:
    """Sum the two ourselves: the focal term of MONAI's `DiceFocalLoss` is one of sigmoids, not of the softmax."""
    return _Sum(
        (inputs.options.dice_weight, dice(inputs)),
        (inputs.options.other_weight, focal(inputs)),
    )
