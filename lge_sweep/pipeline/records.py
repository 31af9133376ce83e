"""What phases 3 and 4 keep beside tables: each record a frozen, checked model of one file."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator

from lge_sweep.config.doubt import Doubt
from lge_sweep.config.pipelines import Cleaning
from lge_sweep.config.schema import Shipped
from lge_sweep.metrics import Summary
from lge_sweep.quantify import METHODS
from lge_sweep.study import Record

PIPELINE = "two-stage"
"""The paper's pipeline, as it is compared."""
THRESHOLDS: dict[str, tuple[str, str]] = {
    f"{method} in {wall} wall": (method, wall) for wall in ("predicted", "true") for method in METHODS
}
"""Name of a classical threshold -> its key in `METHODS`, and in which wall it looks for scar: predicted or true."""
MeasuredSubset = Literal["val", "test", "out_of_fold"]
"""Subsets on which pipelines are compared."""


class ShippedRecord(Record):
    """`shipped.json`, in the folder of the fits: which pipeline was shipped last."""

    format: Literal[1] = 1
    key: str
    """Its key in the registry."""
    shipped: Shipped
    pipeline: str = ""
    """The name under which it is compared; those of before did not say."""
    composition: str = ""
    """Of a pipeline past the paper: `composition_digest`, with what cleans up; those of before did not say."""


class PipelineScore(Record):
    """A pipeline's score, and that score's difference to the paper's pipeline, with their intervals."""

    score: float
    low: float | None
    high: float | None
    difference: float
    difference_low: float | None
    difference_high: float | None


class ComparisonRecord(Record):
    """`comparison.json`, in the folder of the fits: how the pipelines do on one subset. The tables are files."""

    format: Literal[1] = 1
    subset: MeasuredSubset
    summaries: dict[str, Summary]
    """Pipeline -> the aggregates of its metrics."""
    scores: dict[str, PipelineScore]
    failed: dict[str, str]
    """Fit -> why it could not be had."""
    meanings: dict[str, str]
    """Pipeline -> what it is."""
    values: dict[str, float] = Field(default_factory=dict)
    """Name in MLflow -> number; none in a comparison of an earlier version."""


class PipelineChoice(Record):
    """What a pipeline past the paper is worth on cases that its networks never saw.

    Its value is the mean over cases of the mean Dice of cavity, wall and scar, each in three dimensions, where a case
    is cleaned up as the other folds' cases choose.
    """

    cleaning: Cleaning
    """What serves best on all cases, which is what is shipped."""
    cleaning_by_fold: tuple[Cleaning, ...]
    """What the other folds' cases choose for each fold."""
    value: float
    low: float
    high: float
    difference: float
    """To the paper's pipeline, paired."""
    difference_low: float
    difference_high: float
    cases_needed: int | None
    """How many cases would show that difference four times in five."""
    dice: dict[str, float]
    """Its parts, means over cases."""
    doubt: Doubt | None = None
    """When an exam's labels are to be doubted; not in one of an earlier version."""
    composition: str = ""
    """`composition_digest` of the pipeline; not in one of an earlier version."""


class ChoiceRecord(Record):
    """`choice.json`, in the folder of the pipelines' networks: which one serves best out of fold."""

    format: Literal[1] = 1
    selected: str
    """The pipeline with the highest value."""
    cases: int
    value: float
    """What choosing in this way is worth: each fold's cases labelled by what the other folds' cases choose."""
    low: float
    high: float
    by_fold: tuple[str, ...]
    """What the other folds' cases choose for each fold."""
    pipelines: dict[str, PipelineChoice]


class EvaluationRecord(ComparisonRecord):
    """`evaluation.json`: what the test subset said."""

    fits: str
    """Name of the sweep of the fits."""
    shipped: Shipped
    """The pipeline that was shipped."""
    test_access: str
    """How untouched the test subset was, a sentence."""
    brief: str
    """Tables VI and VII, means over images, as Markdown."""
    stage1: str = ""
    """Cell of stage 1; not known in one of an earlier version."""
    compositions: dict[str, str] = Field(default_factory=dict)
    """Pipeline past the paper -> its `composition_digest`, with what cleans up; an earlier version did not say."""


class ExternalRecord(Record):
    """`evaluation_<subset>.json`: what somebody else's labels were measured to be. The tables are files."""

    format: Literal[1] = 1
    name: str
    subset: MeasuredSubset
    data: str
    data_digest: str
    digest: str
    """SHA-256 of the labels, the slices, and how they were measured."""
    cases: int
    missing: tuple[str, ...]
    """Cases of the subset that were not measured."""
    test_access: str
    """How untouched the test subset was, a sentence; "" of another subset."""
    test_slices: tuple[str, ...] = ()
    """Of the test subset: as `Access.slices`."""


@dataclass(frozen=True)
class Access:
    """One evaluation on a test subset.

    Attributes:
        pipeline: name of what was evaluated.
        when: date and time, UTC, ISO 8601.
        slices: SHA-256 of intensities and labels of each test slice, first 16 digits.
        finished: whether it came to its numbers; one that was stopped before goes on as the same look.
    """

    pipeline: str
    when: str
    slices: tuple[str, ...]
    finished: bool


class AccessRecord(Record):
    """`test_access.json`, in the runs directory: every evaluation on a test subset, in order."""

    format: Literal[1] = 1
    accesses: tuple[Access, ...]

    @model_validator(mode="before")
    @classmethod
    def _without_format(cls, content: Any) -> Any:
        """Take the bare list that it was before it had a format."""
        return {"accesses": content} if isinstance(content, list) else content
