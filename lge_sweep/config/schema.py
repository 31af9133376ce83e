"""Every setting of a sweep: its type, its rule and a sentence on what it means.

A sweep is put together from three files: the phase (what is compared and how a winner is chosen), the data (where the
slices come from and how they are split) and the profile (how a network is trained). `SweepConfig` is their union.
The settings of the data file are in `lge_sweep.config.data`.
"""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, field_validator, model_validator

from lge_sweep.choices import suggest
from lge_sweep.config.architectures import ARCHITECTURES, ExecutionMode, MemoryFormat
from lge_sweep.config.base import DECIDES_NOTHING, DECIDES_STAGE_2, Settings
from lge_sweep.config.data import DataFile
from lge_sweep.config.fits import (
    CROPPED,
    MODIFIERS,
    PREDICTED,
    SINGLE_FIT,
    TRUE,
    UNGUIDED,
    check_control,
    check_shippable,
    modifiers,
)
from lge_sweep.config.losses import LOSSES, LossOptions
from lge_sweep.config.optimizers import OPTIMIZERS
from lge_sweep.config.pipelines import BEST, PAPER, PIPELINE_NAME, SIDES, Pipeline
from lge_sweep.config.registry import OneOf
from lge_sweep.config.search import Search
from lge_sweep.config.segmenter import CropMargin, Frame, Options, PostprocessOptions
from lge_sweep.labels import Label
from lge_sweep.text import shorten

SELECTED = "selected"
"""In place of models in a grid: those that phase 1 selected."""
Augmentation = Literal["rotate90", "none", "rich", "upright"]
ValueT = TypeVar("ValueT")


def _each_once(values: tuple[ValueT, ...]) -> tuple[ValueT, ...]:
    """Return the values of a setting; ValueError if one is there twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"names a value twice: {', '.join(map(str, values))}")
    return values


# -------------------------------------------------------------------------------------------------------- profile file


class Training(Settings):
    """How a network is trained. Defaults are the paper's Table II."""

    image_size: int = Field(320, ge=64, le=1024, multiple_of=SIDES)
    """Rows and columns the slices are resized to; a multiple of 16."""
    batch_size: int = Field(8, ge=2)
    """Slices a step; the last partial batch of an epoch is dropped."""
    learning_rate: float = Field(1e-4, gt=0, allow_inf_nan=False)
    """Initial and constant learning rate."""
    weight_decay: float = Field(1e-4, ge=0)
    """L2 regularisation added to the gradient (coupled, as in MATLAB)."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of the optimizer `sgdm`."""
    loss: LossOptions = LossOptions()
    """Numbers inside the losses."""
    max_epochs: int = Field(30, ge=1)
    """Most passes over the training subset."""
    max_steps: int | None = Field(None, ge=1)
    """Most optimizer steps, whatever the epochs; none by default."""
    validation_every: int = Field(50, ge=1)
    """Optimizer steps between two validations."""
    patience: int = Field(3, ge=1)
    """Validations without a lower loss (a tie counts as none) after which training stops."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay a step of the moving average of the weights, which is then what is validated, kept and used; none: no
    average (paper)."""
    learning_rate_schedule: Literal["constant", "poly"] = "constant"
    """`constant` (paper); `poly`: the rate falls as (1 - step / all steps) ** .9 (Chen et al. 2018; nnU-Net)."""
    warmup_steps: int = Field(0, ge=0)
    """Optimizer steps over which the learning rate grows linearly to its initial value; none by default."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of a step's gradient, which is scaled down to it; none: gradients stay as they are (paper)."""
    keep: Literal["best", "last"] = "best"
    """`best`: stop early, and use the weights of the lowest validation loss (paper). `last`: train to the end, and use
    what is there then; the validation subset then decides nothing."""
    scar_sampling: float = Field(1.0, ge=1, le=16)
    """How many times as often as others slices with scar are drawn."""
    augment: Augmentation = "rotate90"
    """`rotate90`: each training slice turned by 0, 90, 180 or 270 degrees at random; nothing else (paper). `rich`: also
    mirrored, scaled, shifted, turned by any angle, and with other contrast and noise. `upright`: as `rich`, but turned
    by 30 degrees at most and not mirrored: the heart stays as it lies in the chest, and is learned in fewer steps."""
    encoder_weights: str = "imagenet"
    """`imagenet`, `none`, a weight file, or a folder with one file an encoder."""
    width: float = Field(1.0, gt=0, le=1)
    """Share of the feature channels kept in `unet` and `segnet`; 1 is the published network."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of forward and backward passes; `auto` takes what the hardware is fast at."""
    memory_format: Literal["auto", MemoryFormat] = "auto"
    """Order of numbers in memory while training; `auto` takes what the network is fast with here, see
    docs/performance.md. It changes the last digits of what is computed."""
    execution: Literal["auto", ExecutionMode] = "auto"
    """How training steps are computed: `eager`, layer by layer; `graphs`, as CUDA graphs (on a GPU); `compile`, by
    `torch.compile`, which compiles for a minute first. `auto` takes graphs where they are faster, see
    docs/performance.md. It changes the last digits of what is computed."""


