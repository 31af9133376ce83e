"""The program, as tests call it: in this process, which has loaded its libraries, or as a process of its own."""

import sys

from typer.testing import CliRunner, Result

from lge_sweep.cli import app


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments))


def command(*arguments: str) -> list[str]:
    """Return the words that run a command as a process of its own."""
    return [sys.executable, "-m", "lge_sweep.cli", *arguments]
