"""The exceptions of lge_sweep: one small family, one class a kind of failure.

Every `LgeSweepError` is a mistake or a circumstance its user can act on; the command line prints its message and ends
with exit code 2. Anything else that escapes is a bug of ours and keeps its traceback.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lge_sweep.text import shorten

_MAX_LINE = 2000
"""Characters of a line of a message; a safeguard, as what is quoted in it is short already."""
_MIN_GROUP = 4
"""So many findings that differ in the case's name only are one line."""
_MAX_GROUP_NAMES = 4
"""Other cases that such a line names."""


class LgeSweepError(Exception):
    """Base of every failure that a user can act on."""

    def __init__(self, *lines: str) -> None:
        """Write the message: each argument is a line of it, and nothing in a line can begin another.

        Args:
            lines: what names, values and libraries say in them is made printable here.
        """
        super().__init__("\n".join(shorten(line, _MAX_LINE) for line in lines))


def group_findings(findings: Sequence[str]) -> list[str]:
    """Join findings that are the same but for the name they begin with, that of a case, a folder or a file.

    >>> group_findings([f"P{k}/Images: is missing" for k in range(7)] + ["P8: is empty"])
    ['P0/Images: is missing (and 6 more alike: P1, P2, P3, P4 and others)', 'P8: is empty']
    """
    names = [re.split("[:/]", finding, maxsplit=1)[0] for finding in findings]
    alike: dict[str, list[int]] = defaultdict(list)
    for place, (name, finding) in enumerate(zip(names, findings, strict=True)):
        alike[re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", finding) if name else finding].append(place)
    lines = dict(enumerate(findings))
    for first, *others in alike.values():
        if len(others) + 1 < _MIN_GROUP:
            continue
        listed = ", ".join(names[place] for place in others[:_MAX_GROUP_NAMES]) + " and others" * (
            len(others) > _MAX_GROUP_NAMES
        )
        lines[first] += f" (and {len(others)} more alike: {listed})"
        for place in others:
            del lines[place]
    return list(lines.values())


class ConfigError(LgeSweepError):
    """A setting is unknown, of the wrong type, or against a rule."""


class DataError(LgeSweepError):
    """The images or masks cannot be used as they are."""

    def __init__(self, where: str, findings: Sequence[str]) -> None:
        """Put all findings into one report.

        Args:
            where: the folder or source that was read.
            findings: every problem found, one sentence each.
        """
        self.where = where
        self.findings = tuple(findings)
        count = "1 problem" if len(self.findings) == 1 else f"{len(self.findings)} problems"
        super().__init__(f"{where}: {count}", *(f"  - {line}" for line in group_findings(self.findings)))


class IncompleteError(LgeSweepError):
    """Some of many things could not be done; the others were (exit code 3)."""

    def __init__(self, done: int, problems: Sequence[str], what: str = "exam(s) done; not done") -> None:
        """Put all problems into one report.

        Args:
            done: how many were done.
            problems: what was wrong with the others, one sentence each.
            what: what those are, and what was not done with the others.
        """
        super().__init__(f"{done} {what}:", *(f"  - {line}" for line in group_findings(problems)))


class WeightsError(LgeSweepError):
    """Pretrained weights cannot be had, or do not fit the network."""


class RunsError(LgeSweepError):
    """The runs directory cannot be used: read-only, full, or held by another driver."""


class DamagedError(RunsError):
    """A file that this program wrote is not what it wrote: cut, emptied, garbled, or of something else."""

    def __init__(self, path: Path, reason: str, remedy: str = "") -> None:
        """Name the file.

        Args:
            path: the file.
            reason: what is wrong with it, a part of a sentence.
            remedy: what to do about it, a sentence; left open for those who set the file aside themselves.
        """
        super().__init__(self._said(path, reason) + (f". {remedy}" if remedy else ""))
        self.path, self.reason = path, reason

    def _said(self, path: Path, reason: str) -> str:
        return f"{path} is damaged: {reason}"


class EarlierVersionError(DamagedError):
    """A file is whole, but of a version of this program whose results this one does not take up."""

    def _said(self, path: Path, reason: str) -> str:
        return f"{path}: an earlier version of lge_sweep wrote it ({reason})"


class NewerFormatError(RunsError):
    """A file was written by a newer version of this program, which this one cannot read."""

    def __init__(self, path: Path, found: int, readable: tuple[int, int]) -> None:
        """Say which format it has, and which ones can be read.

        Args:
            path: the file.
            found: the number of its format.
            readable: the lowest and the highest number that can be read.
        """
        known = " to ".join(map(str, dict.fromkeys(readable)))
        super().__init__(
            f"{path} was written by a newer version of lge_sweep: it has format {found}, and this program reads "
            f"{known}. Use that version, or another runs directory (--runs)"
        )


class InheritError(LgeSweepError):
    """An earlier phase has not left what this one builds on."""

    def __init__(self, message: str, phase: str = "", stage: int = 0, command: str = "") -> None:
        """Say what is missing.

        Args:
            message: the message.
            phase: the phase to run first, "" if running it would not help.
            stage: and its stage.
            command: what runs it.
        """
        super().__init__(message, *[f"Run first: {command}"] * bool(command))
        self.phase, self.stage = phase, stage


class TrialError(LgeSweepError):
    """One trial cannot go on (for example its loss is no longer a number); the sweep can."""


class SelectionError(LgeSweepError):
    """No configuration can be selected from these results."""


class ModelError(LgeSweepError):
    """A segmenter cannot be loaded, or does not do what its settings say."""


class ArchiveError(LgeSweepError):
    """An archive cannot be asked at all: it does not answer, does not let in, or is none."""


class StudyError(ArchiveError):
    """An archive answers, but one study cannot be had from it, or given to it."""
