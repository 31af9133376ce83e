"""Which trials no other is better than, of several objectives."""

from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)  # else each study is told of


def directions(costs: int) -> list[StudyDirection]:
    """Return where a score and a number of costs are to go."""
    return [StudyDirection.MAXIMIZE] + [StudyDirection.MINIMIZE] * costs


def on_front(values: Sequence[Sequence[float]], collapsed: Sequence[bool]) -> list[bool]:
    """Say of each trial whether it is on the Pareto front, as Optuna finds it.

    It is unless another is at least as good in every objective and better in one. What collapsed is not, as long as
    another stands.

    Args:
        values: the objectives of each trial: the score, the higher the better, then costs, the lower the better.
        collapsed: whether each has never predicted some class.
    """
    standing = [number for number, fell in enumerate(collapsed) if not fell] or [*range(len(values))]
    if not standing:
        return []
    costs = len(values[0]) - 1
    study = optuna.create_study(directions=directions(costs))
    study.add_trials([create_trial(values=list(values[number])) for number in standing])
    best = {standing[trial.number] for trial in study.best_trials}
    return [number in best for number in range(len(values))]
