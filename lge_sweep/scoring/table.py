"""Read a CSV of global metrics, whatever it calls its columns, and rank its rows."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from lge_sweep.errors import ConfigError
from lge_sweep.labels import METRICS
from lge_sweep.scoring.score import Score, Value, score

ALIASES = {"f1score": "f1", "bfscore": "bf", "jaccard": "iou", "recall": "sensitivity", "boundaryf1": "bf"}
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
    columns = {_metric(title): index for index, title in enumerate(header)}
    absent = [name for name in METRICS if name not in columns]
    if absent:
        raise ConfigError(f"{path}: no column {', '.join(absent)}; the header is: {', '.join(header)}")
    named = next((index for index, title in enumerate(header) if _metric(title) not in METRICS), None)
    ranked = []
    for number, row in enumerate(rows, start=2):
        name = row[named] if named is not None else f"line {number}"
        metrics = {metric: _value(row[columns[metric]], metric, f"{path}, line {number}") for metric in METRICS}
        ranked.append((name, _score(metrics, rule, f"{path}, line {number}")))
    return sorted(ranked, key=lambda entry: -entry[1].value)


def _score(metrics: Mapping[str, Value], rule: str, where: str) -> Score:
    if all(value is None for value in metrics.values()):
        raise ConfigError(f"{where}: none of the six metrics has a value")
    return score(metrics, rule)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as CSV: {error}") from error
    if len(lines) < 2:
        raise ConfigError(f"{path}: needs a header line and at least one row")
    ragged: Sequence[int] = [n for n, line in enumerate(lines[1:], start=2) if len(line) != len(lines[0])]
    if ragged:
        raise ConfigError(f"{path}, line {ragged[0]}: has another number of columns than the header")
    return lines[0], lines[1:]


def _metric(title: str) -> str:
    plain = "".join(letter for letter in title.lower() if letter.isalnum())
    return ALIASES.get(plain, plain)


def _value(text: str, metric: str, where: str) -> Value:
    if text.strip().lower() in MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{where}: {metric} is '{text}'; expected a number in 0-1, or '-' if missing") from None
    if not 0 <= value <= 1:
        raise ConfigError(f"{where}: {metric} is {value:g}; expected a number in 0-1")
    return value
