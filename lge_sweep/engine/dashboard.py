"""Serve the Optuna dashboard of a runs directory on this machine alone, to look at."""

from collections.abc import Callable

from optuna_dashboard import wsgi

from lge_sweep.engine.storage import StudyNames, read_storage
from lge_sweep.errors import RunsError
from lge_sweep.loopback import Page, PageServer
from lge_sweep.paths import first_command
from lge_sweep.run_store import RunStore

ALL = "dashboard/"
"""Optuna's page of all studies; `studies/` and an id after it is one."""
READ_ONLY = "Trials are shown here and not changed: they are the ledger of the sweeps. See lge-sweep select, search."


def serve_dashboard(store: RunStore, port: int, announce: Callable[[str], object]) -> None:
    """Run the dashboard until interrupted, opened on the search that was begun last, if there is one.

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
        names = StudyNames.of(store)
        own = [study for study in storage.get_all_studies() if names.sweep(study.study_name) is not None]
        searches = [study._study_id for study in own if "trials" in study.user_attrs]
        path = ALL + (f"studies/{max(searches)}" if searches else "")
        with PageServer(port) as server:
            server.run(Page(wsgi(storage), path, READ_ONLY), announce)


def all_sweeps(address: str) -> list[str]:
    """Return the line that says where all sweeps are, given where one of them is shown."""
    start, found, _ = address.partition(f"/{ALL}studies/")
    return [f"All sweeps: {start}/{ALL}"] if found else []
