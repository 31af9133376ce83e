"""How what goes wrong is told: one message, and an exit code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from lge_sweep.cli.terminal import Terminal, print_error
from lge_sweep.cli.verbosity import make_console, showing_log
from lge_sweep.errors import IncompleteError, LgeSweepError, SelectionError
from lge_sweep.interrupts import signals_as_interrupt
from lge_sweep.text import MAX_QUOTED, error_text, shorten, visible


@contextmanager
def reporting() -> Iterator[Terminal]:
    """Turn a failure that the user can act on into one message and its exit code; show notes on the way.

    Yields:
        Where to print.
    """
    console = make_console()
    try:
        with showing_log(console), signals_as_interrupt():
            yield console
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

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options before the command, typer's own two under a heading of their own in the help."""
        params = super().get_params(ctx)
        for param in params:
            if isinstance(param, TyperOption) and param.name in ("install_completion", "show_completion"):
                param.rich_help_panel = "Shell completion"
        return params


@contextmanager
def _printable() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        said = visible(error.message)  # it quotes an argument, which may be long, between words of typer's
        error.message = said if len(said) <= 4 * MAX_QUOTED else f"{said[: 2 * MAX_QUOTED]}…{said[-2 * MAX_QUOTED :]}"
        raise
