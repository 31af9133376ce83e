"""Optuna's storage in a database whose server may go away while a sweep runs, and come back.

What was being done is done again then. It may have been done already, only the answer was lost: so a trial that this
storage does not know of, in a study that one driver alone writes, is the one that was being created.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from lge_sweep.engine.server import await_server, connection_options
from lge_sweep.run_store import RunStore

TRIES = 4
"""Times that one thing is tried, if the server answers in between: some failures have other causes."""
READS = (
    "get_study_id_from_name", "get_study_name_from_id", "get_study_directions", "get_study_user_attrs",
    "get_study_system_attrs", "get_all_studies", "get_trial_id_from_study_id_trial_number", "get_trial", "_get_trials",
)  # fmt: skip
"""What Optuna's cache asks of a database."""
WRITES = (
    "create_new_study", "set_study_user_attr", "set_study_system_attr", "_set_trial_param",
    "set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr",
)  # fmt: skip
"""What it has written there; to write it twice changes nothing, given what `PatientStorage` does about trials."""
_T = TypeVar("_T")


class PatientStorage(RDBStorage):
    """Optuna's storage in the ledger's database, for the one driver that writes it.

    Args:
        store: the runs directory.
        check: makes sure, before anything is written, that this driver may.
    """

    def __init__(self, store: RunStore, check: Callable[[], object]) -> None:
        """Connect; tables are made if there are none. Nothing is waited for yet."""
        assert store.ledger is not None
        self._store, self._check = store, check
        self._newest: dict[int, int] = {}
        super().__init__(store.ledger, connection_options(store.ledger))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set the state of a trial; one that has it by now was set the time before.

        Args:
            trial_id: the trial.
            state: its state.
            values: its score, if it is complete.
        """
        tried, set_once = 0, super().set_trial_state_values

        def write() -> bool:
            nonlocal tried
            tried += 1
            try:
                return set_once(trial_id, state, values)
            except UpdateFinishedTrialError:
                if tried == 1 or self.get_trial(trial_id).state != state:
                    raise
                return True

        return self.insist(write, writes=True)

    def insist(self, call: Callable[[], _T], writes: bool) -> _T:
        """Do something with the database; if that fails, wait until it answers, and do it again.

        Args:
            call: does it.
            writes: whether it writes.

        Raises:
            RunsError: it has not come back, or this driver may no longer write.
            StorageInternalError: it answers, but this fails.
        """
        for tries_left in reversed(range(TRIES)):
            if writes:
                self._check()
            try:
                return call()
            except StorageInternalError:
                if not tries_left:
                    raise
                await_server(self.engine, self._store)
        raise AssertionError("not reached")

    def _get_prepared_new_trial(self, study_id: int, template_trial: FrozenTrial | None, session: Any) -> Any:
        """Make a row for a trial, unless there is one of which nobody here has heard."""
        from optuna.storages._rdb.models import TrialModel

        mine = session.query(TrialModel).filter(TrialModel.study_id == study_id).order_by(TrialModel.trial_id.desc())
        newest = mine.first()
        if study_id not in self._newest:
            self._newest[study_id] = newest.trial_id if newest else -1
        if newest is None or newest.trial_id <= self._newest[study_id]:
            newest = super()._get_prepared_new_trial(study_id, template_trial, session)
        return newest

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        trial = self.insist(partial(super()._create_new_trial, study_id, template_trial), writes=True)
        self._newest[study_id] = trial._trial_id
        return trial


def _insisting(name: str, writes: bool) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    def call(self: PatientStorage, *args: Any, **options: Any) -> Any:
        return self.insist(partial(method, self, *args, **options), writes)

    call.__name__, call.__doc__ = name, method.__doc__
    return call


for _name in READS:
    setattr(PatientStorage, _name, _insisting(_name, writes=False))
for _name in WRITES:
    setattr(PatientStorage, _name, _insisting(_name, writes=True))