class Shipped(PostprocessOptions):
    """The pipeline that is shipped. Its defaults are the paper's; everything else is an option past it."""

    stage2: Annotated[str, AfterValidator(check_shippable)] = PREDICTED
    """Which fit of stage 2: `predicted` (paper), `no_guidance`, `cropped`, `augmented`, or several as
    `no_guidance+cropped`."""
    pipeline: str | None = None
    """One of `fit.pipelines` instead, by its name, for which the other options here do nothing; `selected`: the one
    that serves best out of fold."""


PipelinesByName = dict[Annotated[str, Field(pattern=PIPELINE_NAME)], Pipeline]
"""Pipelines past the paper."""


class Fit(CropMargin):
    """How the two selected configurations are fitted into one pipeline (phase 3).

    Without a margin, an eighth of the frame's side is left around the cavity in the fits on crops.
    """

    folds: int = Field(5, ge=2, le=20)
    """Subsets that the training cases are dealt to, so that each gets its guidance from a network that never saw it."""
    controls: Annotated[
        tuple[Annotated[str, AfterValidator(check_control)], ...], AfterValidator(_each_once), DECIDES_NOTHING
    ] = (
        TRUE,
        SINGLE_FIT,
        *MODIFIERS,
    )
    """What stage 2 is fitted on besides predicted guidance, to compare: `true_guidance`; `no_guidance`; `cropped` (to
    the heart); `augmented` (richly); several of these three, as `no_guidance+cropped`; and `single`, one network for
    all classes."""
    max_epochs: Annotated[int | None, DECIDES_STAGE_2] = Field(None, ge=1)
    """Most passes over the training subset when stage 2 is fitted; `training.max_epochs` if not given."""
    patience: Annotated[int | None, DECIDES_STAGE_2] = Field(None, ge=1)
    """When its training stops; `training.patience` if not given."""
    ema: Annotated[float | None, DECIDES_STAGE_2] = Field(None, gt=0, lt=1)
    """Moving average of its weights; `training.ema` if not given."""
    pipeline_steps: Annotated[int | None, DECIDES_STAGE_2] = Field(None, ge=1)
    """Most optimizer steps of each network of `fit.pipelines`, and of the paper's pipeline beside them, whatever these
    ask for: to try a file of pipelines."""
    pipelines: Annotated[PipelinesByName, DECIDES_NOTHING] = Field(default_factory=dict)
    """Pipelines past the paper, by name: each is fitted once a fold of all training and validation cases, and compared
    with the others and the paper's on cases that its networks never saw."""
    shipped: Annotated[Shipped, DECIDES_NOTHING] = Shipped()
    """The pipeline that is shipped."""

    def segmenter_options(self, fit: str, size: int) -> Options:
        """Return the options of a segmenter that shows stage 2 what a fit was fitted on.

        Args:
            fit: its name.
            size: rows and columns of the frame.
        """
        guided = UNGUIDED not in modifiers(fit)
        if CROPPED not in modifiers(fit):
            return Options(guided=guided)
        margin = self.crop_margin
        if margin is None and self.crop_margin_mm is None:
            margin = size // 8
        return Options(guided=guided, crop_margin=margin, crop_margin_mm=self.crop_margin_mm)

    def stage2_training(self, training: Training) -> Training:
        """Return how stage 2 is trained: as everything is, but for what is said here."""
        own = {"max_epochs": self.max_epochs, "patience": self.patience, "ema": self.ema}
        return training.model_copy(update={name: value for name, value in own.items() if value is not None})

    @model_validator(mode="after")
    def _ships_what_it_fits(self) -> Self:
        if taken := {BEST, PAPER, *MODIFIERS} & self.pipelines.keys():
            raise ValueError(f"no pipeline can be called {taken.pop()}, which means another; rename it")
        named = self.shipped.pipeline
        if named is not None and named not in (*self.pipelines, *([BEST] if self.pipelines else [])):
            known = ", ".join([*self.pipelines, BEST]) if self.pipelines else "there is none"
            raise ValueError(f"shipped.pipeline {named} must be among the pipelines ({known})")
        if self.shipped.stage2 not in (PREDICTED, *self.controls):
            raise ValueError(f"shipped.stage2 {self.shipped.stage2} must be among the controls, which are fitted")
        return self


class PipelinesFile(Settings):
    """A file of `sweeps/pipelines`: pipelines past the paper, which phase 3 fits beside its own."""

    folds: int | None = Field(None, ge=2, le=20)
    """As `fit.folds`; so are all below."""
    pipelines: PipelinesByName = Field(min_length=1)
    """The pipelines."""
    shipped: Shipped | None = None
    """Which pipeline is shipped."""


