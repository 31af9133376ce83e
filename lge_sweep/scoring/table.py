"""Read a CSV of global metrics, whatever it calls its columns, and rank its rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lge_sweep.csv_files import read_rows, unescape_formula
from lge_sweep.errors import ConfigError
from lge_sweep.labels import SCORED
from lge_sweep.scoring.scores import Score, Value, score
from lge_sweep.text import error_text, shorten

ALIASES = {"f1score": "f1", "bfscore": "bf", "jaccard": "iou", "recall": "sensitivity", "boundaryf1": "bf"}
MOST_SHOWN = 20
"""Titles of a header that a message names."""
MISSING = {"", "-", "\u2013", "na", "n/a", "nan", "none"}


def score_table(path: Path, rule: str) -> list[tuple[str, Score]]:
    """Rank the rows of a CSV file.

    Args:
        path: a file whose header names the six metrics (any case; "F1-Score" and the like are understood). The first
            other column names the rows. A cell that is empty or "-" is a missing value.
        rule: "mean" or "weighted".

    Returns:
        (name, score), best first.

    Raises:
        ConfigError: the file cannot be read, a metric is not there or not a number in 0-1.
    """
    header, rows = _read(path)
    columns = _columns(path, header)
    named = next((index for index, title in enumerate(header) if _metric(title) not in SCORED), None)
    ranked = []
    for line, row in rows:
        name = unescape_formula(row[named]) if named is not None else f"line {line}"
        where = f"{path}, line {line}"
        metrics = {metric: _value(row[columns[metric]], metric, where) for metric in SCORED}
        ranked.append((name, _score(metrics, rule, where)))
    return sorted(ranked, key=lambda entry: -entry[1].value)


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Return which column each metric is; titles are compared as `_metric` reads them."""
    titles: dict[str, list[str]] = {name: [] for name in SCORED}
    for title in header:
        if (metric := _metric(title)) in titles:
            titles[metric].append(shorten(title))
    if twice := [f"{metric} ({', '.join(found)})" for metric, found in titles.items() if len(found) > 1]:
        raise ConfigError(f"{path}: two columns are the same metric: {'; '.join(twice)}; keep one of them")
    if absent := [metric for metric, found in titles.items() if not found]:
        raise ConfigError(
            f"{path}: no column {', '.join(absent)}; the header is: {', '.join(map(shorten, header[:MOST_SHOWN]))}"
        )
    return {metric: index for index, title in enumerate(header) if (metric := _metric(title)) in titles}


def _score(metrics: Mapping[str, Value], rule: str, where: str) -> Score:
    if all(value is None for value in metrics.values()):
        raise ConfigError(f"{where}: none of the six metrics has a value")
    return score(metrics, rule)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        header, rows = read_rows(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as CSV: {error_text(error)}") from error
    if not rows:
        raise ConfigError(f"{path}: needs a header line and at least one row")
    return header, rows


def _metric(title: str) -> str:
    plain = "".join(letter for letter in title.lower() if letter.isalnum())
    return ALIASES.get(plain, plain)


def _value(text: str, metric: str, where: str) -> Value:
    if text.strip().lower() in MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        comma = ", with a decimal point" if "," in text else ""
        raise ConfigError(
            f"{where}: {metric} is '{shorten(text)}'; expected a number in 0-1{comma}, or '-' if missing"
        ) from None
    if not 0 <= value <= 1:
        raise ConfigError(f"{where}: {metric} is {value:g}; expected a number in 0-1")
    return value
