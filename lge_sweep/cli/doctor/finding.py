"""What the doctor finds, and where it belongs."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

Severity = Literal["broken", "slow", "note"]
"""What a sweep cannot do without; what makes it slow; what else to know."""
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """Something that a user should know.

    Attributes:
        kind: what it does to a sweep.
        short: what is so, in few words, for the verdict, which says nothing of notes.
        what: what is so, and what follows.
        remedy: what to do; "" if there is nothing to do.
    """

    kind: Severity
    short: str
    what: str
    remedy: str = ""


broken = partial(Finding, "broken")
"""Makes a finding of what keeps a sweep from running."""
slow = partial(Finding, "slow")
"""Makes one of what makes a sweep slow."""


def note(what: str, remedy: str = "") -> Finding:
    """Return what else to know."""
    return Finding("note", "", what, remedy)


@dataclass(frozen=True)
class Section:
    """One line of the table.

    Attributes:
        title: what it is about.
        text: what there is.
        findings: what to know about it.
    """

    title: str
    text: str
    findings: tuple[Finding, ...] = ()


def gib(count: float) -> str:
    """Write a number of bytes as a person would.

    >>> gib(25 * 2**30), gib(1.5 * 2**30)
    ('25 GB', '1.5 GB')
    """
    return f"{count / GIB:.0f} GB" if count >= 10 * GIB else f"{count / GIB:.1f} GB"
