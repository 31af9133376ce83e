"""A phase of the study, as one command runs it: its sweeps one after the other, and what they print."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.cli.console import print_evaluation, print_outcome, print_pipelines, progress
from lge_sweep.config import SweepConfig, load_sweep
from lge_sweep.engine import Driver, drive, run_sweep
from lge_sweep.errors import InheritError, LgeSweepError, SelectionError
from lge_sweep.paths import describe_name, runs_folder
from lge_sweep.permissions import describe_open_folder
from lge_sweep.study import make_plans
from lge_sweep.terminal import Terminal, make_console
from lge_sweep.text import format_seconds


@dataclass(frozen=True)
class Request:
    """What a user asked for.

    Attributes:
        data: name or path of a data file.
        root: folder of the images.
        profile: name or path of a profile file, or "auto".
        settings: `KEY=VALUE` overrides.
        workers: cells trained at the same time.
        runs: folder for all results.
        allow_incomplete: go on although cells failed.
    """

    data: str
    root: Path | None
    profile: str
    settings: Sequence[str]
    workers: int
    runs: Path | None
    allow_incomplete: bool

    def command(self, phase: str, stage: int, more: Sequence[str] = ()) -> str:
        """Return the command that runs another phase on the same data with the same profile.

        Args:
            phase: the other phase.
            stage: of which stage; 0 for a phase of both.
            more: further `KEY=VALUE` settings, which win over the user's.
        """
        options = ["--stage", str(stage)] * bool(stage) + ["--data", self.data, "--profile", self.profile]
        options += ["--root", str(self.root)] * bool(self.root) + ["--runs", str(self.runs)] * bool(self.runs)
        shared = (*OF_ALL_PHASES, *OF_FITS) if phase == "phase3" else OF_ALL_PHASES
        kept = [setting for setting in self.settings if setting.startswith(shared)]
        settings = [word for setting in (*kept, *more) for word in ("--set", setting)]
        return shlex.join(["lge-sweep", phase, *options, *settings])


OF_ALL_PHASES = ("source.", "curate.", "split.", "intensity.", "training.")
"""Settings that one phase must share with the next."""
OF_FITS = ("fit.", "metrics.")
"""Settings that phases 3 and 4 share."""


def run_phase(phase: str, stages: Sequence[int], request: Request) -> None:
    """Run a phase's sweeps of one or both stages and print what they found.

    Args:
        phase: name of the phase.
        stages: 1, 2 or both.
        request: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    refused: list[SelectionError] = []
    with _session(phase, stages, request) as (console, driver, configs):
        for plan in make_plans(configs, request.root, driver.runs):
            try:
                outcome = run_sweep(driver, plan, request.allow_incomplete)
            except SelectionError as error:
                refused.append(error)
                console.print(f"stage {plan.config.stage}: no selection, see the end", style="red")
                continue
            print_outcome(console, plan.title, outcome)
            if outcome.settings:
                again = request.command("phase2", plan.config.stage, outcome.settings)
                console.print(f"To train the winner again, and register it: {again}", soft_wrap=True)
                shared = [setting for setting in outcome.settings if setting.startswith(OF_ALL_PHASES)]
                then = request.command("phase3", 0, shared)
                console.print(f"And then, to make it part of the pipeline: {then}", soft_wrap=True)
            console.print(f"Tables and figures: {plan.folder}", soft_wrap=True)
        if refused:
            raise SelectionError(*(line for error in refused for line in str(error).split("\n")))