class ProfileFile(Settings):
    """A file of `sweeps/profile`: a named set of training options."""

    training: Training = Training()
    """How a network is trained."""
    fit: Fit | None = None
    """What phase 3 does otherwise than its own file says; other phases have no use for it."""


# ---------------------------------------------------------------------------------------------------------- phase file


class Grid(Settings):
    """The axes of a sweep; its cells are all combinations, in this order."""

    model: tuple[Annotated[str, OneOf((*ARCHITECTURES, SELECTED))], ...] = Field(min_length=1)
    """Architectures; or `selected` alone: those that phase 1 selected for the same stage, data and profile."""
    loss: tuple[Annotated[str, OneOf(LOSSES)], ...] = Field(("cross_entropy",), min_length=1)
    """Losses."""
    optimizer: tuple[Annotated[str, OneOf(OPTIMIZERS)], ...] = Field(("adam",), min_length=1)
    """Optimizers."""
    seed: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1)
    """Seeds of initial weights, batches and augmentation."""

    @field_validator("model", "loss", "optimizer", "seed")
    @classmethod
    def _unique(cls, axis: tuple[object, ...]) -> tuple[object, ...]:
        _each_once(axis)
        if SELECTED in axis and len(axis) > 1:
            raise ValueError(f"`{SELECTED}` stands alone: name models, or leave them to phase 1")
        return axis


class MetricsConfig(Settings):
    """How predictions are measured."""

    bf_tolerance: float | None = Field(None, ge=0)
    """Pixels within which boundaries agree; None is MATLAB's 0.75 % of the image diagonal, 0 the paper's Eq. (5)."""
    nsd_tolerance_mm: float = Field(2.0, ge=0)
    """Distance of boundaries that nsd, the surface Dice, lets pass: about one pixel of an LGE exam, in mm."""
    empty: Literal["nan", "zero", "one"] = "nan"
    """Value of a class that is in neither truth nor prediction; `nan` leaves the image out of that class's means."""


class SelectionConfig(Settings):
    """How a winner is chosen."""

    rule: Literal["mean", "weighted"] = "mean"
    """`mean`: unweighted mean of the six global metrics; `weighted`: paper Table III."""
    keep: int = Field(2, ge=1)
    """How many configurations go on to the next phase."""
    tie_margin: float = Field(0.01, ge=0, le=1)
    """Where one configuration is kept: those within so much of the top score are tied, and the one whose global metrics
    spread least over the images wins."""
    subset: Literal["val", "test"] = "val"
    """The subset that is scored. `test` reproduces the paper and marks every result."""
    emphasis: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Weight of a class in the global metrics; 1 where not named."""

    @field_validator("emphasis")
    @classmethod
    def _names_classes(cls, emphasis: dict[str, float]) -> dict[str, float]:
        known = [label.title for label in Label]
        for name in emphasis:
            if name not in known:
                raise ValueError(f"unknown class '{shorten(name)}': {suggest(name, known)}")
        if all(emphasis.get(name, 1) == 0 for name in known):
            raise ValueError("leaves no class with a weight above 0")
        return emphasis


class PhaseFile(Settings):
    """A file of `sweeps`: what is compared and how a winner is chosen."""

    phase: Literal["phase1", "phase2", "search", "phase3"]
    """Name of the phase."""
    grid: Grid
    """The axes: of all cells, or of what a search chooses from."""
    search: Search | None = None
    """What is searched; without it every combination of the grid's axes is trained."""
    fit: Fit | None = None
    """How the pipeline is fitted; phase 3 only."""
    metrics: MetricsConfig = MetricsConfig()
    """How predictions are measured."""
    selection: SelectionConfig = SelectionConfig()
    """How a winner is chosen."""

    @model_validator(mode="after")
    def _in_their_phases(self) -> Self:
        for name, phase in (("search", "search"), ("fit", "phase3")):
            if (getattr(self, name) is not None) != (self.phase == phase):
                raise ValueError(f"{name} belongs to the phase {phase}, and to no other; this is {self.phase}")
        return self


class SweepConfig(PhaseFile, DataFile, ProfileFile):
    """Every setting of one sweep: all cells of one phase and stage, on one data set, with one profile."""

    stage: Literal[1, 2]
    """1: cavity. 2: myocardium and scar, guided by the cavity."""
    data: str
    """Name of the data set: the name of its file."""
    profile: str
    """Name of the profile: the name of its file."""

    @property
    def frame(self) -> Frame:
        """What the networks see of slices."""
        return Frame(size=self.training.image_size, intensity=self.intensity)

    @property
    def simulated(self) -> bool:
        """Whether exams are simulated: there is no patient among them."""
        return self.source.kind == "phantom"

    @property
    def fitting(self) -> Fit:
        """The settings `fit`, of phase 3, which has them."""
        assert self.fit is not None
        return self.fit
