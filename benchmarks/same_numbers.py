"""Do two checkouts give the same numbers? Every table of metrics of one study, cell by cell of text.

    python benchmarks/same_numbers.py run CHECKOUT RUNS        # phase 1 (laptop), then phases 1 to 4 (smoke)
    python benchmarks/same_numbers.py compare RUNS OTHER_RUNS  # exit code 1 where anything differs

A table is a row an image and class: `cells/*/per_image.csv` of a sweep, `val/*.csv` of phase 3, `test/*.csv` and
`stage*.csv` of phase 4. Sweeps are matched by phase, stage, data and profile, whatever their digests are; columns that
one side alone has are named and not compared, all others are compared as text, byte by byte.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path

PATTERNS = ("*/cells/*/per_image.csv", "phase3-*/val/*.csv", "phase4-*/test/*.csv", "phase4-*/stage*.csv")
COMMANDS = (
    "phase1 --profile laptop --workers 1",
    "phase1 --profile smoke --workers 1",
    "phase2 --profile smoke --workers 1",
    "phase3 --profile smoke --workers 1",
    "phase4 --profile smoke",
)


def run(checkout: Path, runs: Path) -> None:
    """Run the study with the package of a checkout and the libraries of this Python."""
    code = "from lge_sweep.cli import app; app()"  # older checkouts have no `-m lge_sweep.cli`
    for command in COMMANDS:
        print(f"{checkout}: lge-sweep {command}", flush=True)
        subprocess.run(
            [sys.executable, "-c", code, *command.split(), "--data", "phantom", "--runs", str(runs)],
            check=True, env={**os.environ, "PYTHONPATH": str(checkout)}, cwd=checkout,
        )  # fmt: skip


def tables(runs: Path) -> dict[str, Path]:
    """Return the tables of a runs directory by what they are of."""
    found = {}
    for pattern in PATTERNS:
        for path in sorted(runs.glob(pattern)):
            sweep, *rest = path.relative_to(runs).parts
            found["/".join([sweep.rpartition("-")[0], *rest])] = path
    return found


def difference(path: Path, other: Path) -> tuple[str, set[str]]:
    """Return what differs between two tables ("" for nothing), and the columns that one side alone has."""
    texts = []
    for file in (path, other):
        with file.open(newline="", encoding="utf-8") as lines:
            texts.append(list(csv.DictReader(lines)))
    columns = [list(rows[0]) for rows in texts]
    shared = [column for column in columns[0] if column in columns[1]]
    if [column for column in columns[1] if column in columns[0]] != shared:
        return "columns stand in another order", set()
    if len(texts[0]) != len(texts[1]):
        return f"{len(texts[0])} and {len(texts[1])} rows", set()
    for line, (row, like) in enumerate(zip(*texts, strict=True), start=2):
        for column in shared:
            if row[column] != like[column]:
                return f"line {line}, {column}: {row[column]} and {like[column]}", set()
    return "", set(columns[0]) ^ set(columns[1])


def compare(runs: Path, other: Path) -> bool:
    """Print how the tables of two runs directories compare; return whether all are the same."""
    mine, theirs = tables(runs), tables(other)
    wrong = [f"{name}: in {runs} alone" for name in mine.keys() - theirs.keys()]
    wrong += [f"{name}: in {other} alone" for name in theirs.keys() - mine.keys()]
    alone: set[str] = set()
    equal = 0
    for name in sorted(mine.keys() & theirs.keys()):
        said, columns = difference(mine[name], theirs[name])
        alone |= columns
        equal += mine[name].read_bytes() == theirs[name].read_bytes()
        wrong += [f"{name}: {said}"] * bool(said)
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    print(f"{len(mine.keys() & theirs.keys())} tables, {equal} equal byte by byte, {len(wrong)} differ")
    if alone:
        print(f"not compared, as one side alone has them: {', '.join(sorted(alone))}")
    return not wrong and bool(mine)


if __name__ == "__main__":
    action, first, second = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    if action == "run":
        run(first, second)
    else:
        sys.exit(0 if compare(first, second) else 1)
