"""Who has looked at the test part: every evaluation on it is recorded before it begins, for good.

A test part that is looked at again and again becomes a validation part. Nothing keeps a user from a second look, so
it is counted and shown.
"""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from lge_sweep.atomic import read_json, write_json
from lge_sweep.csv_files import read_frame
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.study.files import MANIFEST, SELECTION
from lge_sweep.study.records import REMEDY, Record, read_record

LOOKS = "test_looks.json"
"""In the runs directory."""


@dataclass(frozen=True)
class Look:
    """One evaluation on a test part.

    Attributes:
        pipeline: name of what was evaluated.
        when: date and time, UTC, ISO 8601.
        slices: SHA-256 of grey levels and labels of each test slice, first 16 digits.
        finished: whether it came to its numbers; one that was stopped before goes on as the same look.
    """

    pipeline: str
    when: str
    slices: tuple[str, ...]
    finished: bool


def begin_look(runs: Path, pipeline: str, manifest: pd.DataFrame) -> list[Look]:
    """Record that a pipeline is about to be evaluated on the test part.

    Args:
        runs: the runs directory.
        pipeline: name of what is evaluated.
        manifest: one row a slice, with `part` and `content_hash`.

    Returns:
        The earlier looks at any of these slices: other evaluations, and sweeps that selected on the test part.

    Raises:
        RunsError: the record of earlier looks cannot be read.
    """
    slices = _test_slices(manifest)
    known = [look for look in read_looks(runs) if look.finished or look.pipeline != pipeline]
    known += [look for look in _sweeps(runs) if look.pipeline not in {other.pipeline for other in known}]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _write(runs, [*known, Look(pipeline, now, slices, finished=False)])
    return [look for look in known if set(look.slices) & set(slices)]


def finish_look(runs: Path, pipeline: str) -> None:
    """Record that the evaluation of a pipeline came to its numbers."""
    _write(runs, [replace(look, finished=True) if look.pipeline == pipeline else look for look in read_looks(runs)])


class _Selected(Record):
    """What is asked of a selection here."""

    part: str


def _sweeps(runs: Path) -> list[Look]:
    """Return the sweeps that selected on the test part, which is a look as well."""
    looks = []
    for selection in sorted(runs.glob(f"*/{SELECTION}")):
        if read_record(_Selected, selection).part == "test":
            manifest = read_frame(selection.with_name(MANIFEST), ("part", "content_hash"), remedy=REMEDY)
            when = datetime.datetime.fromtimestamp(selection.stat().st_mtime, datetime.UTC).isoformat(
                timespec="seconds"
            )
            looks.append(Look(selection.parent.name, when, _test_slices(manifest), finished=True))
    return looks


def _test_slices(manifest: pd.DataFrame) -> tuple[str, ...]:
    return tuple(manifest.loc[manifest["part"] == "test", "content_hash"].str[:16])


def _write(runs: Path, looks: Sequence[Look]) -> None:
    write_json(runs / LOOKS, [asdict(look) for look in looks])


def read_looks(runs: Path) -> list[Look]:
    """Return all looks recorded in a runs directory, in order.

    Raises:
        RunsError: the record cannot be read.
    """
    path = runs / LOOKS
    if not path.is_file():
        return []
    try:
        return [Look(**{**look, "slices": tuple(look["slices"])}) for look in read_json(path)]
    except (DamagedError, ValueError, KeyError, TypeError) as error:
        raise RunsError(
            f"{path}: the record of who looked at the test part cannot be read ({error}); mend it, or remove it if you "
            "accept that earlier looks are forgotten"
        ) from error


def describe_looks(pipeline: str, earlier: Sequence[Look]) -> str:
    """Say in a sentence how untouched the test part was.

    >>> describe_looks("phase4-a", [])
    'first look at this test part'
    >>> describe_looks("phase4-a", [Look("phase4-b", "2026-01-02T03:04:05+00:00", ("0",), True)])
    'look 2 at this test part, which is no longer untouched; before: phase4-b on 2026-01-02'
    """
    if not earlier:
        return "first look at this test part"
    before = ", ".join(
        f"{'the same pipeline' if look.pipeline == pipeline else look.pipeline} on {look.when[:10]}" for look in earlier
    )
    return f"look {len(earlier) + 1} at this test part, which is no longer untouched; before: {before}"
