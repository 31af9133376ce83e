"""How long work tells how far it is."""

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Told what is done next, how many are done, and how many there are."""
StepCallback = Callable[[str], None]
"""Told what is done next."""


def say_nothing(what: str, done: int, total: int) -> None:
    """Do without.

    Args:
        what: what is done next.
        done: how many are done.
        total: how many there are.
    """
