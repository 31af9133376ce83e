"""Serve the Optuna dashboard of a runs directory on this machine alone, to look at."""

from collections.abc import Callable
from pathlib import Path

from optuna_dashboard import wsgi

from lge_sweep.engine.journal import JOURNAL, open_journal
from lge_sweep.errors import RunsError
from lge_sweep.loopback import Page, PageServer
from lge_sweep.paths import first_command

READ_ONLY = "Trials are shown here and not changed: they are the ledger of the sweeps. See lge-sweep select, search."


def serve(runs: Path, port: int, announce: Callable[[str], object]) -> None:
    """Run the dashboard until interrupted.

    Args:
        runs: the runs directory.
        port: port on the loopback address.
        announce: told the address of the page.

    Raises:
        RunsError: there is nothing to show, it cannot be read, or the port is taken.
    """
    if not (runs / JOURNAL).is_file():
        raise RunsError(f"{runs}: no sweep yet; {first_command(runs)}")
    with PageServer(port) as server:
        server.run(Page(wsgi(open_journal(runs)), "dashboard/", READ_ONLY), announce)
