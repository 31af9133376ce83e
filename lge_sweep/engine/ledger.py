"""The ledger: which cell was attempted, by which trial, with what outcome. An Optuna study a sweep.

One driver at a time writes it, under `hold_runs`; anyone may read it at any time.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

from lge_sweep.engine.pareto import directions, on_front
from lge_sweep.engine.storage import StudyNames, TrialRow, close_storage, open_storage, read_storage, read_trials
from lge_sweep.run_store import RunStore
from lge_sweep.seeding import derive_seed

if TYPE_CHECKING:
    from lge_sweep.config import Cell  # the schema of settings takes a while to build, and `status` needs none
    from lge_sweep.config.search import Search

optuna.logging.set_verbosity(optuna.logging.WARNING)

CONSTRAINTS = "constraints"
"""Where Optuna has a trial's constraints, broken above 0: in the form of its version 4, which the dashboard reads."""
State = Literal["waiting", "running", "failed", "pruned", "complete"]
STATES: dict[TrialState, State] = {
    TrialState.WAITING: "running",
    TrialState.RUNNING: "running",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "pruned",
    TrialState.COMPLETE: "complete",
}


@dataclass(frozen=True)
class CellState:
    """The latest trial of a cell.

    Attributes:
        cell: name of the cell.
        state: "waiting" if it was never attempted; "running" also if its driver was stopped; "pruned" if a search gave
            it up for being worse than others.
        trial: number of the trial, None if there is none.
        value: the score, for a complete trial.
        reason: why it failed.
        collapsed: classes that it never predicted, for a complete trial.
        on_front: whether no trial of a search with several objectives is better than it in all of them.
    """

    cell: str
    state: State
    trial: int | None = None
    value: float | None = None
    reason: str = ""
    collapsed: tuple[str, ...] = ()
    on_front: bool = False


class Ledger:
    """The ledger of a runs directory, opened for writing; the caller holds the directory.

    Args:
        store: the runs directory.
        check: makes sure that it is held still; called before a database is written.

    Raises:
        RunsError: its database cannot be used.
    """

    def __init__(self, store: RunStore, check: Callable[[], object] = lambda: None) -> None:
        """Open the storage, mending what a killed driver or a bad disk may have left of a journal."""
        self.storage = open_storage(store, check)
        self._names = StudyNames.of(store)

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Leave a database; a journal needs no closing."""
        close_storage(self.storage)

    def open(self, name: str, about: Mapping[str, Any], search: "Search | None" = None) -> "SweepLedger":
        """Open the study of a sweep, creating it if needed.

        Args:
            name: the sweep's name.
            about: plain facts to keep with a new study (phase, stage, cells, ...).
            search: how trials are drawn and given up, if they are not enumerated.
        """
        costs = search.costs if search is not None else ()
        study = optuna.create_study(
            storage=self.storage,
            study_name=self._names.study(name),
            directions=directions(len(costs)),
            load_if_exists=True,
        )
        if search is not None and costs and study.metric_names is None:
            with warnings.catch_warnings():  # that this method may change; the dashboard has the names from it
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names(list(search.objectives))
        for key, value in about.items():
            if study.user_attrs.get(key) != value:
                study.set_user_attr(key, value)
        ledger = SweepLedger(study)
        if search is not None:
            ledger.draw_by(search)
        return ledger


class SweepLedger:
    """The study of one sweep. Nothing here takes longer as there are more trials, but what a search draws from."""

    def __init__(self, study: optuna.Study) -> None:
        """Wrap an open study."""
        self.study = study
        self._last = {cell_name(trial): trial.number for trial in self.trials()}

    def draw_by(self, search: "Search") -> None:
        """Say how the next trials are drawn and given up; a search that goes on must not draw its first ones again."""
        seed = derive_seed(search.seed, "search", len(self.trials()))
        self.study.sampler = TPESampler(seed=seed, n_startup_trials=search.startup_trials, constant_liar=True)
        self.study.pruner = (
            NopPruner()  # Optuna gives up no trial that has several objectives
            if search.costs
            else MedianPruner(
                n_startup_trials=search.prune_startup, n_warmup_steps=search.prune_after + 1, n_min_trials=2
            )
        )

    def entry(self, cell: str) -> CellState:
        """Return the state of a cell."""
        number = self._last.get(cell)
        return latest([] if number is None else [self._get(number)], [cell])[0]

    def start(self, cell: "Cell", axes: Mapping[str, Sequence[Any]]) -> int:
        """Return the number of the cell's open trial: the one that was interrupted, or else a new one.

        Args:
            cell: the cell to attempt.
            axes: the grid's axes, each with all its values.
        """
        entry = self.entry(cell.name)
        if entry.state == "running":
            assert entry.trial is not None
            return entry.trial
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={axis: cell.parameters[axis] for axis in axes},
            distributions={axis: CategoricalDistribution(list(choices)) for axis, choices in axes.items()},
            user_attrs={"cell": cell.name},
        )
        return self._create(template)

    def adopt(self, trial: FrozenTrial) -> int:
        """Enter a trial that the ledger has lost; returns its number."""
        return self._create(trial)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in order."""
        return self.study.get_trials(deepcopy=False)

    def report(self, trial: int, step: int, value: float) -> bool:
        """Note an intermediate value, once a step, and return whether the pruner would stop the trial here.

        Args:
            trial: number of the trial.
            step: of the value; one that was noted before is left as it is.
            value: the value.
        """
        live = optuna.Trial(self.study, self._id(trial))
        if step not in self._get(trial).intermediate_values:
            live.report(value, step)
        return bool(live.should_prune())

    def prune(self, trial: int) -> None:
        """Record a trial that was given up."""
        self._end(trial, TrialState.PRUNED)

    def complete(self, trial: int, value: float, collapsed: Sequence[str], costs: Sequence[float] = ()) -> None:
        """Record a finished trial, its score and the classes it never predicted.

        A network that predicts nothing is soon trained. So where costs count, one that collapsed breaks a constraint:
        the sampler does not go after such trials, and Optuna does not count them as best.

        Args:
            trial: number of the trial.
            value: its score.
            collapsed: names of the classes that it never predicted.
            costs: values of the objectives beside the score, in order.
        """
        self._note(trial, "collapsed", list(collapsed))
        if costs:
            self.study._storage.set_trial_system_attr(self._id(trial), CONSTRAINTS, [len(collapsed)])
        self._end(trial, TrialState.COMPLETE, [value, *costs])

    def fail(self, trial: int, reason: str) -> None:
        """Record a failed trial and why it failed."""
        self._note(trial, "reason", reason)
        self._end(trial, TrialState.FAIL)

    def _end(self, trial: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        if self._get(trial).state == TrialState.WAITING:  # of a version that queued its trials
            self.study._storage.set_trial_state_values(self._id(trial), TrialState.RUNNING)
        self.study.tell(trial, values, state)

    def _create(self, template: FrozenTrial) -> int:
        storage = self.study._storage
        number = storage.get_trial_number_from_id(storage.create_new_trial(self.study._study_id, template))
        if "cell" in template.user_attrs:
            self._last[template.user_attrs["cell"]] = number
        return number

    def _note(self, trial: int, key: str, value: Any) -> None:
        self.study._storage.set_trial_user_attr(self._id(trial), key, value)

    def _id(self, trial: int) -> int:
        return self.study._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, trial)

    def _get(self, trial: int) -> FrozenTrial:
        return self.study._storage.get_trial(self._id(trial))


