"""Serve the Optuna dashboard of a runs directory on this machine alone."""

from contextlib import suppress
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna_dashboard import wsgi

from lge_sweep.errors import RunsError
from lge_sweep.loopback import HOST, check_port, open_when_up
from lge_sweep.sweep.ledger import JOURNAL
from lge_sweep.terminal import say


def serve(runs: Path, port: int, browser: bool) -> None:
    """Run the dashboard until interrupted.

    Args:
        runs: the runs directory.
        port: port on the loopback address.
        browser: open a browser once the server answers.

    Raises:
        RunsError: there is nothing to show, or the port is taken.
    """
    journal = runs / JOURNAL
    if not journal.is_file():
        raise RunsError(f"{runs}: no sweep yet; begin with 'make phase1' (lge-sweep phase1)")
    check_port(port)
    address = f"http://{HOST}:{port}/dashboard/"
    say(f"Optuna dashboard of {runs}: {address}", "Look, but delete nothing there: it is the ledger.")
    say("Stop it with Ctrl-C.")
    if browser:
        open_when_up(address, address)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    with suppress(KeyboardInterrupt), make_server(HOST, port, wsgi(storage), handler_class=_Quiet) as server:
        server.serve_forever()


class _Quiet(WSGIRequestHandler):
    """Does not print every request."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""
