"""Serve the Optuna dashboard of a runs directory on this machine alone, to look at."""

from pathlib import Path

from optuna_dashboard import wsgi

from lge_sweep.engine.journal import JOURNAL, open_journal
from lge_sweep.errors import RunsError
from lge_sweep.loopback import PageServer
from lge_sweep.paths import first_command
from lge_sweep.terminal import say

READ_ONLY = "Trials are shown here and not changed: they are the ledger of the sweeps. See lge-sweep select, search."


def serve(runs: Path, port: int, browser: bool) -> None:
    """Run the dashboard until interrupted.

    Args:
        runs: the runs directory.
        port: port on the loopback address.
        browser: open a browser window.

    Raises:
        RunsError: there is nothing to show, it cannot be read, or the port is taken.
    """
    if not (runs / JOURNAL).is_file():
        raise RunsError(f"{runs}: no sweep yet; {first_command(runs)}")
    with PageServer(port) as server:
        application = wsgi(open_journal(runs))
        say(f"Optuna dashboard of {runs}, to look at:")
        server.run(application, "dashboard/", browser, READ_ONLY)