def cell_name(trial: FrozenTrial | TrialRow) -> str:
    """Return the cell of a trial; of one that was interrupted while a search drew it, the name it would have got."""
    return str(trial.user_attrs.get("cell", f"trial{trial.number:04d}"))


def latest(trials: Sequence[FrozenTrial | TrialRow], cells: Sequence[str]) -> list[CellState]:
    """Return the latest state of each cell, in the order given."""
    last: dict[str, FrozenTrial | TrialRow] = {cell_name(trial): trial for trial in trials}
    front = _front(trials)
    return [
        CellState(
            name,
            STATES[trial.state],
            trial.number,
            trial.values[0] if trial.state == TrialState.COMPLETE and trial.values else None,
            str(trial.user_attrs.get("reason", "")),
            tuple(trial.user_attrs.get("collapsed", ())),
            trial.number in front,
        )
        if (trial := last.get(name))
        else CellState(name, "waiting")
        for name in cells
    ]


def _front(trials: Sequence[FrozenTrial | TrialRow]) -> set[int]:
    """Return the numbers of the trials on the front of a search with several objectives; of any other none."""
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE and len(trial.values or ()) > 1]
    collapsed = [bool(trial.user_attrs.get("collapsed")) for trial in done]
    marks = on_front([trial.values or [] for trial in done], collapsed)
    return {trial.number for trial, mark in zip(done, marks, strict=True) if mark}


class SweepEntries(NamedTuple):
    """A sweep, as the ledger knows it."""

    name: str
    about: dict[str, Any]
    """Facts given to `Ledger.open`."""
    cells: list[CellState]
    """State of each cell."""


def read_ledger(store: RunStore) -> list[SweepEntries]:
    """Read every sweep of a runs directory, in the order they were begun, without disturbing a driver.

    Raises:
        DamagedError: the journal cannot be read.
        RunsError: the database cannot be used.
    """
    result: list[SweepEntries] = []
    with read_storage(store, drawn=False) as storage:
        if storage is None:
            return result
        names = StudyNames.of(store)
        for summary in storage.get_all_studies():
            if (sweep := names.sweep(summary.study_name)) is None:
                continue
            trials = read_trials(storage, summary._study_id)
            about = dict(summary.user_attrs)
            cells = about.get("cells") or [
                *(cell_name(trial) for trial in trials),
                *(f"trial{number:04d}" for number in range(len(trials), about.get("trials", 0))),
            ]
            result.append(SweepEntries(sweep, about, latest(trials, cells)))
    return result


def read_sweep(store: RunStore, sweep: str) -> dict[str, CellState]:
    """Read the state of each cell of one sweep; empty if the ledger does not know the sweep."""
    return {entry.cell: entry for name, _, entries in read_ledger(store) if name == sweep for entry in entries}
