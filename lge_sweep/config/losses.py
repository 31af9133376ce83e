"""The losses by name: how each is built, and which options it takes. Loads no torch.

To add one, write a function that builds it in `lge_sweep/models/losses.py`, and an entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from lge_sweep.config.base import Settings


class LossOptions(Settings):
    """Numbers inside the losses; a loss takes those that it knows."""

    gamma: float = Field(2.0, ge=0, le=10)
    """Focusing exponent of the focal loss; 0 makes it alpha / classes times a cross-entropy."""
    alpha: float = Field(0.25, gt=0, le=1)
    """Factor of the focal loss, the same for all classes (as in MATLAB, whose default it is)."""
    dice_weight: float = Field(1.0, ge=0)
    """Weight of the Dice term in `dice_ce` and `dice_focal`."""
    other_weight: float = Field(1.0, ge=0)
    """Weight of the cross-entropy or focal term in `dice_ce` and `dice_focal`."""
    dice_smooth: float = Field(1.0, gt=0)
    """Pixels added to both sides of the Dice loss's fraction; decides how a class absent from a batch is punished."""

    @model_validator(mode="after")
    def _something_left(self) -> Self:
        if self.dice_weight == 0 and self.other_weight == 0:
            raise ValueError("dice_weight and other_weight must not both be 0")
        return self


@dataclass(frozen=True)
class Loss:
    """How to build a loss.

    Attributes:
        build: ``module:function`` of `lge_sweep.models.losses.LossInputs` -> loss.
        options: names of those `LossOptions` that it takes; a search draws no other.
        balanced: whether it weighs classes by their pixels in the training subset, of which each must then have some.
    """

    build: str
    options: frozenset[str] = frozenset()
    balanced: bool = False


_DICE = frozenset({"dice_smooth"})
_FOCAL = frozenset({"gamma", "alpha"})
_SUM = frozenset({"dice_weight", "other_weight"})

LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss("lge_sweep.models.losses:cross_entropy"),
    "weighted_ce": Loss("lge_sweep.models.losses:weighted_ce", balanced=True),
    "dice": Loss("lge_sweep.models.losses:dice", _DICE),
    "focal": Loss("lge_sweep.models.losses:focal", _FOCAL),
    "dice_ce": Loss("lge_sweep.models.losses:dice_ce", _DICE | _SUM),
    "dice_focal": Loss("lge_sweep.models.losses:dice_focal", _DICE | _FOCAL | _SUM),
}

SEARCHED: dict[str, Callable[[float], dict[str, float]]] = {
    "dice_share": lambda share: {"dice_weight": share, "other_weight": 1 - share},
    "gamma": lambda gamma: {"gamma": gamma},
}
"""Number that a search draws for losses -> the options that it becomes."""


def searched(loss: str) -> list[str]:
    """Return what a search draws for a loss: the numbers whose options it takes.

    >>> searched("dice_ce"), searched("dice_focal")
    (['dice_share'], ['dice_share', 'gamma'])
    """
    return [name for name, options in SEARCHED.items() if options(0.5).keys() <= LOSSES[loss].options]
