"""How much is printed, `-q` to `-vv`, and what of the library's log a person sees."""

import enum
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lge_sweep.cli.terminal import Terminal, print_log

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""Of the log on stderr."""


class Verbosity(enum.IntEnum):
    """How much is printed."""

    QUIET = -1
    NORMAL = 0
    VERBOSE = 1
    DEBUG = 2


_verbosity = ContextVar("verbosity", default=Verbosity.NORMAL)
_whole = ContextVar("whole", default=False)


@contextmanager
def printing_at(verbosity: Verbosity, whole: bool = False) -> Iterator[None]:
    """Let the commands inside print so much.

    Args:
        verbosity: of what is being done, and of notes.
        whole: whether all that a result rests on is printed.
    """
    tokens = _verbosity.set(verbosity), _whole.set(whole)
    try:
        yield
    finally:
        _verbosity.reset(tokens[0])
        _whole.reset(tokens[1])


def make_console() -> Terminal:
    """Return where a command prints: as wide as the terminal, and quiet if that was asked for."""
    return Terminal.fitting(brief=_verbosity.get() is Verbosity.QUIET, whole=_whole.get())


@contextmanager
def showing_log(console: Terminal) -> Iterator[None]:
    """Show what the library logs: warnings as notes among the results, what is below them on stderr if asked for.

    Args:
        console: where notes are printed; the one that shows progress, so that they stand above its bars.
    """
    chosen, logger = _verbosity.get(), logging.getLogger("lge_sweep")
    least = logging.ERROR if chosen is Verbosity.QUIET else logging.WARNING
    handlers: list[logging.Handler] = [_Notes(console, least)]
    if chosen > Verbosity.NORMAL:
        least = logging.DEBUG if chosen is Verbosity.DEBUG else logging.INFO
        handlers.append(_Log(least))
    before = logger.level, logger.propagate
    # A library (of MLflow's) raises the root's level when it is imported, and gives it a handler of its own.
    logger.setLevel(least)
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _Notes(logging.Handler):
    """Shows warnings as lines between the others, above progress bars."""

    def __init__(self, console: Terminal, least: int) -> None:
        super().__init__(least)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one note."""
        self.console.print_line(f"note: {record.getMessage()}", style="yellow")


class _Log(logging.Handler):
    """Writes what is below a warning to stderr, so that results can be sent to a file."""

    def __init__(self, least: int) -> None:
        super().__init__(least)
        self.addFilter(lambda record: record.levelno < logging.WARNING)
        self.setFormatter(logging.Formatter(LINE, datefmt="%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        print_log(self.format(record))
