"""The command that says what this machine is good for."""

import typer

from lge_sweep.cli.options import RunsOption
from lge_sweep.cli.reporting import reporting


def doctor(runs: RunsOption = None) -> None:
    """Say whether sweeps can run here, what makes them slow and why, and what to do; ends with 1 if something broke."""
    with reporting() as console:
        from lge_sweep.cli.doctor.examination import examine, print_examination

        examination = examine(runs)
        print_examination(console, examination)
        if examination.findings("broken"):
            raise typer.Exit(1)
