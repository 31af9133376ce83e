"""Tables on a terminal of any width: names fold, numbers never, and no column is lost.

A table that is too wide is printed in parts, one below the other, each with the columns that name its rows; where not
even one number fits beside a name, a row is a paragraph of lines. Whichever it is, is said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lge_sweep.terminal import Terminal, stacked, styled
from lge_sweep.text import visible

FOLDED = 17
"""Columns of a terminal that a name keeps at least; a pseudonym fits."""
BETWEEN = 2
"""Columns that a column of a table takes beside its text."""
Cell = str | Text
Kind = Literal["key", "text", "number"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading; may have several lines.
        kind: `key` names the row, and is in every part of a table; `text` is other text; both may be folded. A
            `number` never is.
        first: whether it is in the first part, wherever it stands in a table that fits.
    """

    title: str = ""
    kind: Kind = "number"
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
        console.print(styled(title, "bold"), soft_wrap=True)
    widths = [_width(column, [row[k] for row in rows]) for k, column in enumerate(columns)]
    parts = _parts(columns, widths, console.width)
    if parts is None:
        needed = _least(columns, widths)
        console.print(f"(a row is a paragraph: a table needs a terminal of {needed} columns)", soft_wrap=True)
        _print_paragraphs(console, columns, rows)
        return
    for part in parts:
        most = _widest_name(columns, widths, part, console.width)
        console.print(_table([columns[k] for k in part], _capped(columns, widths, most, part), rows, part))
    if len(parts) > 1:
        needed = _total(_capped(columns, widths, FOLDED, range(len(columns))))
        console.print(
            f"(one table in {len(parts)} parts: this terminal has {console.width} columns, it needs {needed})",
            soft_wrap=True,
        )


def _width(column: Column, cells: Sequence[Cell]) -> int:
    texts = [column.title, *(visible(cell) if isinstance(cell, str) else cell.plain for cell in cells)]
    return max(cell_len(line) for text in texts for line in text.split("\n"))


def _capped(columns: Sequence[Column], widths: Sequence[int], most: int, part: Sequence[int]) -> list[int]:
    """Return the widths of some columns where names have `most` columns of the terminal at most."""
    return [widths[k] if columns[k].kind == "number" else min(widths[k], most) for k in part]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + BETWEEN * len(widths)


def _parts(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[list[int]] | None:
    """Return the indices of the columns of each part: as few parts as can be, and then names as wide as can be."""
    names = [own for own, column in zip(widths, columns, strict=True) if column.kind != "number"]
    tried = [_packed(columns, widths, width, most) for most in range(min(max(names), width), 0, -1) if most >= FOLDED]
    tried = tried or [_packed(columns, widths, width, FOLDED)]
    return min((parts for parts in tried if parts is not None), key=len, default=None)


def _packed(columns: Sequence[Column], widths: Sequence[int], width: int, most: int) -> list[list[int]] | None:
    """Return the parts that columns make if names have so much room; None if one does not fit beside the keys."""
    keys = [k for k, column in enumerate(columns) if column.kind == "key"]
    others = [k for k in range(len(columns)) if k not in keys]
    parts = [[k for k in range(len(columns)) if k in keys or columns[k].first]]
    for k in others:
        if columns[k].first:
            continue
        longer = sorted([*parts[-1], k])
        if _total(_capped(columns, widths, most, longer)) <= width:
            parts[-1] = longer
        else:
            parts.append(sorted([*keys, k]))
    fits = all(_total(_capped(columns, widths, most, part)) <= width for part in parts)
    return parts if fits else None


def _widest_name(columns: Sequence[Column], widths: Sequence[int], part: Sequence[int], width: int) -> int:
    fitting = (most for most in range(width, 0, -1) if _total(_capped(columns, widths, most, part)) <= width)
    return next(fitting, FOLDED)


def _least(columns: Sequence[Column], widths: Sequence[int]) -> int:
    """Return the columns that a terminal must have for a table, in however many parts."""
    return next(width for width in count(1) if _packed(columns, widths, width, FOLDED))


def _table(
    columns: Sequence[Column], widths: Sequence[int], rows: Sequence[Sequence[Cell]], part: Sequence[int]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for column, width in zip(columns, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        lines = stacked(*column.title.split("\n"))
        table.add_column(lines, width=width, justify=justify, overflow="fold", no_wrap=column.kind == "number")
    for row in rows:
        table.add_row(*(row[k] for k in part))
    return table


def _print_paragraphs(console: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    for row in rows:
        console.print()
        for column, cell in zip(columns, row, strict=True):
            named = styled(" ".join(column.title.split("\n")) + ":" * bool(column.title))
            console.print(named, cell, soft_wrap=True)


def print_markdown(console: Terminal, text: str, command: str) -> None:
    """Print Markdown as it is, or, where a terminal is too narrow for it, its tables as `print_table` does.

    Args:
        console: where to print.
        text: of ours: what others wrote in it went through `lge_sweep.text.in_markdown`.
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
        console.print(line, soft_wrap=True)
    console.print(f"(the same as Markdown: {command} > FILE)", soft_wrap=True)


def _print_markdown_table(console: Terminal, header: Sequence[str], rules: Sequence[str], *rows: Sequence[str]) -> None:
    kinds: list[Kind] = ["key", *("number" if rule.endswith(":") else "text" for rule in rules[1:])]
    columns = [
        Column(title, kind, first=kind == "text") for title, kind in zip(map(_shown, header), kinds, strict=True)
    ]
    print_table(console, columns, [[stacked(*_shown(cell).split("\n")) for cell in row] for row in rows])


def _cells(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _shown(cell: str) -> str:
    """Return a cell as it was before `in_markdown`, in lines."""
    lines = re.split(r"(?<!\\)<br>", cell.replace("**", ""))
    return "\n".join(re.sub(r"\\(.)", r"\1", line) for line in lines)
