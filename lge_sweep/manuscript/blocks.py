"""What the page is made of: sections of paragraphs, lists, tables and figures. Plain text; the page escapes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lge_sweep.report import print_frame


@dataclass(frozen=True)
class Paragraph:
    """Some sentences.

    Attributes:
        text: the sentences.
        strong: whether they must not be missed.
    """

    text: str
    strong: bool = False
    kind: str = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]
    kind: str = "bullets"


@dataclass(frozen=True)
class Facts:
    """Names and values, a pair a line."""

    rows: Sequence[tuple[str, str]]
    kind: str = "facts"


@dataclass(frozen=True)
class Commands:
    """Lines to type."""

    lines: Sequence[str]
    kind: str = "commands"


@dataclass(frozen=True)
class Figure:
    """A drawing, or a picture of a patient.

    Attributes:
        caption: what it shows: n, units, intervals.
        svg: the drawing, as an element of the page; empty for a picture.
        png: the picture, in base64.
    """

    caption: str
    svg: str = ""
    png: str = ""
    kind: str = "figure"


@dataclass(frozen=True, eq=False)
class Table:
    """A table, on the page and as files of its own.

    Attributes:
        name: of its files, without ending.
        caption: what it shows: n, units, intervals.
        frame: its numbers, for CSV.
        printed: its cells as texts, for the page and LaTeX.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    printed: pd.DataFrame
    kind: str = "table"

    @property
    def header(self) -> list[str]:
        """The titles of its columns."""
        return [str(title) for title in self.printed.columns]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Its cells."""
        return [tuple(row) for row in self.printed.itertuples(index=False, name=None)]


Block = Paragraph | Bullets | Facts | Commands | Figure | Table


@dataclass(frozen=True)
class Part:
    """A part of a section, under a heading of its own.

    Attributes:
        title: its heading.
        blocks: what it is made of.
        page: whether it has a page of its own in print.
    """

    title: str
    blocks: Sequence[Block]
    page: bool = False


@dataclass(frozen=True)
class Section:
    """A section.

    Attributes:
        anchor: what a link to it ends with.
        title: its heading.
        blocks: what stands before its parts.
        parts: its parts, in order.
    """

    anchor: str
    title: str
    blocks: Sequence[Block] = ()
    parts: Sequence[Part] = field(default_factory=tuple)

    def tables(self) -> list[Table]:
        """Return all tables, in order."""
        blocks = [*self.blocks, *(block for part in self.parts for block in part.blocks)]
        return [block for block in blocks if isinstance(block, Table)]


def make_table(name: str, caption: str, frame: pd.DataFrame, columns: Mapping[str, str] | None = None) -> Table:
    """Make a table of numbers.

    Args:
        name: of its files, without ending.
        caption: what it shows.
        frame: its numbers; a column `x` with `x_low` and `x_high` has its interval.
        columns: column -> title; a column without has its name, with spaces.
    """
    return Table(name, caption, frame, print_frame(frame, columns))
