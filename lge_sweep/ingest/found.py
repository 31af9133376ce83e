"""Exams that were found and are yet to be read, one by one: all of them may be more than fits into memory."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lge_sweep.ingest.volume import Exam

ExamReader = Callable[[list[str]], Exam | None]
"""Takes a list that gets what is wrong, and returns the exam, or None where anything is."""


@dataclass(frozen=True)
class FoundExam:
    """An exam that was found; it can be sent to another process.

    Attributes:
        case: its case id.
        number: its place in the order in which exams were found.
        reader: what reads it.
    """

    case: str
    number: int
    reader: ExamReader

    def read(self) -> tuple[Exam | None, list[str]]:
        """Return the exam, or None and what is wrong with it."""
        problems: list[str] = []
        exam = self.reader(problems)
        return exam, [settings_as_options(problem) for problem in problems]


@dataclass(frozen=True)
class FoundExams:
    """What there is to segment.

    Attributes:
        exams: the exams, in the natural order of case ids.
        before: what is wrong with others, told before what is wrong with these.
        after: what is told after it.
    """

    exams: tuple[FoundExam, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def problems(self, found: Sequence[Sequence[str]]) -> list[str]:
        """Return everything that is wrong, in the order in which exams were found.

        Args:
            found: of each exam, what is wrong with it.
        """
        in_order = sorted(zip(self.exams, found, strict=True), key=lambda pair: pair[0].number)
        return [*self.before, *(problem for _, problems in in_order for problem in problems), *self.after]


def settings_as_options(finding: str) -> str:
    """Name settings of a data file as options of the command line: source.case_ids: keep -> --case-ids keep."""
    return re.sub(
        r"source\.(\w+)(?:: (?=\w))?",
        lambda found: "--" + found[1].replace("_", "-") + (" " if found[0].endswith(" ") else ""),
        finding,
    )
