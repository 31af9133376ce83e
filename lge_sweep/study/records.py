"""What a sweep's folder keeps: each record as a checked model, read in one place.

A record that does not fit is a `DamagedError` that names the file. Who can make again what it held sets it aside.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from lge_sweep.atomic import read_json, set_aside
from lge_sweep.config import Cell
from lge_sweep.errors import DamagedError
from lge_sweep.labels import METRICS, class_names
from lge_sweep.metrics.summary import Summary
from lge_sweep.text import shorten

_log = logging.getLogger(__name__)
REMEDY = "Run the command of its sweep again: what is damaged is set aside, and made again"


class Record(BaseModel):
    """Base of all records. What a later version adds is ignored; what is there must fit."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, allow_inf_nan=False)


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


def _read_cell(plain: object) -> Cell:
    if isinstance(plain, Cell):
        return plain
    try:
        return Cell.read(dict(plain))  # type: ignore[call-overload]  # what does not fit is an error here
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a cell: {error}") from error


class CellRecord(Record):
    """`outcome.json` of a finished cell; written last."""

    format: Literal[1, 2] = 1
    """1 had neither `sweep` nor `files`."""
    sweep: str | None = None
    """Name of the sweep, which has its digest."""
    cell: Annotated[Cell, PlainValidator(_read_cell), PlainSerializer(asdict)]
    subset: str
    summary: Summary
    training: TrainingFacts
    class_weights: dict[str, float]
    seconds: Seconds
    figures: tuple[str, ...]
    hardware: HardwareFacts
    versions: dict[str, str]
    files: dict[str, str] = {}
    """File of the cell's folder -> its SHA-256."""

    @model_validator(mode="after")
    def _has_every_number(self) -> Self:
        names = {*class_names(self.cell.stage), "global"}
        for form in ("image_mean", "pooled", "present_only"):
            for metric, by_class in (found := getattr(self.summary, form)).items():
                if missing := names - by_class.keys():
                    raise ValueError(f"summary.{form}.{metric} has no {min(missing)}")
            if missing := set(METRICS) - {"bf"} - found.keys():
                raise ValueError(f"summary.{form} has no {min(missing)}")
        return self

    @field_validator("figures")
    @classmethod
    def _inside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(PurePosixPath(name).name != name for name in names):
            raise ValueError("a figure's name is no path")
        return names


class PlanRecord(Record):
    """`plan.json`: facts of a sweep that are not settings."""

    data_digest: str
    basis: str
    arrays: str
    class_weights: dict[str, float]
    leaky: bool
    leak_share: float
    notes: tuple[str, ...]

    @field_validator("arrays")
    @classmethod
    def _inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("must be a path inside the runs directory")
        return path


class RankedRecord(Record):
    """One line of a ranking."""

    rank: int
    name: str
    score: float
    selected: bool
    collapsed: tuple[str, ...]


class StandingRecord(Record):
    """How sure one configuration's score is."""

    name: str
    low: float | None
    high: float | None
    best: float | None


class UncertaintyRecord(Record):
    """How sure a selection is."""

    sentence: str
    standings: tuple[StandingRecord, ...]
    notes: tuple[str, ...]


class SelectionRecord(Record):
    """`selection.json`: what was selected and why; here what later commands use of it."""

    subset: str
    models: tuple[str, ...]
    champion: str
    notes: tuple[str, ...]
    ranking: tuple[RankedRecord, ...]
    uncertainty: UncertaintyRecord
    registered: bool = True
    """Whether the champion reached the model registry, where it should."""


class OverrideRecord(Record):
    """`override.json`: a person's choice over the rule's."""

    name: str
    reason: str


T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Record)


def read_record(model: type[RecordT], path: Path, remedy: str = REMEDY) -> RecordT:
    """Read a record.

    Args:
        model: its kind.
        path: its file.
        remedy: what a user can do if it is damaged, a sentence.

    Raises:
        DamagedError: the file is not there, or is not such a record; the message says which field is wrong.
    """
    try:
        return model.model_validate(read_json(path))
    except DamagedError as error:
        raise DamagedError(path, error.reason, remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part)[:40] for part in first["loc"][:4]) or "content"
        raise DamagedError(path, f"{field}: {shorten(first['msg'])}", remedy) from error


def set_damaged_aside(path: Path, read: Callable[[], T]) -> T | None:
    """Set a file of a sweep's folder aside if it is damaged, before it is written again, and say so.

    Args:
        path: the file, in the sweep's folder, which is in the runs directory.
        read: reads it; raises DamagedError.

    Returns:
        What `read` gives; None if there is no file, or it was damaged.
    """
    try:
        return read() if path.exists() else None
    except DamagedError as error:
        aside = set_aside(path, path.parent.parent)
        _log.warning("%s was damaged (%s) and is now %s; it is made again", path, error.reason, aside)
        return None


def read_selection(folder: Path, name: str) -> SelectionRecord:
    """Read the selection of a sweep's folder; `name` is its file's."""
    remedy = f"Make it again: lge-sweep select {folder.name} (make: the sweep's command)"
    return read_record(SelectionRecord, folder / name, remedy)
