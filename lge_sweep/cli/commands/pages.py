"""The commands that serve pages for a browser on this machine."""

import threading
import webbrowser
from collections.abc import Callable

from lge_sweep.cli.options import BrowserOption, PortOption, RunsOption
from lge_sweep.cli.reporting import reporting
from lge_sweep.cli.terminal import Terminal
from lge_sweep.run_store import RunStore


def ui(runs: RunsOption = None, port: PortOption = 5000, browser: BrowserOption = True) -> None:
    """Serve the MLflow UI on 127.0.0.1, opened on the experiment."""
    with reporting() as console:
        from lge_sweep.tracking import EXPERIMENT, other_views, serve_ui, server_page

        store = RunStore.open(runs)
        page = server_page(store)
        if page is None:
            title = f"MLflow UI of {store.root}, experiment {EXPERIMENT}:"
            serve_ui(store, port, _announcer(console, title, browser, other_views))
            return
        console.lines([f"The MLflow UI is the server's, experiment {EXPERIMENT}:", page, *other_views(page)])
        if browser:
            webbrowser.open(page)


def dashboard(runs: RunsOption = None, port: PortOption = 8080, browser: BrowserOption = True) -> None:
    """Serve the Optuna dashboard on 127.0.0.1, opened on the latest search: the trials of every sweep."""
    with reporting() as console:
        from lge_sweep.engine import all_sweeps, serve_dashboard

        store = RunStore.open(runs)
        title = f"Optuna dashboard of {store.root}, to look at:"
        serve_dashboard(store, port, _announcer(console, title, browser, all_sweeps))


def _announcer(
    console: Terminal, title: str, browser: bool, others: Callable[[str], list[str]] = lambda address: []
) -> Callable[[str], None]:
    """Return what prints the address of a page, with others that there are, and opens it in a browser if asked to."""

    def announce(address: str) -> None:
        console.lines([title, address, *others(address), "Stop it with Ctrl-C."])
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    return announce