def run_phase3(request: Request, anew: bool) -> None:
    """Fit the pipeline of the two selected networks and its controls, and print how they compare on validation.

    Args:
        request: what the user asked for.
        anew: ship the pipeline although it has been shipped before, and another has taken its place since.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with _session("phase3", [1, 2], request) as (console, driver, configs):
        from lge_sweep.pipeline.fit import fit_two_stage
        from lge_sweep.pipeline.ship import compare_on_validation, ship

        fitted = fit_two_stage(driver, _by_stage(configs), request.root, request.allow_incomplete)
        driver.dismiss()  # they hold the GPU, which may be there for one process alone
        console.print()
        with progress(console, "labelling the validation subset") as say:
            comparison = compare_on_validation(driver.tracker, fitted, say)
        print_pipelines(console, comparison)
        console.print(ship(driver.tracker, fitted, comparison, anew), soft_wrap=True)
        console.print(f"Tables: {fitted.fits.folder}", soft_wrap=True)


def run_phase4(request: Request) -> None:
    """Evaluate the pipeline of phase 3 on the test subset, once, print how it compares, and say where the tables are.

    Args:
        request: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    with _session("phase4", [1, 2], request) as (console, driver, configs):
        from lge_sweep.pipeline.evaluate import evaluate_once
        from lge_sweep.pipeline.fit import find_two_stage
        from lge_sweep.pipeline.ship import show_evaluation
        from lge_sweep.pipeline.variants import shipped_words

        stages = _by_stage(configs)
        fitted = find_two_stage(driver.runs, stages, request.root, request.allow_incomplete)
        asked, shipped = stages[2].fit, shipped_words(fitted)
        if asked and asked.shipped != fitted.fit.shipped and any(s.startswith("fit.shipped") for s in request.settings):
            raise InheritError(f"phase 3 has shipped another pipeline than fit.shipped asks for: {shipped}", "phase3")
        console.print(f"shipped: {shipped}", soft_wrap=True)
        with progress(console, "labelling the test subset") as say:
            evaluation = evaluate_once(driver.runs, fitted, say)
        show_evaluation(driver.tracker, fitted, evaluation)
        print_evaluation(console, evaluation)


def _by_stage(configs: Sequence[SweepConfig]) -> dict[int, SweepConfig]:
    return {config.stage: config for config in configs}


@contextmanager
def _session(
    phase: str, stages: Sequence[int], request: Request
) -> Iterator[tuple[Terminal, Driver, list[SweepConfig]]]:
    """Say what is done and where results go, hold the runs directory, and name the command that an error asks for."""
    console, folder, began = make_console(), runs_folder(request.runs), time.monotonic()
    profile, reason = choose_profile(request.profile)
    file = "phase3" if phase == "phase4" else phase  # what is evaluated is what those settings fitted
    configs = [load_sweep(file, stage, request.data, profile, request.settings) for stage in stages]
    console.print(f"profile {profile}: {reason}", soft_wrap=True)
    console.print(f"results go to {folder.resolve()}", soft_wrap=True)
    for note in filter(None, (describe_open_folder(folder), describe_name(folder))):
        console.print(f"note: {note}", style="yellow", soft_wrap=True)
    with drive(folder, request.workers, console) as driver:
        console.print(f"reading {configs[0].data}")
        try:
            yield console, driver, configs
        except InheritError as error:
            if not error.phase:
                raise
            raise InheritError(str(error), command=request.command(error.phase, error.stage)) from None
    named = shlex.quote(str(request.runs))
    variable, option = (f" runs={named}", f" --runs {named}") if request.runs else ("", "")
    took = format_seconds(time.monotonic() - began)
    console.print()
    console.print(
        f"Finished in {took}. Compare the runs in a browser: make ui{variable} (lge-sweep ui{option})", soft_wrap=True
    )


def choose_profile(profile: str) -> tuple[str, str]:
    """Return the name of the profile to use, and why.

    Args:
        profile: a name or path, or "auto": `paper` where torch finds a CUDA device, else `laptop`.
    """
    if profile not in ("auto", "paper"):
        return profile, "as asked"
    try:
        import torch

        from lge_sweep.gpu import gpu_obstacle
    except ImportError as error:
        raise LgeSweepError(f"torch cannot be imported ({error}); run 'make install' again") from error
    obstacle = gpu_obstacle()
    if profile == "paper":
        slow = f"there is no GPU that torch can use ({obstacle}): expect seconds a step; profile laptop is for that"
        return profile, f"as asked; {slow}" if obstacle else f"as asked, on {torch.cuda.get_device_name(0)}"
    if obstacle is None:
        return "paper", f"chosen because there is a GPU ({torch.cuda.get_device_name(0)})"
    return "laptop", (
        f"chosen because there is no GPU that torch can use ({obstacle}); smaller than the paper's, its numbers are "
        "not the paper's"
    )
