"""How far an exam's labels are to be doubted, and what that meant on exams that the networks had not seen."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lge_sweep.config.base import Settings

WarningName = Literal["disagreement", "unlikeness"]
"""The name of a number that warns."""
DISAGREEMENT: Literal["disagreement"] = "disagreement"
UNLIKENESS: Literal["unlikeness"] = "unlikeness"
"""The two numbers that warn."""
MEANINGS: dict[WarningName, str] = {
    DISAGREEMENT: "the networks and views whose mean the labels are disagree",
    UNLIKENESS: "the exam is unlike those that the networks were trained on",
}
"""What each says where it is high."""


class WarningNumber(Settings):
    """What one number meant out of fold: how it ranks exams by how bad their labels are, and from where it warns.

    An exam's labels are worth the mean Dice of cavity, wall and scar in three dimensions. The worst are a quarter.
    """

    threshold: float
    """Above it there is a warning."""
    exams: int = Field(ge=1)
    """How many were measured."""
    flagged: int = Field(ge=0)
    """How many of them are above the threshold."""
    worst: int = Field(ge=0)
    """How many of them are the worst."""
    caught: int = Field(ge=0)
    """How many of the worst are above the threshold."""
    dice_above: float | None = None
    """Mean over the exams above the threshold; None where there are none."""
    dice_below: float
    """Mean over the others."""
    auc: float | None = None
    """Chance that one of the worst has a higher number than one of the others; None where there are none of one."""
    auc_low: float | None = None
    """Lower end of its 95 % interval, bootstrap over patients; so are all ends below."""
    auc_high: float | None = None
    """Upper end."""
    spearman: float | None = None
    """Rank correlation of the number with the Dice: -1 where it ranks perfectly; None where either is one value."""
    spearman_low: float | None = None
    """Lower end."""
    spearman_high: float | None = None
    """Upper end."""


class Spread(Settings):
    """How a trait of exams is spread over those that networks were trained on."""

    median: float
    scale: float = Field(gt=0)
    """1.4826 times the median absolute deviation, which is the standard deviation of a normal distribution."""


class Doubt(Settings):
    """When an exam's labels are doubted: what was measured on exams that the networks had not seen."""

    numbers: dict[WarningName, WarningNumber]
    """`disagreement`, where there is more than one network or view, and `unlikeness`."""
    flagged: int = Field(ge=0)
    """Exams that any number warned of."""
    traits: dict[str, Spread]
    """Trait -> how it is spread over all exams of training."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if UNLIKENESS not in self.numbers:
            raise ValueError(f"numbers must have {UNLIKENESS}")
        return self
