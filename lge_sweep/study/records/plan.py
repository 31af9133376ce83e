"""`plan.json`: what a sweep's folder says of its data beside the settings."""

from pathlib import PurePosixPath
from typing import Literal

from pydantic import field_validator

from lge_sweep.study.records.base import Record


class PlanRecord(Record):
    """`plan.json`: facts of a sweep that are not settings."""

    format: Literal[1] = 1
    data_digest: str
    """SHA-256 of the data's content."""
    basis: str
    """SHA-256 of all that phases must share to be compared."""
    arrays: str
    """Folder of the prepared arrays, in the runs directory."""
    class_weights: dict[str, float]
    """Class -> its weight, from the training subset."""
    leaky: bool
    """Whether the split lets a case be on two sides."""
    leak_share: float
    """Share of test slices that have a training slice of the same case."""
    notes: tuple[str, ...]
    """What a user should know about the data."""
    slices_found: int | None = None
    """How many slices the exams have, used or not; those of before did not say."""

    @field_validator("arrays")
    @classmethod
    def _inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("must be a path inside the runs directory")
        return path
