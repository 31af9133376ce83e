"""Who has looked at the test subset: every evaluation on it is recorded before it begins, for good.

A test subset that is looked at again and again becomes a validation subset. Nothing keeps a user from a second look, so
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

TEST_ACCESSES = "test_access.json"
"""In the runs directory."""


@dataclass(frozen=True)
class Access:
    """One evaluation on a test subset.

    Attributes:
        pipeline: name of what was evaluated.
        when: date and time, UTC, ISO 8601.
        slices: SHA-256 of intensities and labels of each test slice, first 16 digits.
        finished: whether it came to its numbers; one that was stopped before goes on as the same look.
    """

    pipeline: str
    when: str
    slices: tuple[str, ...]
    finished: bool


def begin_access(runs: Path, pipeline: str, manifest: pd.DataFrame) -> list[Access]:
    """Record that a pipeline is about to be evaluated on the test subset.

    Args:
        runs: the runs directory.
        pipeline: name of what is evaluated.
        manifest: one row a slice, with `subset` and `content_hash`.

    Returns:
        The earlier looks at any of these slices: other evaluations, and sweeps that selected on the test subset.

    Raises:
        RunsError: the record of earlier looks cannot be read.
    """
    slices = _test_slices(manifest)
    known = [access for access in read_accesses(runs) if access.finished or access.pipeline != pipeline]
    known += [access for access in _sweeps(runs) if access.pipeline not in {other.pipeline for other in known}]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _write(runs, [*known, Access(pipeline, now, slices, finished=False)])
    return [access for access in known if set(access.slices) & set(slices)]


def finish_access(runs: Path, pipeline: str) -> None:
    """Record that the evaluation of a pipeline came to its numbers."""
    _write(
        runs,
        [replace(access, finished=True) if access.pipeline == pipeline else access for access in read_accesses(runs)],
    )


class _Selected(Record):
    """What is asked of a selection here."""

    subset: str


def _sweeps(runs: Path) -> list[Access]:
    """Return the sweeps that selected on the test subset, which is a look as well."""
    accesses = []
    for selection in sorted(runs.glob(f"*/{SELECTION}")):
        if read_record(_Selected, selection).subset == "test":
            manifest = read_frame(selection.with_name(MANIFEST), ("subset", "content_hash"), remedy=REMEDY)
            when = datetime.datetime.fromtimestamp(selection.stat().st_mtime, datetime.UTC).isoformat(
                timespec="seconds"
            )
            accesses.append(Access(selection.parent.name, when, _test_slices(manifest), finished=True))
    return accesses


def _test_slices(manifest: pd.DataFrame) -> tuple[str, ...]:
    return tuple(manifest.loc[manifest["subset"] == "test", "content_hash"].str[:16])


def _write(runs: Path, accesses: Sequence[Access]) -> None:
    write_json(runs / TEST_ACCESSES, [asdict(access) for access in accesses])


def read_accesses(runs: Path) -> list[Access]:
    """Return all looks recorded in a runs directory, in order.

    Raises:
        RunsError: the record cannot be read.
    """
    path = runs / TEST_ACCESSES
    if not path.is_file():
        return []
    try:
        return [Access(**{**access, "slices": tuple(access["slices"])}) for access in read_json(path)]
    except (DamagedError, ValueError, KeyError, TypeError) as error:
        raise RunsError(
            f"{path}: the record of who looked at the test subset cannot be read ({error}); mend it, or remove it if "
            "you accept that earlier looks are forgotten"
        ) from error


def describe_accesses(pipeline: str, earlier: Sequence[Access]) -> str:
    """Say in a sentence how untouched the test subset was.

    >>> describe_accesses("phase4-a", [])
    'first look at this test subset'
    >>> describe_accesses("phase4-a", [Access("phase4-b", "2026-01-02T03:04:05+00:00", ("0",), True)])
    'look 2 at this test subset, which is no longer untouched; before: phase4-b on 2026-01-02'
    """
    if not earlier:
        return "first look at this test subset"
    before = ", ".join(
        f"{'the same pipeline' if access.pipeline == pipeline else access.pipeline} on {access.when[:10]}"
        for access in earlier
    )
    return f"look {len(earlier) + 1} at this test subset, which is no longer untouched; before: {before}"
