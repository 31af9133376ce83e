"""Where the ledger is kept: in a journal of the runs directory, or in a database that several directories may share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage

from lge_sweep.engine.journal import mend_journal, open_journal
from lge_sweep.errors import RunsError
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore
from lge_sweep.text import error_text

STUDIES = "studies"
"""Optuna's table of them."""


@dataclass(frozen=True)
class StudyNames:
    """What the sweeps of a runs directory are called in the ledger.

    In a database that several directories share, the same sweep of two of them must be two studies; a name there ends
    with the directory's own id, which it keeps in a file, so that it may be moved.

    Attributes:
        suffix: what comes after a sweep's name; empty in a journal, which is the directory's alone.
    """

    suffix: str = ""

    @classmethod
    def of(cls, store: RunStore) -> Self:
        """Return the names of a runs directory's sweeps; its id is made if it has none."""
        if store.ledger is None:
            return cls()
        return cls(f"@{store.own_id()}")

    def study(self, sweep: str) -> str:
        """Return the name of a sweep's study."""
        return sweep + self.suffix

    def sweep(self, study: str) -> str | None:
        """Return the name of a study's sweep, None if it is another directory's."""
        return study.removesuffix(self.suffix) if study.endswith(self.suffix) else None


def open_storage(store: RunStore) -> BaseStorage:
    """Open the ledger for writing, made if there is none; the caller holds the runs directory.

    Raises:
        RunsError: its database cannot be used.
    """
    if store.journal is None:
        assert store.ledger is not None
        with _explaining(store):
            return _connect(store.ledger)
    mend_journal(store.journal)
    return JournalStorage(JournalFileBackend(str(store.journal)))


@contextmanager
def read_storage(store: RunStore) -> Iterator[BaseStorage | None]:
    """Open the ledger for reading, without disturbing a driver; None if there is none.

    Raises:
        DamagedError: the journal cannot be read.
        RunsError: its database cannot be used.
    """
    if store.journal is not None:
        yield open_journal(store.journal) if store.journal.is_file() else None
        return
    assert store.ledger is not None
    from sqlalchemy import inspect, make_url  # for a database alone

    file = make_url(store.ledger).database if store.ledger.startswith("sqlite") else None
    if not store.id_file.is_file() or (file and not Path(file).is_file()):  # which to open would make
        yield None
        return
    with _explaining(store):
        storage = _connect(store.ledger, as_is=True)
        try:
            yield storage if inspect(storage.engine).has_table(STUDIES) else None
        finally:
            close_storage(storage)


def _connect(url: str, *, as_is: bool = False) -> RDBStorage:
    """Open a database, or one `as_is`; a value in its address that its driver does not take is a RuntimeError too."""
    try:
        return RDBStorage(url, skip_compatibility_check=as_is, skip_table_creation=as_is)
    except (TypeError, ValueError) as error:
        raise RuntimeError(error_text(error)) from error


def close_storage(storage: BaseStorage) -> None:
    """Close the connections to a database; a journal has none."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


@contextmanager
def _explaining(store: RunStore) -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        raise unusable(store, error) from error


def unusable(store: RunStore, error: BaseException) -> RunsError:
    """Say that the ledger's database cannot be used, why, and what to do."""
    if isinstance(error, ImportError):
        return RunsError(
            f"{store.ledger_shown}: Python has no driver for this database; install one (for PostgreSQL: pip install "
            f"'psycopg[binary]', with postgresql+psycopg:// in {LEDGER_VARIABLE})"
        )
    while error.__cause__ is not None:
        error = error.__cause__
    reason = error_text(error).splitlines()[0]
    return RunsError(
        f"{store.ledger_shown}: the ledger cannot be used ({type(error).__name__}: {reason}). Check {LEDGER_VARIABLE} "
        "and the server; tables of another Optuna are brought up to date with: optuna storage upgrade --storage URL. "
        "Nothing is lost: finished cells are in their folders, and the same command goes on"
    )
