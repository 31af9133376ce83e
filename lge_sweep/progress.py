"""How long work tells how far it is."""

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Told what is done next, how many are done, and how many there are."""
