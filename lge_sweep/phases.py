"""A phase of the study, as one command runs it: its sweeps one after the other, and what they print."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from lge_sweep.config import load_sweep
from lge_sweep.console import make_console, print_outcome
from lge_sweep.errors import InheritError, LgeSweepError, SelectionError
from lge_sweep.paths import runs_folder
from lge_sweep.sweep import Plan, drive, make_plan, run_sweep
from lge_sweep.sweep.progress import format_seconds


def run_phase(
    phase: str,
    stages: Sequence[int],
    data: str,
    root: Path | None,
    profile: str,
    settings: Sequence[str],
    workers: int,
    runs: Path | None,
    allow_incomplete: bool,
) -> None:
    """Run a phase's sweeps of one or both stages and print what they found.

    Args:
        phase: name of the phase.
        stages: 1, 2 or both.
        data: name or path of a data file.
        root: folder of the images.
        profile: name or path of a profile file, or "auto".
        settings: `KEY=VALUE` overrides.
        workers: cells trained at the same time.
        runs: folder for all results.
        allow_incomplete: select although cells failed.

    Raises:
        LgeSweepError: something the user can act on.
    """
    console, folder, began = make_console(), runs_folder(runs), time.monotonic()
    profile, reason = choose_profile(profile)
    configs = [load_sweep(phase, stage, data, profile, settings) for stage in stages]
    console.print(f"profile {profile}: {reason}")
    console.print(f"results go to {folder.resolve()}", markup=False, soft_wrap=True)
    refused: list[SelectionError] = []
    with drive(folder, workers, console) as driver:
        console.print(f"reading {configs[0].data}", markup=False)
        plans: list[Plan] = []
        for config in configs:
            try:
                plans.append(make_plan(config, root, folder))
            except InheritError as error:
                options = ["--stage", str(config.stage), "--data", data, "--profile", profile]
                options += ["--root", str(root)] * bool(root) + ["--runs", str(runs)] * bool(runs)
                kept = [setting for setting in settings if not setting.startswith(("grid.", "selection.", "metrics."))]
                options += [word for setting in kept for word in ("--set", setting)]
                raise InheritError(f"{error}\nRun first: lge-sweep phase1 {shlex.join(options)}") from None
        for plan in plans:
            config = plan.config
            try:
                outcome = run_sweep(driver, plan, allow_incomplete)
            except SelectionError as error:
                refused.append(error)
                console.print(f"stage {config.stage}: no selection, see the end", style="red")
                continue
            print_outcome(console, plan.title, outcome)
            console.print(f"Tables and figures: {plan.folder}", markup=False, soft_wrap=True)
    if refused:
        raise SelectionError("\n".join(str(error) for error in refused))
    variable, option = (f" runs={runs}", f" --runs {runs}") if runs else ("", "")
    took = format_seconds(time.monotonic() - began)
    console.print(
        f"\nFinished in {took}. Compare the runs in a browser: make ui{variable} (lge-sweep ui{option})",
        markup=False,
        soft_wrap=True,
    )


def choose_profile(profile: str) -> tuple[str, str]:
    """Return the name of the profile to use, and why.

    Args:
        profile: a name or path, or "auto": `paper` where torch finds a CUDA device, else `laptop`.
    """
    if profile != "auto":
        return profile, "as asked"
    try:
        import torch
    except ImportError as error:
        raise LgeSweepError(f"torch cannot be imported ({error}); run 'make install' again") from error
    if torch.cuda.is_available():
        return "paper", f"chosen because there is a GPU ({torch.cuda.get_device_name(0)})"
    return "laptop", "chosen because there is no GPU; smaller than the paper's, its numbers are not the paper's"
