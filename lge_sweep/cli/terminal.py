"""The terminal: the one place through which the program prints, whatever it prints to.

Text of others is shown as it is. Nothing is read as markup or emoji codes, and what a terminal would obey instead of
showing (escape sequences, line ends, overrides of the direction) is visible. A text is therefore one line.
"""

import io
import os
import sys
from collections.abc import Iterable
from typing import Any, Self

from rich.console import Console
from rich.text import Text

from lge_sweep.text import visible

WIDE = 132
"""Columns where there is no terminal: wide enough for every table."""


class Terminal(Console):
    """A console that shows text and obeys none.

    Args:
        brief: whether it is asked for results and errors alone.
        whole: whether it is asked for all that a result rests on.
        options: those of rich's console.
    """

    def __init__(self, *, brief: bool = False, whole: bool = False, **options: Any) -> None:
        """Read nothing in a text: markup, emoji codes, numbers to colour."""
        self.brief, self.whole = brief, whole
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text drawable; rich sends every `str` through here, those in tables too."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

    @classmethod
    def fitting(cls, *, brief: bool = False, whole: bool = False) -> Self:
        """Return one as wide as the terminal, or as COLUMNS says; wide enough for tables where there is neither."""
        console = cls(brief=brief, whole=whole)
        known = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
        return console if known else cls(brief=brief, whole=whole, width=max(console.width, WIDE))

    def print_line(self, text: str | Text = "", style: str = "") -> None:
        """Print a line, however long."""
        self.print(text, style=style or None, soft_wrap=True)

    def explain(self, text: str = "") -> None:
        """Print a line that explains, or says what is being done; not if brief."""
        if not self.brief:
            self.print_line(text)

    def note(self, text: str, indent: str = "") -> None:
        """Print a note; not if brief."""
        if not self.brief:
            self.print_line(f"{indent}note: {text}", style="yellow")

    def lines(self, texts: Iterable[str]) -> None:
        """Print many lines at once, as they are: not broken, without style."""
        self.file.write("".join(f"{visible(text)}\n" for text in texts))
        self.file.flush()


def print_lines(*texts: str) -> None:
    """Print plain lines to stdout."""
    Terminal().lines(texts)


def print_error(message: str, colour: str = "red") -> None:
    """Print the lines of a message to stderr, in colour where that is a terminal."""
    console = Terminal(stderr=True)
    for line in message.split("\n"):
        console.print_line(line, style=colour)


def print_log(text: str) -> None:
    """Write a plain line to stderr, above progress bars: while there are any, `sys.stderr` is rich's."""
    sys.stderr.write(f"{visible(text)}\n")


def styled(text: str, style: str = "") -> Text:
    """Return a text to print in a style."""
    return Text(visible(text), style=style)


def stacked(*lines: str) -> Text:
    """Return a heading of several lines."""
    return Text("\n".join(map(visible, lines)))


def print_any_letter() -> None:
    """Let a letter that stdout cannot encode be written as a backslash sequence, as stderr does, not be an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
