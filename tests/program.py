"""The program, as tests call it: in this process, which has loaded its libraries, or as a process of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner, Result

from lge_sweep.cli import app

INLINE = {"LGE_SWEEP_EXECUTOR": "inline"}
"""Environment in which cells are trained in the command's own process, which has loaded its libraries."""


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments))


@contextmanager
def inline() -> Iterator[None]:
    """Train cells in this process meanwhile: for tests of what a sweep comes to."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in INLINE.items():
            patch.setenv(name, value)
        yield


def command(*arguments: str) -> list[str]:
    """Return the words that run a command as a process of its own."""
    return [sys.executable, "-m", "lge_sweep.cli", *arguments]
