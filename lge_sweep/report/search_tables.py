"""What the figures of a search are drawn from: its settings with their bounds, and what each trial drew and scored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lge_sweep.scoring import Front

NOT_DRAWN = -0.14
"""Where on an axis from 0 to 1 a trial is that did not draw its setting."""


@dataclass(frozen=True)
class SearchSetting:
    """A setting that a search draws.

    Attributes:
        name: its name, such as ``learning_rate``.
        choices: what it is chosen from, in order; none for a number.
        low: smallest number.
        high: largest.
        log: whether every order of magnitude is equally likely.
        importance: its share of the scores' variance that single settings explain, among the trials that have it; None:
            not known.
        trials: how many trials have it; some settings belong to some losses alone.
    """

    name: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    importance: float | None = None
    trials: int = 0

    def place(self, value: str | float | None) -> float:
        """Return where a value is on an axis from 0 to 1; `NOT_DRAWN` for none.

        >>> SearchSetting("lr", low=1e-5, high=1e-3, log=True).place(1e-4)
        0.5
        >>> SearchSetting("loss", choices=("dice", "focal")).place("focal")
        0.75
        """
        if value is None:
            return NOT_DRAWN
        if self.choices:
            return (self.choices.index(str(value)) + 0.5) / len(self.choices)
        if self.log:
            return round(math.log(float(value) / self.low) / math.log(self.high / self.low), 9)
        return (float(value) - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class SearchTrial:
    """A finished trial.

    Attributes:
        number: its number.
        values: setting -> what was drawn; one that belongs to another loss is not there.
        score: what it scored.
        collapsed: whether it never predicted some class.
    """

    number: int
    values: Mapping[str, str | float]
    score: float
    collapsed: bool = False


@dataclass(frozen=True)
class SearchTables:
    """What the figures of a search are drawn of.

    Attributes:
        settings: what is drawn, most important first.
        trials: the finished trials, in order.
        front: of a search with several objectives, its front.
    """

    settings: Sequence[SearchSetting]
    trials: Sequence[SearchTrial]
    front: "Front | None" = None

    @property
    def best(self) -> SearchTrial | None:
        """The trial with the highest score, of those that did not collapse where there are any."""
        return max(self.trials, key=lambda trial: (not trial.collapsed, trial.score), default=None)
