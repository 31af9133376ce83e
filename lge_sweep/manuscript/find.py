"""The sweeps of one study: same data, split and training, phase after phase."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.pipeline import ChoiceRecord, ComparisonRecord, EvaluationRecord, ShippedRecord
from lge_sweep.run_store import EvaluationFolder, RunStore
from lge_sweep.study import DRAWN, Plan, SelectionRecord, basis_digest, load_plan, read_record, read_selection

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """A sweep of phase 1 or 2, or a search.

    Attributes:
        plan: the sweep.
        selection: what it came to; None while it is not complete.
    """

    plan: Plan
    selection: SelectionRecord | None


@dataclass(frozen=True)
class Fits:
    """The fits of phase 3, and what was measured of them.

    Attributes:
        plan: the sweep of the fits of stage 2.
        comparison: how the pipelines do on the validation subset; None while that was not measured.
        shipped: which pipeline was shipped last; None while none was.
        files: folder of the evaluation on the test subset, whether there is one or not.
        evaluation: what that said; None where it was not made.
        choice: of pipelines past the paper, which one serves best out of fold; None of other fits.
    """

    plan: Plan
    comparison: ComparisonRecord | None
    shipped: ShippedRecord | None
    files: EvaluationFolder
    evaluation: EvaluationRecord | None
    choice: ChoiceRecord | None = None

    @property
    def shipped_name(self) -> str | None:
        """The name under which the pipeline that is shipped is compared; None where that cannot be told."""
        if self.shipped is None:
            return None
        if self.shipped.pipeline:
            return self.shipped.pipeline
        meanings = self.comparison.meanings if self.comparison else {}  # an earlier version did not write it
        return next((name for name, meaning in meanings.items() if meaning.startswith("what is shipped")), None)


@dataclass(frozen=True)
class Study:
    """All that was done with one data set, one split and one way to train.

    Attributes:
        store: the runs directory.
        name: `<data>-<profile>-<digest>`.
        sweeps: of phases 1 and 2 and of searches, in this order, stage 1 first.
        folds: the sweeps of out-of-fold networks of stage 1.
        fits: of phase 3.
        composed: the sweeps of pipelines past the paper, compared out of fold.
    """

    store: RunStore
    name: str
    sweeps: tuple[Sweep, ...]
    folds: tuple[Plan, ...]
    fits: tuple[Fits, ...]
    composed: tuple[Fits, ...] = ()

    @property
    def plans(self) -> list[Plan]:
        """All its sweeps, in order."""
        fitted = (fits.plan for fits in (*self.fits, *self.composed))
        return [*(sweep.plan for sweep in self.sweeps), *self.folds, *fitted]

    @property
    def first(self) -> Plan:
        """One of its sweeps, for what all share: the data, its split and how networks are trained."""
        return self.plans[0]

    def of_phase(self, phase: str) -> list[Sweep]:
        """Return its sweeps of phase 1 or 2, or its searches."""
        return [sweep for sweep in self.sweeps if sweep.plan.config.phase == phase]

    def evaluated(self) -> list[Fits]:
        """Return the fits that were evaluated on the test subset."""
        return [fits for fits in self.fits if fits.evaluation is not None]


def find_study(store: RunStore, data: str, profile: str, sweep: Path | None = None) -> Study:
    """Find the sweeps of a study in a runs directory.

    Args:
        store: the runs directory.
        data: name of the data set.
        profile: name of the profile.
        sweep: folder of one of the study's sweeps, which then says what is meant.

    Raises:
        RunsError: there is none, or there are several and it is not said which.
        DamagedError: a file of it is damaged.
    """
    studies = _studies(_readable(store))
    if sweep is not None:
        wanted = load_plan(sweep)
        chosen = next((name for name, plans in studies.items() if wanted.name in {plan.name for plan in plans}), None)
        if chosen is None:
            raise RunsError(f"{sweep}: is not a sweep of {store.root}; give its runs directory with --runs")
        return _make(store, chosen, studies[chosen])
    named = {name: plans for name, plans in studies.items() if _is_of(plans[0], data, profile)}
    if not named:
        known = ", ".join(
            sorted(f"--data {p[0].config.data} --profile {p[0].config.profile}" for p in studies.values())
        )
        raise RunsError(
            f"nothing was run on {data} with profile {profile} in {store.root}; "
            + (f"there is: {known}" if known else "there is no sweep at all: begin with lge-sweep phase1")
        )
    if len(named) > 1:
        listed = "\n".join(f"  lge-sweep report {plans[-1].name}: {_describe(plans)}" for plans in named.values())
        raise RunsError(
            f"{len(named)} studies on {data} with profile {profile} are in {store.root}, of other data, another split "
            f"or other training settings; name a sweep of the one that is meant:\n{listed}"
        )
    ((name, plans),) = named.items()
    return _make(store, name, plans)


def _is_of(plan: Plan, data: str, profile: str) -> bool:
    return (plan.config.data, plan.config.profile) == (data, profile)


def _describe(plans: list[Plan]) -> str:
    return ", ".join(dict.fromkeys(f"{plan.config.phase} stage {plan.config.stage}" for plan in plans))


def _readable(store: RunStore) -> Iterable[Plan]:
    for sweep in store.sweeps():
        try:
            yield load_plan(sweep.path)
        except DamagedError as error:
            _log.warning("%s is left out of the report: %s", sweep.name, error.reason)


def _studies(plans: Iterable[Plan]) -> dict[str, list[Plan]]:
    """Return the plans of each study by its name, in the order of phases and stages."""
    found: dict[str, list[Plan]] = {}
    for plan in sorted(plans, key=lambda plan: (_ORDER.index(plan.config.phase), plan.config.stage, plan.name)):
        digest = basis_digest(plan.config, plan.data_digest, DRAWN)[:10]
        found.setdefault(f"{plan.config.data}-{plan.config.profile}-{digest}", []).append(plan)
    return found


_ORDER = ("phase1", "phase2", "search", "phase3")


def _make(store: RunStore, name: str, plans: list[Plan]) -> Study:
    fits = [plan for plan in plans if plan.config.phase == "phase3" and plan.config.stage == 2]
    folds = tuple(plan for plan in plans if plan.config.phase == "phase3" and plan.config.stage == 1)
    sweeps = tuple(
        Sweep(plan, read_selection(plan.files.selection) if plan.files.selection.is_file() else None)
        for plan in plans
        if plan.config.phase != "phase3"
    )
    read = [_read_fits(store, plan) for plan in fits]
    composed = tuple(one for one in read if one.choice is not None)
    return Study(store, name, sweeps, folds, tuple(one for one in read if one.choice is None), composed)


def _read_fits(store: RunStore, plan: Plan) -> Fits:
    files = store.evaluation(plan.name)
    return Fits(
        plan,
        read_record(ComparisonRecord, plan.files.comparison) if plan.files.comparison.is_file() else None,
        read_record(ShippedRecord, plan.files.shipped) if plan.files.shipped.is_file() else None,
        files,
        read_record(EvaluationRecord, files.record) if files.record.is_file() else None,
        read_record(ChoiceRecord, plan.files.choice) if plan.files.choice.is_file() else None,
    )
