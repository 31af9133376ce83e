"""What the numbers that doubt an exam mean: measured on cases that the networks which labelled them never saw."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.config.doubt import DISAGREEMENT, UNLIKENESS, Doubt, WarningName
from lge_sweep.config.pipelines import Cleaning
from lge_sweep.pipeline.kept import KeptExam
from lge_sweep.pipeline.records import ChoiceRecord
from lge_sweep.scoring import interval, measure_warning
from lge_sweep.segmenter import disagreement, trait_spreads, unlikeness

FLAGGED: dict[WarningName, float] = {DISAGREEMENT: 0.15, UNLIKENESS: 0.05}
"""Largest share of the exams that each number may warn of: one in five, together."""


class LabelledExams(NamedTuple):
    """How the exams were labelled."""

    cases: Sequence[str]
    """The case of each."""
    folds: NDArray[np.intp]
    """[exams], the fold of each."""
    cleanings: Sequence[Cleaning]
    """What cleaned each up."""
    worth: NDArray[np.float64]
    """[exams], the mean Dice of cavity, wall and scar."""


class Doubted(NamedTuple):
    """How far exams are to be doubted."""

    doubt: Doubt
    """What the numbers mean, and how traits are spread over all exams."""
    table: pd.DataFrame
    """A row an exam: case, fold, disagreement (where there is one), unlikeness, and dice, its worth."""


def measure_doubt(exams: Iterable[KeptExam], labelled: LabelledExams) -> Doubted:
    """Measure the numbers of each exam, and what they mean.

    An exam's disagreement is that of the networks which never saw it; it is unlike the other folds' exams or not, which
    are those that they were trained on. There is no disagreement where a fold has a single member.

    Args:
        exams: what was found in them.
        labelled: how they were labelled.
    """
    disagreements: list[float | None] = []
    traits: list[Mapping[str, float]] = []
    for exam, cleaning in zip(exams, labelled.cleanings, strict=True):  # each takes memory, and is read in its turn
        disagreements.append(disagreement(exam.members, cleaning, exam.scale))
        traits.append(exam.traits)
    numbers: dict[WarningName, NDArray[np.float64]] = {UNLIKENESS: _unlikeness(traits, labelled.folds)}
    if all(value is not None for value in disagreements):
        numbers = {DISAGREEMENT: np.array(disagreements, dtype=np.float64), **numbers}
    measured = {
        name: measure_warning(values, labelled.worth, labelled.cases, FLAGGED[name]) for name, values in numbers.items()
    }
    above = np.any([values > measured[name].threshold for name, values in numbers.items()], axis=0)
    columns = {str(name): values for name, values in numbers.items()}
    table = pd.DataFrame({"case": labelled.cases, "fold": labelled.folds + 1, **columns, "dice": labelled.worth})
    return Doubted(Doubt(numbers=measured, flagged=int(above.sum()), traits=trait_spreads(traits)), table)


def _unlikeness(traits: Sequence[Mapping[str, float]], folds: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how far the most unlike trait of each exam is from those of the other folds' exams."""
    pairs = list(zip(traits, folds.tolist(), strict=True))
    known = {fold: trait_spreads([own for own, other in pairs if other != fold]) for fold in set(folds.tolist())}
    return np.array([max(unlikeness(own, known[fold]).values(), default=0.0) for own, fold in pairs])


def describe_doubt(choice: ChoiceRecord) -> str:
    """Say what the numbers that doubt an exam of the pipeline that serves best meant out of fold; "" where unknown."""
    doubt = choice.pipelines[choice.selected].doubt
    if doubt is None:
        return ""
    told = []
    for name, known in doubt.numbers.items():
        auc = "-" if known.auc is None else f"{known.auc:.2f} ({interval(known.auc_low, known.auc_high)})"
        rank = "-" if known.spearman is None else f"{known.spearman:+.2f}"
        told.append(
            f"{name} above {known.threshold:.3g} flags {known.flagged} of {known.exams} cases, {known.caught} of the "
            f"{known.worst} worst among them (AUC {auc}, rank correlation with Dice {rank})"
        )
    return f"Warnings of {choice.selected}, out of fold: {'; '.join(told)}."
