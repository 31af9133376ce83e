"""The Pareto front of a search with several objectives: the trials between which a person has to choose.

Which trials are on it is found by the engine; here is what it means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from lge_sweep.config.objectives import OBJECTIVES, SCORE
from lge_sweep.scoring.selection import ROUNDING
from lge_sweep.text import escape_markdown, format_number, markdown_table

FRONT_WORDS = frozenset({"model", "loss", "optimizer", ""})
"""Columns of `front_texts` that hold words; the others hold numbers."""


@dataclass(frozen=True)
class FrontTrial:
    """A finished trial of a search with several objectives.

    Attributes:
        number: its number.
        name: its configuration.
        score: the higher the better.
        costs: values of the other objectives, the lower the better.
        collapsed: whether it never predicted some class.
        on_front: whether no other is at least as good in all objectives and better in one.
        drawn: setting -> what was drawn for it.
    """

    number: int
    name: str
    score: float
    costs: tuple[float, ...]
    collapsed: bool
    on_front: bool
    drawn: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Front:
    """What a search with several objectives came to.

    Attributes:
        costs: names of the objectives beside the score.
        trials: the finished trials in order.
        margin: scores within so much of the best count as good as it.
        trained_on: what they were trained on; of several, the costs cannot be compared.
    """

    costs: tuple[str, ...]
    trials: tuple[FrontTrial, ...]
    margin: float
    trained_on: tuple[str, ...] = ()

    @property
    def best(self) -> tuple[FrontTrial, ...]:
        """The trials on the front, the highest score first."""
        return tuple(sorted((t for t in self.trials if t.on_front), key=lambda t: (-t.score, t.costs, t.number)))

    def cheapest(self, objective: str) -> FrontTrial:
        """Return of the trials on the front whose score is within the margin of the best the one that costs least."""
        place, near = self.costs.index(objective), self.best[0].score - self.margin - ROUNDING
        return min((trial for trial in self.best if trial.score >= near), key=lambda trial: trial.costs[place])

    @property
    def sentence(self) -> str:
        """What it comes to, without the point at its end."""
        best, count = self.best, len(self.trials)
        if not best:
            return "no trial is finished, and there is no front"
        objectives = _listed([SCORE, *self.costs])
        trials = f"{count} trial{'s' * (count != 1)}"
        head = f"{len(best)} of {trials} {'is' if len(best) == 1 else 'are'} on the front of {objectives}"
        if len(best) == 1:
            least = _listed([OBJECTIVES[name].least for name in self.costs])
            return f"{head}: #{best[0].number} has the best score and is {least}"
        return f"{head}: {'; '.join(self._offer(name) for name in self.costs)}"

    def _offer(self, name: str) -> str:
        """Say how much less of a cost the best score can nearly be had for."""
        objective, place = OBJECTIVES[name], self.costs.index(name)
        top, cheap = self.best[0], self.cheapest(name)
        near = f"within {self.margin:g} of the best score".replace(" 0.", " .")
        least, most = cost_text(name, cheap.costs[place]), cost_text(name, top.costs[place])
        if least == most:
            return f"none {near} is {objective.less} than #{top.number}, which {objective.takes} {most}"
        return (
            f"{objective.least} {near}, #{cheap.number}, {objective.takes} {least} instead of the {most} of "
            f"#{top.number}"
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        """What may change a decision, a sentence each, without the point at its end."""
        if len(self.trained_on) <= 1:
            return ()
        ways = "; ".join(self.trained_on)
        return (f"trials were trained on different things ({ways}): {_listed(self.costs)} cannot be compared",)

    @property
    def measured(self) -> tuple[str, ...]:
        """How costs were measured, a sentence each, without the point at its end."""
        return tuple(OBJECTIVES[name].measured for name in self.costs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to doubt, and how costs were measured."""
        return (*self.doubts, *self.measured)

    @property
    def titles(self) -> tuple[str, ...]:
        """The costs with their units, as at an axis."""
        return tuple(f"{OBJECTIVES[name].title} ({OBJECTIVES[name].unit})" for name in self.costs)


def front_frame(front: Front) -> pd.DataFrame:
    """Return all finished trials, those of the front first, the highest score first.

    Returns:
        Columns: trial, configuration, front ("yes" or ""), score, a column an objective (seconds, memory_mb), collapsed
        ("yes" or ""), and a column a setting that was drawn; one that a trial did not draw is missing.
    """
    rows = [
        {
            "trial": trial.number,
            "configuration": trial.name,
            "front": "yes" if trial.on_front else "",
            "score": trial.score,
            **{OBJECTIVES[name].column: cost for name, cost in zip(front.costs, trial.costs, strict=True)},
            "collapsed": "yes" if trial.collapsed else "",
            **trial.drawn,
        }
        for trial in sorted(front.trials, key=lambda trial: (not trial.on_front, -trial.score, trial.number))
    ]
    return pd.DataFrame(rows)


def front_texts(front: Front, selected: str = "") -> pd.DataFrame:
    """Write the trials of a front for people, the highest score first; what a trial did not draw is a dash.

    Args:
        front: the front.
        selected: the configuration that was selected, which is marked.

    Returns:
        Columns: trial, score, the costs by their titles, a column a setting that was drawn, and "" with the mark.
    """
    drawn = dict.fromkeys(name for trial in front.best for name in trial.drawn)
    rows = [
        {
            "trial": f"#{trial.number}",
            "score": format_number(trial.score),
            **{title: _number(cost) for title, cost in zip(front.titles, trial.costs, strict=True)},
            **{name.replace("_", " "): _drawn_text(trial.drawn.get(name)) for name in drawn},
            "": "selected" if trial.name == selected else "",
        }
        for trial in front.best
    ]
    return pd.DataFrame(rows, dtype=str)


def front_markdown(front: Front, selected: str = "") -> str:
    """Write the trials of a front as a Markdown table; see `front_texts`."""
    texts = front_texts(front, selected)
    names = FRONT_WORDS & {*texts.columns}
    rows = ([escape_markdown(text) for text in row] for row in texts.itertuples(index=False, name=None))
    return markdown_table(texts.columns.tolist(), rows, left=names)


def cost_text(objective: str, value: float) -> str:
    """Write a cost with its unit, in three digits.

    Args:
        objective: one of `lge_sweep.config.objectives.OBJECTIVES`.
        value: in its unit.

    >>> cost_text("seconds", 41.234), cost_text("memory", 1234.5)
    ('41.2 s', '1234 MB')
    """
    return f"{_number(value)} {OBJECTIVES[objective].unit}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _drawn_text(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
