"""What a search can look for beside the score, by name: its unit, and how it is spoken of. Loads no torch.

To add one, say here what it is and in `lge_sweep/study/results.py` where a finished cell's record has it.
"""

from dataclasses import dataclass

SCORE = "score"
"""The objective that every search has; the only one that is better when higher."""


@dataclass(frozen=True)
class Objective:
    """Something that a training costs: the less, the better.

    Attributes:
        title: what it is called at an axis.
        unit: of its values.
        column: what it is called in tables of numbers.
        least: said of the trial that has least of it.
        less: said of a trial that has less of it than another.
        takes: the verb between a trial and its value.
        measured: how it is measured, a sentence without its point.
    """

    title: str
    unit: str
    column: str
    least: str
    less: str
    takes: str
    measured: str


OBJECTIVES: dict[str, Objective] = {
    "seconds": Objective(
        "training time",
        "s",
        "seconds",
        "the fastest",
        "faster",
        "takes",
        "seconds are those of a clock on the wall, of a whole training with its validations, over all sessions: what "
        "else the machine did meanwhile, trials trained side by side too, is in them",
    ),
    "memory": Objective(
        "peak memory",
        "MB",
        "memory_mb",
        "the smallest",
        "smaller",
        "needs",
        "memory is the most that tensors took on the GPU during a training, or without one the most that its process "
        "held, with the program and what earlier trials have left in it: differences below 100 MB are none",
    ),
}
"""What a search can look for beside the score."""
