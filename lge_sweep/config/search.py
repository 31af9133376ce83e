"""Settings of a search beyond the grid."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from lge_sweep.config.base import DECIDES_NOTHING, Settings
from lge_sweep.config.losses import SEARCHED
from lge_sweep.config.objectives import OBJECTIVES, SCORE
from lge_sweep.config.registry import OneOf


class Interval(Settings):
    """Numbers between two bounds."""

    low: float = Field(gt=0, allow_inf_nan=False)
    """Smallest."""
    high: float = Field(gt=0, allow_inf_nan=False)
    """Largest."""
    log: bool = False
    """Whether every order of magnitude is equally likely, rather than every number."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        return self


class Search(Settings):
    """Settings drawn by Optuna's TPE sampler, together with the grid's axes, instead of every combination of them."""

    trials: Annotated[int, DECIDES_NOTHING] = Field(40, ge=1)
    """How many trials in all; more of them go on with the same search."""
    objectives: tuple[Annotated[str, OneOf((SCORE, *OBJECTIVES))], ...] = (SCORE,)
    """What is looked for: `score`, the higher the better, and perhaps what a training costs, the less the better:
    `seconds` of training, `memory` in MB at its peak. With several no trial is stopped early."""
    seed: int = Field(0, ge=0)
    """The draw of the trials."""
    startup_trials: int = Field(10, ge=1)
    """Trials drawn at random before the sampler learns from them."""
    learning_rate: Interval | None = None
    """Bounds of `training.learning_rate`; not searched if left out, as all below."""
    weight_decay: Interval | None = None
    """Bounds of `training.weight_decay`."""
    batch_size: tuple[Annotated[int, Field(ge=2)], ...] | None = None
    """Choices of `training.batch_size`."""
    dice_share: Interval | None = None
    """Bounds of the Dice term's share in `dice_ce` and `dice_focal`; the other term has the rest. At most 1."""
    gamma: Interval | None = None
    """Bounds of `training.loss.gamma`."""
    prune_after: int = Field(3, ge=1)
    """Validations that a trial is given before it can be stopped for being worse than the median of the others."""
    prune_startup: int = Field(5, ge=0)
    """Finished trials before the first can be stopped early."""

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives beside the score; none where the score alone is looked for."""
        return self.objectives[1:]

    def as_trained(self) -> Self:
        """Leave out what stops trials early where none is stopped."""
        defaults = {name: type(self).model_fields[name].default for name in ("prune_after", "prune_startup")}
        return self.model_copy(update=defaults) if self.costs else self

    @field_validator("objectives")
    @classmethod
    def _with_score(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Put them in one order, which decides nothing."""
        if SCORE not in names:
            raise ValueError(f"must have {SCORE}, by which trials are ranked; got {', '.join(names) or 'none'}")
        if len(set(names)) != len(names):
            raise ValueError(f"names a value twice: {', '.join(names)}")
        return tuple(name for name in (SCORE, *OBJECTIVES) if name in names)

    @model_validator(mode="after")
    def _share(self) -> Self:
        if self.dice_share is not None and self.dice_share.high > 1:
            raise ValueError(f"dice_share.high must be at most 1, got {self.dice_share.high:g}")
        return self


assert SEARCHED.keys() <= Search.model_fields.keys()
