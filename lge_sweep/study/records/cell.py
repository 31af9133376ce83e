"""`outcome.json`: what a finished cell came to."""

import math
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from lge_sweep.config import Cell
from lge_sweep.labels import SCORED, class_names
from lge_sweep.metrics import AGGREGATES, METRICS, POOLED, Summary
from lge_sweep.study.records.base import Record


class TrainingFacts(Record):
    """How a training went."""

    steps: int
    epochs: int
    best_step: int
    best_val_loss: float


class Seconds(Record):
    """How long a cell took, over all sessions."""

    training: float
    all: float


class HardwareFacts(Record):
    """Where and how a cell was computed."""

    accelerator: str
    device: int
    precision: str
    threads: int | None = None
    """Processor threads; those of before did not say."""
    memory_format: str | None = None
    """Order of numbers in memory while training; those of before did not say (it was channels_last)."""
    job: str | None = None
    """Id of the SLURM job that completed it; none elsewhere."""
    execution: str | None = None
    """How training steps were computed; those of before did not say (it was eager)."""


class CellRecord(Record):
    """`outcome.json` of a finished cell; written last."""

    format: Literal[1, 2] = 1
    """1 had neither `sweep` nor `files`."""
    sweep: str | None = None
    """Name of the sweep, which has its digest."""
    cell: Cell
    subset: str
    """The subset that it was measured on."""
    summary: Summary
    training: TrainingFacts
    class_weights: dict[str, float]
    """Class -> its weight in the loss."""
    seconds: Seconds
    memory_mb: float | None = Field(None, gt=0)
    """The most memory that its training held, MB; those of before, and where it could not be measured, have none."""
    figures: tuple[str, ...]
    """Names of the folder's figures."""
    hardware: HardwareFacts
    versions: dict[str, str]
    """Library -> its version."""
    files: dict[str, str] = Field(default_factory=dict)
    """File of the cell's folder -> its SHA-256."""

    @model_validator(mode="after")
    def _has_every_number(self) -> Self:
        names = {*class_names(self.cell.stage), "global"}
        for form in AGGREGATES:
            for metric, by_class in (found := getattr(self.summary, form)).items():
                if missing := names - by_class.keys():
                    raise ValueError(f"summary.{form}.{metric} has no {min(missing)}")
            needed = set(SCORED if form != "pooled" else POOLED) & set(SCORED)
            if missing := needed - found.keys():
                raise ValueError(f"summary.{form} has no {min(missing)}")
        return self

    @model_validator(mode="after")
    def _numbers_are_possible(self) -> Self:
        for (form, metric, name), value in self.summary.by_key().items():
            high = METRICS[metric].high if metric in METRICS else math.inf
            if value is not None and not 0 <= value <= high:
                raise ValueError(f"summary.{form}.{metric}.{name}: must be between 0 and {high:g}, got {value:g}")
        return self

    @field_validator("figures")
    @classmethod
    def _inside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(PurePosixPath(name).name != name for name in names):
            raise ValueError("a figure's name is no path")
        return names
