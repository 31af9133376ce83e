"""Serve the Optuna dashboard of a runs directory on this machine alone, to look at."""

from collections.abc import Callable

from optuna_dashboard import wsgi

from lge_sweep.engine.storage import read_storage
from lge_sweep.errors import RunsError
from lge_sweep.loopback import Page, PageServer
from lge_sweep.paths import first_command
from lge_sweep.run_store import RunStore

READ_ONLY = "Trials are shown here and not changed: they are the ledger of the sweeps. See lge-sweep select, search."


def serve_dashboard(store: RunStore, port: int, announce: Callable[[str], object]) -> None:
    """Run the dashboard until interrupted.

    Args:
        store: the runs directory.
        port: port on the loopback address.
        announce: told the address of the page.

    Raises:
        RunsError: there is nothing to show, it cannot be read, or the port is taken.
    """
    with read_storage(store) as storage:
        if storage is None:
            raise RunsError(f"{store.root}: no sweep yet; {first_command(store.root)}")
        with PageServer(port) as server:
            server.run(Page(wsgi(storage), "dashboard/", READ_ONLY), announce)
