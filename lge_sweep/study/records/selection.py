"""`selection.json` and `override.json`: what was selected and why, and what a person chose instead."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from lge_sweep.scoring import Override, Ranked, Selection, Uncertainty
from lge_sweep.study.records.base import Record, read_record
from lge_sweep.text import shorten


class SelectionRecord(Record):
    """`selection.json`: what was selected and why. What it has of `Selection` is told there."""

    format: Literal[1] = 1
    sweep: str
    """Name of the sweep."""
    data_digest: str
    """SHA-256 of the data's content."""
    basis: str
    """SHA-256 of all that phases must share to be compared."""
    models: tuple[str, ...]
    """Architectures of the selected configurations, best first, each once."""
    champion: str
    """Name of the best cell of the best configuration."""
    selected: tuple[str, ...]
    ranking: tuple[Ranked, ...]
    rule: str
    weights: Mapping[str, float]
    subset: str
    emphasis: Mapping[str, float]
    margin: float | None
    notes: tuple[str, ...]
    tied: tuple[str, ...]
    override: Override | None
    uncertainty: Uncertainty
    """How sure the choice is."""
    registered: bool = True
    """Whether the champion reached the model registry, where it should."""

    @model_validator(mode="after")
    def _names_what_is_ranked(self) -> Self:
        ranked = {entry.name for entry in self.ranking}
        if not ranked:
            raise ValueError("ranking: it is empty")
        if not self.selected:
            raise ValueError("selected: it is empty")
        if unknown := set(self.selected) - ranked:
            raise ValueError(f"selected: ranking has no {shorten(min(unknown))}")
        return self


assert {field.name for field in fields(Selection)} <= SelectionRecord.model_fields.keys()


class OverrideRecord(Record):
    """`override.json`: a person's choice over the rule's."""

    format: Literal[1] = 1
    name: str
    """The configuration chosen."""
    reason: str
    """Why, in the person's words."""


def read_selection(path: Path) -> SelectionRecord:
    """Read the selection of a sweep's folder.

    Raises:
        DamagedError: it is gone or damaged; the message says which command makes it again.
    """
    remedy = f"Make it again: lge-sweep select {path.parent.name} (make: the sweep's command)"
    return read_record(SelectionRecord, path, remedy)
