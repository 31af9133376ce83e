"""What all settings have in common, and how a field says what it means for the identity of a sweep.

A sweep's name has a digest of its settings. A setting is in it unless it is at the value that it is left out at, which
is its default: an optional setting that is added later renames no sweep. Two marks say otherwise, on the field itself:

    patience: Annotated[int, LeftOutAt(3)] = 5        # the default was 3 before
    trials: Annotated[int, DECIDES_NOTHING] = 40      # more trials go on with the same search
"""

from dataclasses import dataclass
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class LeftOutAt:
    """The value at which a setting is left out of the digest, where that is not its default.

    A default that decides results and is changed gets this mark with the value of before: sweeps that were run with it
    keep their names, and those with the new default have others.
    """

    value: object


@dataclass(frozen=True)
class Decides:
    """The stages whose results a setting decides; a setting without this mark decides those of all."""

    stages: tuple[int, ...]


DECIDES_NOTHING = Decides(())
"""Marks a setting that changes no result: two sweeps that differ in it alone are one."""
DECIDES_STAGE_2 = Decides((2,))
"""Marks a setting of the fits of stage 2, on which the folds of stage 1 do not depend."""


class Settings(BaseModel):
    """Base of all settings: they do not change once read, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    def as_trained(self) -> Self:
        """Return these settings as training sees them: one form for all that mean the same."""
        return self


def left_out_at(field: FieldInfo) -> tuple[object, ...]:
    """Return the one value at which a setting is left out of the digest; none for one that is required."""
    mark = _mark(field, LeftOutAt)
    if mark is not None:
        return (mark.value,)
    return () if field.is_required() else (field.get_default(call_default_factory=True),)


def decides(field: FieldInfo, stage: int) -> bool:
    """Whether a setting decides results of a stage."""
    mark = _mark(field, Decides)
    return mark is None or stage in mark.stages


MarkT = TypeVar("MarkT", LeftOutAt, Decides)


def _mark(field: FieldInfo, kind: type[MarkT]) -> MarkT | None:
    return next((mark for mark in field.metadata if isinstance(mark, kind)), None)
