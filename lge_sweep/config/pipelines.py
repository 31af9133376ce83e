"""Pipelines past the paper, each a composition.

It says where networks look, what they find and see, how they are trained and averaged, and what cleans up after them.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.base import Settings
from lge_sweep.config.losses import LOSSES
from lge_sweep.config.optimizers import OPTIMIZERS
from lge_sweep.config.registry import OneOf

PIPELINE_NAME = r"^[a-z][a-z0-9_]{0,39}$"
"""What a pipeline may be called, but for `BEST` and `PAPER`."""
BEST = "selected"
"""In place of a pipeline's name: the one that serves best out of fold."""
PAPER = "paper"
"""The paper's own pipeline, fitted on the same folds."""
SIDES = 16
"""A network's rows and columns are a multiple of this: four halvings."""


class Window(Settings):
    """The square around the heart that a network sees of every slice of an exam.

    Its centre is that of the cavity which stage 1 finds in the exam, so that it is one place in all its slices.
    """

    pixels: int | None = Field(None, ge=32, le=1024)
    """Its side in the exam's own pixels; this or `mm`."""
    mm: float | None = Field(None, ge=40, le=500)
    """Its side in mm; slices then need a known spacing."""
    size: int | None = Field(None, ge=64, le=1024, multiple_of=SIDES)
    """Rows and columns that the network is given; `pixels` if not given."""

    @model_validator(mode="after")
    def _sized(self) -> Self:
        if (self.pixels is None) == (self.mm is None):
            raise ValueError("give its side in pixels or in mm, one of the two")
        if self.size is None and (self.pixels is None or self.pixels % SIDES or self.pixels < 64):
            raise ValueError(f"give size, a multiple of {SIDES} of at least 64, where pixels is none")
        return self

    @property
    def rows(self) -> int:
        """Rows and columns that the network is given."""
        rows = self.size or self.pixels
        assert rows is not None
        return rows


class TrainingChanges(Settings):
    """How a pipeline's network is trained otherwise than the profile's; what is not given stays."""

    batch_size: int | None = Field(None, ge=2)
    """As `training.batch_size`; so are all below."""
    learning_rate: float | None = Field(None, gt=0)
    """Initial learning rate."""
    weight_decay: float | None = Field(None, ge=0)
    """L2 regularisation."""
    momentum: float | None = Field(None, ge=0, lt=1)
    """Of the optimizer `sgdm`."""
    max_epochs: int | None = Field(None, ge=1)
    """Most passes over the training slices."""
    max_steps: int | None = Field(None, ge=1)
    """Most optimizer steps."""
    validation_every: int | None = Field(None, ge=1)
    """Steps between two validations."""
    patience: int | None = Field(None, ge=1)
    """Validations without a lower loss after which training stops."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay of the moving average of the weights."""
    learning_rate_schedule: Literal["constant", "poly"] | None = None
    """How the learning rate changes."""
    warmup_steps: int | None = Field(None, ge=0)
    """Steps over which it grows at first."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of a step's gradient."""
    keep: Literal["best", "last"] | None = None
    """Whether the best weights are used or the last ones."""
    scar_sampling: float | None = Field(None, ge=1, le=16)
    """How many times as often slices with scar are drawn."""
    augment: Literal["rotate90", "none", "rich", "upright"] | None = None
    """Augmentation."""
    width: float | None = Field(None, gt=0, le=1)
    """Share of the feature channels kept."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    """Number format."""

    @property
    def given(self) -> dict[str, object]:
        """What is given, by name."""
        return {name: value for name, value in self if value is not None}


class Cleaning(Settings):
    """What cleans up an exam's labels; all of it is off unless asked for."""

    largest_heart: bool = False
    """Whether only the largest piece of cavity and wall, in three dimensions, is kept."""
    confine_scar: bool = False
    """Whether scar that touches neither myocardium nor cavity becomes background."""
    least_scar_pixels: int = Field(0, ge=0, le=10_000)
    """Pieces of scar in a slice with fewer of the exam's own pixels become myocardium."""
    least_scar_share: float = Field(0.0, ge=0, le=1)
    """An exam whose scar is less than this share of its wall has none: its scar becomes myocardium."""


class Pipeline(Settings):
    """One way to final labels. Its defaults are the paper's: two stages, whole slices, trained as phase 2 trained."""

    model: Annotated[str, OneOf(ARCHITECTURES)] | None = None
    """Architecture; the one that phase 2 selected for stage 2 if not given. So are loss and optimizer."""
    loss: Annotated[str, OneOf(LOSSES)] | None = None
    """Loss."""
    optimizer: Annotated[str, OneOf(OPTIMIZERS)] | None = None
    """Optimizer."""
    finds: Literal["wall", "everything", "wall_then_scar"] = "wall"
    """`wall`: myocardium and scar, beside the cavity that stage 1 finds (paper). `everything`: cavity, too, by one
    network. `wall_then_scar`: cavity and whole wall by that network, then, by a second one, the scar in that wall."""
    guided: bool = True
    """Whether a network that finds the wall is shown the cavity (paper)."""
    window: Window | None = None
    """The square around the heart that networks see, of `everything` and `wall_then_scar`; the whole slice if not
    given."""
    neighbours: bool = False
    """Whether the network that finds everything sees the slices above and below, too; one for scar sees none."""
    training: TrainingChanges = TrainingChanges()
    """How networks are trained otherwise than the profile's."""
    scar_training: TrainingChanges = TrainingChanges()
    """How the second network of `wall_then_scar` is trained otherwise than the first."""
    seeds: int = Field(1, ge=1, le=10)
    """Networks a fold, whose probabilities are averaged."""
    symmetries: Literal[1, 4, 8] = 1
    """Views whose probabilities are averaged: one (1), its quarter turns (4), those of its mirror image, too (8)."""
    cleaning: tuple[Cleaning, ...] = Field((Cleaning(),), min_length=1, max_length=32)
    """What cleans up: of several, the one that serves best out of fold."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.finds == "wall" and (self.window is not None or self.neighbours):
            raise ValueError("window and neighbours need finds: everything or wall_then_scar, got wall")
        if self.finds != "wall" and not self.guided:
            raise ValueError("guided is of a network that finds the wall; one that finds everything is shown nothing")
        if self.finds != "wall_then_scar" and self.scar_training != TrainingChanges():
            raise ValueError(
                f"scar_training needs finds: wall_then_scar, which has a network for scar; got {self.finds}, all of "
                "whose networks are trained as training says"
            )
        return self
