"""Where the ledger is kept: in a journal of the runs directory, or in a database that several directories may share."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState

from lge_sweep.engine.journal import mend_journal, open_journal
from lge_sweep.engine.server import connection_options, explaining
from lge_sweep.run_store import RunStore
from lge_sweep.text import error_text

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

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


def open_storage(store: RunStore, check: Callable[[], object]) -> BaseStorage:
    """Open the ledger for writing, made if there is none; the caller holds the runs directory.

    Args:
        store: the runs directory.
        check: makes sure that it is held still.

    Raises:
        RunsError: its database cannot be used.
    """
    if store.journal is None:
        from lge_sweep.engine.patient_storage import PatientStorage

        with _explaining_values(store):
            return PatientStorage(store, check)
    mend_journal(store.journal)
    return JournalStorage(JournalFileBackend(str(store.journal)))


@contextmanager
def read_storage(store: RunStore, drawn: bool = True) -> Iterator[BaseStorage | None]:
    """Open the ledger for reading, without disturbing a driver; None if there is none.

    Args:
        store: the runs directory.
        drawn: whether it is to be known what trials were drawn from, which a journal is much longer read with.

    Raises:
        DamagedError: the journal cannot be read.
        RunsError: its database cannot be used.
    """
    if store.journal is not None:
        yield open_journal(store.journal, drawn) if store.journal.is_file() else None
        return
    assert store.ledger is not None
    from sqlalchemy import inspect, make_url  # for a database alone

    known = store.id_file.is_file()
    file = make_url(store.ledger).database if store.ledger.startswith("sqlite") else None
    if file and not (known and Path(file).is_file()):  # which to open would make
        yield None
        return
    with _explaining_values(store):
        options = connection_options(store.ledger)
        storage = RDBStorage(store.ledger, options, skip_compatibility_check=True, skip_table_creation=True)
        try:
            there = inspect(storage.engine).has_table(STUDIES)  # a server that is not there is told of
            yield storage if there and known else None
        finally:
            close_storage(storage)


class TrialRow(NamedTuple):
    """What is known of a trial without what it was drawn from; `FrozenTrial` has these, too."""

    number: int
    state: TrialState
    values: list[float] | None
    user_attrs: dict[str, Any]


def read_trials(storage: BaseStorage, study: int) -> "Sequence[TrialRow | FrozenTrial]":
    """Read all trials of a study, in order.

    Optuna reads from a database whole trials, each with its distributions: a second for a thousand.

    Args:
        storage: the ledger.
        study: Optuna's id of the study.
    """
    if not isinstance(storage, RDBStorage):
        return storage.get_all_trials(study, deepcopy=False)
    from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel, TrialValueModel
    from sqlalchemy import select

    values = select(TrialModel.trial_id, TrialModel.number, TrialModel.state, TrialValueModel).outerjoin(
        TrialValueModel, TrialValueModel.trial_id == TrialModel.trial_id
    )
    order = (TrialModel.number, TrialValueModel.objective)
    noted = select(TrialModel.trial_id, TrialUserAttributeModel.key, TrialUserAttributeModel.value_json).join(
        TrialUserAttributeModel, TrialUserAttributeModel.trial_id == TrialModel.trial_id
    )
    attributes: dict[int, dict[str, Any]] = defaultdict(dict)
    with storage.scoped_session() as session:
        for trial, key, text in session.execute(noted.where(TrialModel.study_id == study)):
            attributes[trial][key] = json.loads(text)
        found: dict[int, TrialRow] = {}
        for trial, number, state, value in session.execute(values.where(TrialModel.study_id == study).order_by(*order)):
            row = found.setdefault(trial, TrialRow(number, state, None if value is None else [], attributes[trial]))
            if row.values is not None:  # of a search with several objectives there is a row each
                row.values.append(value.stored_repr_to_value(value.value, value.value_type))
        return [*found.values()]


def close_storage(storage: BaseStorage) -> None:
    """Close the connections to a database; a journal has none."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


@contextmanager
def _explaining_values(store: RunStore) -> Iterator[None]:
    """Explain a value in a database's address that its driver does not take, too."""
    with explaining(store):
        try:
            yield
        except (TypeError, ValueError) as error:
            raise RuntimeError(error_text(error)) from error
