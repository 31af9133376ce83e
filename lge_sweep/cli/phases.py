"""A phase of the study, as one command runs it: its sweeps one after the other, and what they print."""

import shlex
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from lge_sweep.cli.progress import TerminalObserver
from lge_sweep.cli.progress_bar import progress_bar
from lge_sweep.cli.request import OF_ALL_PHASES, PhaseRequest
from lge_sweep.cli.settings import PhaseSettings
from lge_sweep.cli.tables.pipelines import print_choice, print_evaluation, print_pipelines
from lge_sweep.cli.tables.selection import print_outcome
from lge_sweep.cli.terminal import Terminal
from lge_sweep.config import SweepConfig
from lge_sweep.engine import Driver, Placement, SweepOutcome, describe_file_system, drive, run_sweeps
from lge_sweep.errors import InheritError, SelectionError
from lge_sweep.paths import describe_name
from lge_sweep.permissions import describe_open_folder
from lge_sweep.run_store import TRACKING_VARIABLE, RunStore
from lge_sweep.study import Plan, make_plans
from lge_sweep.text import format_seconds


def run_phase(console: Terminal, settings: PhaseSettings, request: PhaseRequest) -> None:
    """Run a phase's sweeps of one or both stages and print what they found.

    Args:
        console: where to print.
        settings: of the phase.
        request: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    refused: list[SelectionError] = []
    with _session(console, settings, request) as driver:
        plans = make_plans(settings.configs, request.root, driver.store.root)
        with closing(run_sweeps(driver, plans, request.allow_incomplete)) as sweeps:
            for plan, conclude in sweeps:
                try:
                    outcome = conclude()
                except SelectionError as error:
                    refused.append(error)
                    console.print_line(f"stage {plan.config.stage}: no selection, see the end", style="red")
                    continue
                print_outcome(console, plan, outcome)
                _print_next_commands(console, plan, outcome, request)
                console.print_line(f"Tables and figures: {plan.folder}")
        if refused:
            raise SelectionError(*(line for error in refused for line in str(error).split("\n")))


def _print_next_commands(console: Terminal, plan: Plan, outcome: SweepOutcome, request: PhaseRequest) -> None:
    """Say how the winner of a search becomes part of the pipeline."""
    if not outcome.settings:
        return
    again = request.command("phase2", plan.config.stage, outcome.settings)
    console.explain(f"To train the winner again, and register it: {again}")
    shared = [setting for setting in outcome.settings if setting.startswith(OF_ALL_PHASES)]
    console.explain(f"And then, to make it part of the pipeline: {request.command('phase3', 0, shared)}")


def run_phase3(console: Terminal, settings: PhaseSettings, request: PhaseRequest, anew: bool) -> None:
    """Fit the pipeline of the two selected networks and its controls, and print how they compare on validation.

    Args:
        console: where to print.
        settings: of the phase.
        request: what the user asked for.
        anew: ship the pipeline although it has been shipped before, and another has taken its place since.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with _session(console, settings, request) as driver:
        from lge_sweep.pipeline import compare_on_validation, compare_out_of_fold, fit_two_stage, ship

        fitted = fit_two_stage(driver, _by_stage(settings), request.root, request.allow_incomplete)
        driver.executor.close()  # they hold the GPU, which may be there for one process alone
        console.print_line()
        outside = None
        if fitted.composed is not None:
            with progress_bar(console, "labelling cases out of fold") as on_progress:
                outside = compare_out_of_fold(driver.tracker, fitted, fitted.composed, on_progress)
            fitted = outside.two_stage
        with progress_bar(console, "labelling the validation subset") as on_progress:
            comparison = compare_on_validation(driver.tracker, fitted, on_progress, outside.labelled if outside else {})
        print_pipelines(console, comparison)
        if outside is not None:
            print_pipelines(console, outside.comparison)
            print_choice(console, outside.choice)
        console.print_line(ship(driver.tracker, fitted, comparison, anew))
        console.print_line(f"Tables: {fitted.fits.folder}")


def run_phase4(console: Terminal, settings: PhaseSettings, request: PhaseRequest) -> None:
    """Evaluate the pipeline of phase 3 on the test subset, once, print how it compares, and say where the tables are.

    Args:
        console: where to print.
        settings: of the phase.
        request: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with _session(console, settings, request) as driver:
        from lge_sweep.pipeline import evaluate_once, find_two_stage, shipped_words, show_evaluation, update_card

        stages = _by_stage(settings)
        fitted = find_two_stage(driver.store.root, stages, request.root, request.allow_incomplete)
        asked, shipped = stages[2].fit, shipped_words(fitted)
        if asked and not fitted.ships(asked.shipped) and any(s.startswith("fit.shipped") for s in request.settings):
            raise InheritError(f"phase 3 has shipped another pipeline than fit.shipped asks for: {shipped}", "phase3")
        console.print_line(f"shipped: {shipped}")
        with progress_bar(console, "labelling the test subset") as on_progress:
            evaluation = evaluate_once(driver.store.root, fitted, on_progress)
        show_evaluation(driver.tracker, fitted.fits, evaluation.files, evaluation.record)
        update_card(driver.tracker, fitted, evaluation.comparison)
        print_evaluation(console, evaluation)


def _by_stage(settings: PhaseSettings) -> dict[int, SweepConfig]:
    return {config.stage: config for config in settings.configs}


@contextmanager
def _session(console: Terminal, settings: PhaseSettings, request: PhaseRequest) -> Iterator[Driver]:
    """Say what is done and where results go, hold the runs directory, and name the command that an error asks for."""
    store, began = RunStore.open(request.runs), time.monotonic()
    console.explain(f"profile {settings.profile}")
    console.explain(f"results go to {store.root.resolve()}")
    if store.tracking:
        console.explain(f"MLflow's runs go to {store.tracking_shown} ({TRACKING_VARIABLE})")
    notes = (
        describe_open_folder(store.root), describe_name(store.root), describe_file_system(store), store.left_alone
    )  # fmt: skip
    for note in filter(None, notes):
        console.note(note)
    placement = Placement(request.executor, request.cluster, request.workers, request.gpus_per_trial)
    with drive(store, placement, TerminalObserver(console)) as driver:
        console.explain(f"reading {settings.configs[0].data}")
        try:
            yield driver
        except InheritError as error:
            if not error.phase:
                raise
            raise InheritError(str(error), command=request.command(error.phase, error.stage)) from None
    named = shlex.quote(str(request.runs))
    variable, option = (f" runs={named}", f" --runs {named}") if request.runs else ("", "")
    took = format_seconds(time.monotonic() - began)
    console.explain()
    console.explain(f"Finished in {took}. Compare the runs in a browser: make ui{variable} (lge-sweep ui{option})")
