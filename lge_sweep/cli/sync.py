"""What `lge-sweep sync` does: deliver to MLflow what it has missed, of all sweeps of a runs directory."""

from lge_sweep.cli.terminal import Terminal
from lge_sweep.engine import CellState, deliver, hold_runs, read_ledger
from lge_sweep.errors import IncompleteError, LgeSweepError, RunsError
from lge_sweep.paths import first_command
from lge_sweep.pipeline import deliver_pipelines
from lge_sweep.run_store import TRACKING_VARIABLE, RunStore, SweepFolder
from lge_sweep.study import is_of_earlier_version, load_plan
from lge_sweep.tracking import Tracker


def deliver_all(console: Terminal, store: RunStore) -> None:
    """Send MLflow what it lacks of every sweep, and print what was sent.

    Args:
        console: where to print.
        store: the runs directory.

    Raises:
        RunsError: there is no sweep, or a driver is using the runs directory.
        IncompleteError: MLflow is still away, or a sweep is damaged.
    """
    sweeps = [sweep for sweep in store.sweeps() if not is_of_earlier_version(sweep.settings)]
    if not sweeps:
        raise RunsError(f"{store.root}: no sweep yet; {first_command(store.root)}")
    console.explain(f"looking at what MLflow ({store.tracking_shown}) shows of {len(sweeps)} sweep(s)")
    with hold_runs(store):
        entries = {name: {cell.cell: cell for cell in cells} for name, _, cells in read_ledger(store)}
        tracker = Tracker.patient_of(store)
        sent, problems = 0, []
        for sweep in sweeps if tracker.behind is None else ():
            try:
                sent += _deliver(console, tracker, sweep, entries.get(sweep.name, {}))
            except LgeSweepError as error:
                problems.append(f"{sweep.name}: {error}")
            if tracker.behind is not None:
                break
        if tracker.behind is None:
            pipelines = deliver_pipelines(tracker, store)
            sent, problems = sent + len(pipelines.sent), problems + pipelines.problems
            if tracker.behind is None:
                console.lines(pipelines.sent)
    if tracker.behind is not None:
        problems = [
            f"MLflow is away ({tracker.behind}); what is left is sent by the same command, once it is back. "
            f"Is {TRACKING_VARIABLE} as it should be?"
        ]
    if problems:
        raise IncompleteError(sent, problems, "sweep(s) delivered; not delivered")
    console.print_line(f"MLflow ({store.tracking_shown}) shows all there is" + ", as before" * (not sent))


def _deliver(console: Terminal, tracker: Tracker, sweep: SweepFolder, entries: dict[str, CellState]) -> bool:
    """Deliver one sweep; returns whether there was something to send."""
    sent = str(deliver(tracker, load_plan(sweep.path), entries))
    if sent and tracker.behind is None:
        console.print_line(f"{sweep.name}: {sent}")
    return bool(sent)
