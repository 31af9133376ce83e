"""Tables as people read them: their numbers as texts, an interval behind its value."""

import re
from collections.abc import Mapping

import pandas as pd

DASH = "-"
"""Where there is no number."""
_ONE_DIGIT = re.compile(r"(^|_)(ml|g|mm|percent|contrast|bias|sd|lower|upper)(_|$)")
_SIGNED = re.compile(r"(^|_)(error|difference|bias|lower|upper)(_|$)")


def print_frame(frame: pd.DataFrame, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Turn a table into texts: a number and the interval behind it become one column.

    A column `x` with `x_low` and `x_high` beside it, or `value` with `low` and `high`, has its interval in brackets.

    Args:
        frame: any table.
        columns: column -> title; a column without has its name, with spaces.
    """
    titles, printed = columns or {}, {}
    for name in frame.columns:
        base = str(name)
        if re.fullmatch(r"(.*_)?(low|high)", base) and _whole(base) in frame.columns:
            continue
        low, high = ("low", "high") if base == "value" else (f"{base}_low", f"{base}_high")
        numbers = [print_value(value, base) for value in frame[name]]
        if {low, high} <= set(frame.columns):
            ends = zip(frame[low], frame[high], strict=True)
            numbers = [
                number
                if pd.isna(one) or pd.isna(two)
                else f"{number} ({print_value(one, base)} to {print_value(two, base)})"
                for number, (one, two) in zip(numbers, ends, strict=True)
            ]
        printed[titles.get(base, base.replace("_", " "))] = numbers
    return pd.DataFrame(printed, dtype=str)


def _whole(end: str) -> str:
    """Return the column whose interval a column is an end of."""
    return re.sub(r"_(low|high)$", "", end) if "_" in end else "value"


def print_value(value: object, column: str = "") -> str:
    """Write a cell: numbers with three digits after the point, of amounts with one; a dash for none.

    Args:
        value: the cell.
        column: its column, which tells how many digits.

    >>> print_value(0.51234), print_value(12.34, "scar_ml_error"), print_value(float("nan")), print_value(True)
    ('0.512', '+12.3', '-', 'yes')
    """
    if value is None or value == "" or (isinstance(value, float) and pd.isna(value)):
        return DASH
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, float):
        sign = "+" if _SIGNED.search(column) else ""
        return f"{value:{sign}z.1f}" if _ONE_DIGIT.search(column) else f"{value:{sign}z.3f}"
    return str(value)


def is_numeric(column: pd.Series) -> bool:
    """Whether the texts of a column are numbers, or dashes in their place."""
    return bool(column.map(lambda text: text == DASH or bool(re.match(r"[+-]?[\d.]", text))).all())
