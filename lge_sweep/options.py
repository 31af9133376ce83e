"""What several commands share: options, and how a failure is told."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lge_sweep.errors import IncompleteError, LgeSweepError, SelectionError

DataOption = Annotated[str, typer.Option("--data", help="A file of sweeps/data, or its bare name.")]
RunsOption = Annotated[
    Path | None, typer.Option("--runs", help="Folder for all results (default: $LGE_SWEEP_RUNS, else ./runs).")
]
RootOption = Annotated[Path | None, typer.Option("--root", help="Folder of the images (default: $LGE_SWEEP_DATA).")]


class _Notes(logging.Handler):
    """Shows what the program notes on its way as lines between the others, above progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one note."""
        from lge_sweep.console import make_console

        make_console().print(f"note: {record.getMessage()}", style="yellow", markup=False, soft_wrap=True)


@contextmanager
def _showing_notes() -> Iterator[None]:
    logger, handler = logging.getLogger("lge_sweep"), _Notes(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def reporting() -> Iterator[None]:
    """Turn a failure that the user can act on into one message and exit code 2; show notes on the way."""
    try:
        with _showing_notes():
            yield
    except SelectionError as error:
        typer.secho(f"\nno selection: {error}", err=True, fg="red")
        raise typer.Exit(1) from None
    except IncompleteError as error:
        typer.secho(f"\nincomplete: {error}", err=True, fg="red")
        raise typer.Exit(3) from None
    except LgeSweepError as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.secho("\nstopped; run the same command again to go on from here", err=True, fg="yellow")
        raise typer.Exit(130) from None
