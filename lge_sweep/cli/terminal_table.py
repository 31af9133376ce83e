"""Tables on a terminal of any width: names fold, numbers never, and no column is lost.

A table that is too wide is printed in parts, one below the other, each with the columns that name its rows; where not
even one number fits beside a name, a row is a paragraph of lines. Whichever it is, is said.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lge_sweep.cli.terminal import Terminal, stacked, styled
from lge_sweep.text import visible

FOLDED = 17
"""Columns of a terminal that a name keeps at least; a pseudonym fits."""
BETWEEN = 2
"""Columns that a column of a table takes beside its text."""
Cell = str | Text
Kind = Literal["text", "number"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading; may have several lines.
        kind: a `text` may be folded, a `number` never is.
        key: whether it names the row, and is in every part of a table.
        first: whether it is in the first part, wherever it stands in a table that fits.
    """

    title: str = ""
    kind: Kind = "number"
    key: bool = False
    first: bool = False


def print_table(
    console: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str | None = None
) -> None:
    """Print a table so that every number of it is whole, and say so if it is not one table.

    Args:
        console: where to print.
        columns: what each column is; at least one is a key.
        rows: a cell a column.
        title: what stands above it.
    """
    if title is not None:
        console.print_line(styled(title, "bold"))
    layout, parts = _choose(columns, rows, console.width)
    if not parts:
        needed = next(width for width in count(1) if layout.parts(width))
        console.explain(f"(a row is a paragraph: a table needs a terminal of {needed} columns)")
        _print_paragraphs(console, columns, rows)
    for part in parts:
        console.print(_table(layout, part, rows, console.width))
    if len(parts) > 1:
        needed = _total(layout.least)
        console.explain(
            f"(one table in {len(parts)} parts: this terminal has {console.width} columns, it needs {needed})",
        )


@dataclass(frozen=True)
class _Layout:
    """Columns, the width that each would have, and the least that it may have."""

    columns: Sequence[Column]
    widths: Sequence[int]
    least: Sequence[int]

    def room(self, part: Sequence[int], most: int) -> list[int]:
        """Return the widths of some columns where each has `most` at most, but what it must have."""
        return [max(self.least[k], min(self.widths[k], most)) for k in part]

    def parts(self, width: int) -> list[list[int]]:
        """Return the columns of each part: as few parts as can be, and then with as much room as can be."""
        tried = [self._packed(width, most) for most in range(min(max(self.widths), width), 0, -1)]
        return min((parts for parts in tried if parts), key=len, default=[])

    def _packed(self, width: int, most: int) -> list[list[int]]:
        """Return the parts that the columns make in their order; none if one does not fit beside the keys."""
        keys = [k for k, column in enumerate(self.columns) if column.key]
        first = [k for k, column in enumerate(self.columns) if column.key or column.first]
        parts = [first]
        for k in (k for k in range(len(self.columns)) if k not in first):
            longer = sorted([*parts[-1], k])
            if _total(self.room(longer, most)) <= width:
                parts[-1] = longer
            else:
                parts.append(sorted([*keys, k]))
        return parts if all(_total(self.room(part, most)) <= width for part in parts) else []


def _choose(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> tuple[_Layout, list[list[int]]]:
    """Return the layout with words left whole where that takes one part more at most, else with words broken too."""
    lines = [_lines([_heading(column), *(row[k] for row in rows)]) for k, column in enumerate(columns)]
    widths = [max(map(cell_len, own)) for own in lines]
    words = [max(cell_len(word) for line in own for word in [*line.split(), ""]) for own in lines]
    texts = [column.kind == "text" for column in columns]

    def layout(least: Sequence[int]) -> _Layout:
        return _Layout(
            columns, widths, [few if text else own for few, own, text in zip(least, widths, texts, strict=True)]
        )

    whole, broken = layout(words), layout([min(own, FOLDED) for own in widths])
    parts, fewest = whole.parts(width), broken.parts(width)
    return (whole, parts) if parts and len(parts) <= len(fewest) + 1 else (broken, fewest)


def _lines(cells: Iterable[Cell]) -> list[str]:
    return [line for cell in cells for line in (cell if isinstance(cell, Text) else stacked(cell)).plain.split("\n")]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + BETWEEN * len(widths)


def _table(layout: _Layout, part: Sequence[int], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    fitting = (room for most in range(width, 0, -1) if _total(room := layout.room(part, most)) <= width)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for k, own in zip(part, next(fitting), strict=True):
        column = layout.columns[k]
        justify: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        whole = column.kind == "number"
        table.add_column(_heading(column), width=own, justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(row[k] for k in part))
    return table


def _heading(column: Column) -> Text:
    return stacked(*column.title.split("\n"))


def _print_paragraphs(console: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    for row in rows:
        console.print_line()
        for column, cell in zip(columns, row, strict=True):
            named = styled(" ".join(column.title.split("\n")) + ":" * bool(column.title))
            console.print(named, cell, soft_wrap=True)


def print_markdown(console: Terminal, text: str, command: str) -> None:
    """Print Markdown as it is, or, where a terminal is too narrow for it, its tables as `print_table` does.

    Args:
        console: where to print.
        text: of ours: what others wrote in it went through `lge_sweep.text.escape_markdown`.
        command: what prints it, to be sent to a file for the Markdown.
    """
    lines = text.split("\n")
    fits = all(cell_len(visible(line)) <= console.width for line in lines if line.startswith("|"))
    if fits or not console.is_terminal:
        console.lines(lines)
        return
    rows: list[list[str]] = []
    for line in (*lines, ""):
        if line.startswith("|"):
            rows.append(_cells(line))
            continue
        if rows:
            _print_markdown_table(console, *rows)
            rows = []
        console.print_line(line)
    console.explain(f"(the same as Markdown: {command} > FILE)")


def _print_markdown_table(console: Terminal, header: Sequence[str], rules: Sequence[str], *rows: Sequence[str]) -> None:
    texts = [not rule.endswith(":") for rule in rules]
    columns = [
        Column(_shown(title), "text" if text else "number", key=k == 0, first=text)
        for k, (title, text) in enumerate(zip(header, texts, strict=True))
    ]
    print_table(console, columns, [[stacked(*_shown(cell).split("\n")) for cell in row] for row in rows])


def _cells(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _shown(cell: str) -> str:
    """Return a cell as it was before `in_markdown`, in lines."""
    lines = re.split(r"(?<!\\)<br>", cell.replace("**", ""))
    return "\n".join(re.sub(r"\\(.)", r"\1", line) for line in lines)
