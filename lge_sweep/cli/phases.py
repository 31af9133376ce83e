"""A phase of the study, as one command runs it: its sweeps one after the other, and what they print."""

import shlex
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from lge_sweep.api import (
    OF_ALL_PHASES,
    PhaseSettings,
    Study,
    conclude_sweeps,
    open_driver,
)
from lge_sweep.cli.progress import TerminalObserver
from lge_sweep.cli.progress_bar import progress_bar
from lge_sweep.cli.tables.pipelines import print_choice, print_evaluation, print_pipelines
from lge_sweep.cli.tables.selection import print_outcome
from lge_sweep.cli.terminal import Terminal
from lge_sweep.engine import Driver, SweepOutcome, describe_file_system
from lge_sweep.paths import describe_name
from lge_sweep.permissions import describe_open_folder
from lge_sweep.run_store import TRACKING_VARIABLE
from lge_sweep.study import Plan
from lge_sweep.text import format_seconds


def run_phase(console: Terminal, settings: PhaseSettings, study: Study) -> None:
    """Run a phase's sweeps of one or both stages and print what they found.

    Args:
        console: where to print.
        settings: of the phase.
        study: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with (
        _session(console, settings, study) as driver,
        closing(conclude_sweeps(driver, settings.configs, study)) as sweeps,
    ):
        for plan, outcome in sweeps:
            if outcome is None:
                console.print_line(f"stage {plan.config.stage}: no selection, see the end", style="red")
                continue
            print_outcome(console, plan, outcome)
            _print_next_commands(console, plan, outcome, study)
            console.print_line(f"Tables and figures: {plan.folder}")


def _print_next_commands(console: Terminal, plan: Plan, outcome: SweepOutcome, study: Study) -> None:
    """Say how the winner of a search becomes part of the pipeline."""
    if not outcome.settings:
        return
    again = study.command("phase2", plan.config.stage, outcome.settings)
    console.explain(f"To train the winner again, and register it: {again}")
    shared = [setting for setting in outcome.settings if setting.startswith(OF_ALL_PHASES)]
    console.explain(f"And then, to make it part of the pipeline: {study.command('phase3', 0, shared)}")


def run_phase3(console: Terminal, settings: PhaseSettings, study: Study, anew: bool) -> None:
    """Fit the pipeline of the two selected networks and its controls, and print how they compare on validation.

    Args:
        console: where to print.
        settings: of the phase.
        study: what the user asked for.
        anew: ship the pipeline although it has been shipped before, and another has taken its place since.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with _session(console, settings, study) as driver:
        from lge_sweep.api import compare_pipelines, fit_pipelines
        from lge_sweep.pipeline import ship

        fitted = fit_pipelines(driver, settings.configs, study)
        console.print_line()
        compared = compare_pipelines(driver, fitted, partial(progress_bar, console))
        print_pipelines(console, compared.comparison)
        if compared.outside is not None:
            print_pipelines(console, compared.outside.comparison)
            print_choice(console, compared.outside.choice)
        console.print_line(ship(driver.tracker, compared.two_stage, compared.comparison, anew))
        console.print_line(f"Tables: {fitted.fits.folder}")


def run_phase4(console: Terminal, settings: PhaseSettings, study: Study) -> None:
    """Evaluate the pipeline of phase 3 on the test subset, once, print how it compares, and say where the tables are.

    Args:
        console: where to print.
        settings: of the phase.
        study: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with _session(console, settings, study) as driver:
        from lge_sweep.api import evaluate_shipped, find_shipped
        from lge_sweep.pipeline import shipped_words

        fitted = find_shipped(driver, settings.configs, study)
        console.print_line(f"shipped: {shipped_words(fitted)}")
        print_evaluation(console, evaluate_shipped(driver, fitted, partial(progress_bar, console)))


@contextmanager
def _session(console: Terminal, settings: PhaseSettings, study: Study) -> Iterator[Driver]:
    """Say what is done and where results go, and hold the runs directory."""
    store, began = study.store(), time.monotonic()
    console.explain(f"profile {settings.profile}")
    console.explain(f"results go to {store.root.resolve()}")
    if store.tracking:
        console.explain(f"MLflow's runs go to {store.tracking_shown} ({TRACKING_VARIABLE})")
    notes = (
        describe_open_folder(store.root), describe_name(store.root), describe_file_system(store), store.left_alone
    )  # fmt: skip
    for note in filter(None, notes):
        console.note(note)
    with open_driver(study, TerminalObserver(console)) as driver:
        console.explain(f"reading {settings.configs[0].data}")
        yield driver
    named = shlex.quote(str(study.runs))
    variable, option = (f" runs={named}", f" --runs {named}") if study.runs else ("", "")
    took = format_seconds(time.monotonic() - began)
    console.explain()
    console.explain(f"Finished in {took}. Compare the runs in a browser: make ui{variable} (lge-sweep ui{option})")
