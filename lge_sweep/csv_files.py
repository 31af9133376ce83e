r"""Tables as CSV: the one writer, and the one reader of what it wrote.

A spreadsheet runs a cell that begins with =, +, - or @ as a formula, also where it is text of others, such as the name
of a case. The writer puts an apostrophe before such a text, which makes it text for every spreadsheet, and the reader
takes it off again; numbers are never touched. Text is printable (`lge_sweep.text.visible`), so that a cell is one line.
The reader is told the columns that are text and guesses none: a case named NA, 007, 1e5 or TRUE keeps its name.

Source: OWASP, CSV Injection; its full-width forms of the four signs included.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lge_sweep.atomic import write_text
from lge_sweep.errors import DamagedError
from lge_sweep.text import error_text, shorten, visible

if TYPE_CHECKING:
    import pandas as pd  # takes half a second to import
    from numpy.typing import NDArray

_FORMULA_SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
# Also after a separator: a spreadsheet may split cells where another country's does.
_FORMULA = re.compile(f"(^|[,;|])('*[{_FORMULA_SIGNS}])")
_ESCAPED = re.compile(f"(^|[,;|])'('*[{_FORMULA_SIGNS}])")
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What may separate columns instead of commas."""
Rows = Iterable[Sequence[object]]


def escape_formula(cell: object) -> object:
    """Return a cell as it is written: text that no spreadsheet runs; anything else as it is.

    >>> escape_formula("=1+1"), escape_formula("P-1"), escape_formula("'=x"), escape_formula(-1.5)
    ("'=1+1", 'P-1', "''=x", -1.5)
    """
    return _FORMULA.sub(r"\1'\2", visible(cell)) if isinstance(cell, str) else cell


def unescape_formula(text: str) -> str:
    """Return the text that `escape_formula` was given, if that was printable.

    >>> unescape_formula("'=1+1"), unescape_formula("''=x"), unescape_formula("'tis")
    ('=1+1', "'=x", "'tis")
    """
    return _ESCAPED.sub(r"\1\2", text)


def csv_text(header: Sequence[str], rows: Rows) -> str:
    """Return a table as CSV; None is an empty cell."""
    return _to_csv([escape_formula(cell) for cell in row] for row in (header, *rows))


def frame_text(frame: "pd.DataFrame") -> str:
    """Return a data frame as CSV, without its index; numbers as pandas writes them, a missing one as an empty cell."""
    numeric = frame.select_dtypes(["number", "bool"]).columns
    safe = frame.assign(**{name: frame[name].map(escape_formula) for name in frame.columns.difference(numeric)})
    return safe.rename(columns=lambda name: str(escape_formula(str(name)))).to_csv(index=False, lineterminator="\n")


def write_frame(path: Path, frame: "pd.DataFrame") -> None:
    """Write a table as CSV, so that a reader never sees half of it."""
    write_text(path, frame_text(frame))


def read_frame(
    path: Path, text: Collection[str] = (), numbers: Collection[str] = (), remedy: str = ""
) -> "pd.DataFrame":
    """Read a table of ours back.

    Args:
        path: the file.
        text: the columns that are text, with every text as it was written, empty ones too. All others are numbers or
            booleans; an empty cell there is a missing number.
        numbers: of the others, those that must be there.
        remedy: what a user can do if it is damaged, a sentence.

    Raises:
        DamagedError: it cannot be read, lacks one of the columns, or has a text where there should be a number.
    """
    import pandas as pd

    try:
        header, rows = read_rows(path)
        names = [unescape_formula(name) for name in header]
        if absent := [name for name in (*text, *numbers) if name not in names]:
            raise ValueError(f"it has no column {', '.join(absent)}")
        cells = dict(
            zip(names, zip(*(row for _, row in rows), strict=True) if rows else [()] * len(names), strict=True)
        )
        columns = {
            name: [*map(unescape_formula, cells[name])] if name in text else _parse_numbers(name, cells[name])
            for name in names
        }
    except (OSError, ValueError) as error:
        raise DamagedError(path, f"cannot be read as a table ({error_text(error)})", remedy) from error
    return pd.DataFrame(columns).astype(dict.fromkeys(text, str))


def _parse_numbers(name: str, cells: Sequence[str]) -> "NDArray[Any]":
    """Return a column of whole numbers, of booleans, or of numbers of which some may be missing."""
    import numpy as np

    if cells and set(cells) <= {"True", "False"}:
        return np.array([cell == "True" for cell in cells])
    try:
        if all(cell.removeprefix("-").isdecimal() for cell in cells):
            return np.array(cells, dtype=np.int64)
        return np.array([cell or "nan" for cell in cells], dtype=np.float64)
    except (ValueError, OverflowError):
        raise ValueError(f"its column {name} holds what is no number") from None


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read any CSV file: its header, and its rows that are not blank, each with the number of its line.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no CSV, has no header, names a column twice, or has a row of another length.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is a folder or a device, not a file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"it is no CSV ({error})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start}): save it again as UTF-8") from error
    if not lines:
        raise ValueError("it is empty")
    header = lines[0][1]
    if other := next(
        (word for sign, word in _OTHER_SEPARATORS.items() if header[0].count(sign) and len(header) == 1), None
    ):
        raise ValueError(f"its columns are separated by {other}: save it with commas, and decimal points")
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise ValueError(f"the column {shorten(twice[0])!r} is there twice; keep one")
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise ValueError(f"line {number} has {len(row)} cells, the header {len(header)}")
    return header, lines[1:]


def join_texts(files: Iterable[Path]) -> str:
    """Return the rows of several tables of ours as one, cell by cell as they are; a column that one lacks is empty.

    Raises:
        OSError: one cannot be read.
        ValueError: one is no CSV.
    """
    tables = [read_rows(path) for path in files]
    names = list(dict.fromkeys(name for header, _ in tables for name in header))
    rows = [dict(zip(header, row, strict=True)) for header, rows in tables for _, row in rows]
    return _to_csv([names, *([row.get(name, "") for name in names] for row in rows)])


def _to_csv(rows: Rows) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
