"""What several commands share: options, and how a failure is told."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lge_sweep.errors import ConfigError, IncompleteError, LgeSweepError, SelectionError
from lge_sweep.interrupts import signals_as_interrupt
from lge_sweep.paths import user_path
from lge_sweep.terminal import make_console, print_error
from lge_sweep.text import MAX_QUOTED, error_text, shorten, visible


def _path(text: str) -> Path:
    try:
        return user_path(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


A_PATH: dict[str, Any] = {"parser": _path, "metavar": "<path>"}
"""What every option and argument has that is a path."""

DataOption = Annotated[str, typer.Option("--data", help="A file of sweeps/data, or its bare name.")]
RunsOption = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder for all results (default: $LGE_SWEEP_RUNS, else ./runs).", **A_PATH),
]
RootOption = Annotated[
    Path | None, typer.Option("--root", help="Folder of the images (default: $LGE_SWEEP_DATA).", **A_PATH)
]


MOST_WORKERS = 256
"""Processes that train at the same time; each takes a core or a GPU, and gigabytes."""


class Commands(TyperGroup):
    """All commands; what is wrong with an argument is told without obeying what the argument holds."""

    def invoke(self, *arguments: Any, **options: Any) -> Any:
        """Run the command that is asked for."""
        with _printable():
            return super().invoke(*arguments, **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command."""
        with _printable():
            if any("\0" in argument for argument in args):
                raise typer.BadParameter("an argument holds a NUL, which no name and no setting does")
            return super().parse_args(ctx, args)


@contextmanager
def _printable() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        said = visible(error.message)  # it quotes an argument, which may be long, between words of typer's
        error.message = said if len(said) <= 4 * MAX_QUOTED else f"{said[: 2 * MAX_QUOTED]}…{said[-2 * MAX_QUOTED :]}"
        raise


class _Notes(logging.Handler):
    """Shows what the program notes on its way as lines between the others, above progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one note."""
        make_console().print(f"note: {record.getMessage()}", style="yellow", soft_wrap=True)


@contextmanager
def _showing_notes() -> Iterator[None]:
    logger, handler = logging.getLogger("lge_sweep"), _Notes(logging.WARNING)
    # A library (of MLflow's) raises the root's level when it is imported, and gives it a handler of its own.
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@contextmanager
def reporting() -> Iterator[None]:
    """Turn a failure that the user can act on into one message and exit code 2; show notes on the way."""
    try:
        with _showing_notes(), signals_as_interrupt():
            yield
    except SelectionError as error:
        print_error(f"\nno selection: {error}")
        raise typer.Exit(1) from None
    except IncompleteError as error:
        print_error(f"\nincomplete: {error}")
        raise typer.Exit(3) from None
    except LgeSweepError as error:
        print_error(f"error: {error}")
        raise typer.Exit(2) from None
    except OSError as error:
        if error.filename is None:  # not about a file of the user's
            raise
        print_error(f"error: {shorten(os.fsdecode(error.filename))}: {error_text(error)}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        print_error("\nstopped; run the same command again to go on from here", "yellow")
        raise typer.Exit(130) from None
