"""What phases 3 and 4 keep beside tables: each record a frozen, checked model of one file."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import model_validator

from lge_sweep.config.schema import Shipped
from lge_sweep.metrics import Summary
from lge_sweep.study import Record

MeasuredSubset = Literal["val", "test"]
"""Subsets on which pipelines are compared."""


class ShippedRecord(Record):
    """`shipped.json`, in the folder of the fits: which pipeline was shipped last."""

    format: Literal[1] = 1
    key: str
    """Its key in the registry."""
    shipped: Shipped
    pipeline: str = ""
    """The name under which it is compared; those of before did not say."""


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
    values: dict[str, float]
    """Name in MLflow -> number."""


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
