"""Who has looked at the test subset: every evaluation on it is recorded before it begins, for good.

A test subset that is looked at again and again becomes a validation subset. Nothing keeps a user from a second look, so
it is counted and shown.
"""

import datetime
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydantic import AliasChoices, Field

from lge_sweep.csv_files import read_rows
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.pipeline.records import Access, AccessRecord, ExternalRecord
from lge_sweep.run_store import RunStore
from lge_sweep.study import REMEDY, Record, read_record, write_record
from lge_sweep.text import error_text

TEST_SUBSET = "test"


def begin_access(runs: Path, pipeline: str, manifest: pd.DataFrame) -> list[Access]:
    """Record that a pipeline is about to be evaluated on the test subset.

    Args:
        runs: the runs directory.
        pipeline: name of what is evaluated.
        manifest: one row a slice, with `subset` and `content_hash`.

    Returns:
        The earlier accesses to any of these slices: other evaluations, and sweeps that selected on the test subset.
        An evaluation whose results are there was an access, also where its record is lost.

    Raises:
        RunsError: the record of earlier accesses cannot be read.
    """
    slices = hashes_of_test(manifest)
    known = [access for access in read_accesses(runs) if access.finished or access.pipeline != pipeline]
    known += [access for access in _selections(runs) if access.pipeline not in {other.pipeline for other in known}]
    known += _unrecorded(runs, known)
    now = _moment(datetime.datetime.now(datetime.UTC))
    _write(runs, [*known, Access(pipeline, now, slices, finished=False)])
    return [access for access in known if set(access.slices) & set(slices)]


def finish_access(runs: Path, pipeline: str) -> None:
    """Record that the evaluation of a pipeline came to its numbers.

    Raises:
        RunsError: the record of earlier accesses cannot be read.
    """
    accesses = read_accesses(runs)
    _write(runs, [replace(entry, finished=True) if entry.pipeline == pipeline else entry for entry in accesses])


def read_accesses(runs: Path) -> list[Access]:
    """Return all accesses recorded in a runs directory, in order, those of earlier versions first.

    Raises:
        RunsError: the record cannot be read.
    """
    store = RunStore(runs)
    new, old = _read(store.test_access), _read(store.earlier_test_access)
    return [*(access for access in old if access not in new), *new]  # in both: a write of here was cut off


def _read(path: Path) -> tuple[Access, ...]:
    if not path.is_file():
        return ()
    try:
        return read_record(AccessRecord, path).accesses
    except DamagedError as error:
        raise RunsError(
            f"{path}: the record of who looked at the test subset cannot be read ({error.reason}); mend it, or remove "
            "it if you accept that looks whose evaluation is not in this directory any more are forgotten"
        ) from error


def _write(runs: Path, accesses: Sequence[Access]) -> None:
    """Write all accesses, those of earlier versions among them, whose file is not needed any more."""
    store = RunStore(runs)
    write_record(store.test_access, AccessRecord(accesses=tuple(accesses)))
    store.earlier_test_access.unlink(missing_ok=True)


class _Selected(Record):
    """What is asked of a selection here, whatever version wrote it."""

    subset: str = Field(validation_alias=AliasChoices("subset", "part"))


def _selections(runs: Path) -> list[Access]:
    """Return the sweeps that selected on the test subset, which is an access as well."""
    accesses = []
    for sweep in RunStore(runs).selections():
        if read_record(_Selected, sweep.selection).subset == "test":
            slices = _slices_of(sweep.manifest)
            accesses.append(Access(sweep.name, _written(sweep.selection), slices, finished=True))
    return accesses


def _unrecorded(runs: Path, known: Sequence[Access]) -> list[Access]:
    """Return the evaluations whose results are there and that the record has not, or not so many of."""
    accesses, recorded = [], Counter(access.pipeline for access in known)
    for fits, evaluation in RunStore(runs).evaluations():
        made = [place.record for place in (*evaluation.earlier(), evaluation) if place.record.is_file()]
        if fits.manifest.is_file():  # else it cannot be said which slices they were
            slices = _slices_of(fits.manifest)
            lost = made[recorded[evaluation.name] :]
            accesses += [Access(evaluation.name, _written(path), slices, finished=True) for path in lost]
    for external in RunStore(runs).externals():
        path = external.record(TEST_SUBSET)
        if path.is_file() and external.name not in recorded:
            with suppress(DamagedError):  # else it cannot be said which slices they were
                slices = read_record(ExternalRecord, path).test_slices
                accesses.append(Access(external.name, _written(path), slices, finished=True))
    return accesses


def _written(path: Path) -> str:
    """Return when a file was written, as an access says it."""
    return _moment(datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC))


def _moment(when: datetime.datetime) -> str:
    return when.isoformat(timespec="seconds")


def _slices_of(manifest: Path) -> tuple[str, ...]:
    """Return the test slices of a sweep's folder, whatever version wrote it.

    Raises:
        DamagedError: its manifest cannot be read.
    """
    try:
        header, rows = read_rows(manifest)
        table = pd.DataFrame([cells for _, cells in rows], columns=header)
        return hashes_of_test(table.assign(subset=table["subset" if "subset" in table else "part"]))
    except (OSError, ValueError) as error:
        raise DamagedError(manifest, f"cannot be read as a table ({error_text(error)})", REMEDY) from error
    except KeyError as error:
        raise DamagedError(manifest, f"it has no column {error}", REMEDY) from error


def hashes_of_test(manifest: pd.DataFrame) -> tuple[str, ...]:
    """Return what is kept of the test slices of a manifest, as `Access.slices`."""
    return tuple(manifest.loc[manifest["subset"] == TEST_SUBSET, "content_hash"].str[:16])


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
