"""What the driver, the ledger, MLflow and the file system carry in a large sweep: constants measured, and a simulation.

    python benchmarks/scale.py                                   # 10,000 cells on 200 nodes, from the constants below
    python benchmarks/scale.py --cells 1000 --nodes 50 --minutes 5
    MLFLOW_TRACKING_URI=http://HOST:5000 python benchmarks/scale.py --measure     # the constants, on a server of yours

The simulation follows every cell: the one driver gives it to a node, hears each validation and the end, writes ledger
and MLflow, one thing after the other. A node whose cell has ended waits until the driver has time for it. Cells take
`--minutes` on average, each by chance between half and one and a half times as long.
"""

import argparse
import heapq
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lge_sweep.engine.loop import CURVES

VALIDATIONS = 12


@dataclass(frozen=True)
class Constants:
    """What one cell costs. Measured: see docs/scale.md.

    Attributes:
        ledger_seconds: of the driver, to begin and complete a trial.
        ledger_statements: sent to a database for that.
        ledger_bytes: that the ledger grows by.
        show_seconds: of the driver, to show a validation in MLflow.
        show_calls: to MLflow's server for that.
        complete_seconds: of the driver, to read a finished cell, show all of it and open the next.
        complete_calls: to MLflow's server for that.
        mlflow_bytes: sent to MLflow's server in all.
        folder_bytes: of a cell's folder, without its weights.
        folder_files: in it.
    """

    ledger_seconds: float = 0.1
    ledger_statements: int = 52
    ledger_bytes: int = 2100
    show_seconds: float = 0.25
    show_calls: int = 2
    complete_seconds: float = 1.1
    complete_calls: int = 13
    mlflow_bytes: int = 179_000
    folder_bytes: int = 160_000
    folder_files: int = 8


@dataclass
class Outcome:
    """What a simulated sweep came to.

    Attributes:
        seconds: it took.
        busy: of them, the driver's work.
        longest: an event waited for the driver.
        idle: nodes waited for it, all together.
        calls: were sent to MLflow.
    """

    seconds: float
    busy: float
    longest: float
    idle: float
    calls: int


def simulate(cells: int, nodes: int, minutes: float, cost: Constants, seed: int = 0) -> Outcome:
    """Simulate a sweep.

    Args:
        cells: how many there are.
        nodes: how many are done at once.
        minutes: that one takes.
        cost: what one costs.
        seed: of their durations.
    """
    draw = random.Random(seed)
    events: list[tuple[float, int, int]] = []  # when, node, validations left
    gap = [0.0] * nodes
    left, now, busy, longest, idle, done, curves_at, calls = cells, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0

    def begin(node: int) -> None:
        nonlocal left
        left -= 1
        gap[node] = 60 * minutes * draw.uniform(0.5, 1.5) / (VALIDATIONS + 1)
        heapq.heappush(events, (now + gap[node], node, VALIDATIONS))

    for node in range(min(nodes, cells)):
        now += cost.ledger_seconds / 2
        begin(node)
    while events:
        told, node, validations = heapq.heappop(events)
        longest = max(longest, now - told)
        now = max(now, told)
        shows = validations and now >= curves_at
        work = cost.show_seconds * bool(shows) if validations else cost.ledger_seconds + cost.complete_seconds
        calls += cost.show_calls * bool(shows) if validations else cost.complete_calls
        now, busy = now + work, busy + work
        if shows:
            curves_at = now + CURVES * work
        if validations:
            heapq.heappush(events, (told + gap[node], node, validations - 1))
            continue
        done += 1
        idle += now - told
        if left:
            begin(node)
    assert done == cells
    return Outcome(now, busy, longest, idle, calls)


def show(cells: int, nodes: int, minutes: float, cost: Constants) -> None:
    """Simulate, and print a line of the table in docs/scale.md."""
    found = simulate(cells, nodes, minutes, cost)
    ideal = cells * minutes * 60 / nodes
    print(
        f"| {minutes:g} min | {found.seconds / 3600:.1f} h ({100 * found.seconds / ideal - 100:+.0f} %) | "
        f"{100 * found.busy / found.seconds:.0f} % | {found.longest:.1f} s | "
        f"{100 * found.idle / (nodes * found.seconds):.1f} % | {cells * cost.ledger_statements / found.seconds:.0f} | "
        f"{found.calls / found.seconds:.0f} |"
    )


@contextmanager
def counting(into: Counter[str]) -> Any:
    """Count the calls and the bytes that are sent to a server meanwhile."""
    import requests

    send = requests.Session.send

    def count(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        body = request.body
        into["calls"] += 1
        into["bytes"] += len(body) if isinstance(body, (str, bytes)) else Path(getattr(body, "name", "")).stat().st_size
        return send(session, request, **options)

    requests.Session.send = count  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


def measure(repeats: int = 5) -> None:
    """Train one tiny cell, show it in MLflow again and again as another trial, and print what that takes."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from untrained import grid_of_two

    from lge_sweep.engine.executors.perform import perform
    from lge_sweep.engine.publish import open_sweep
    from lge_sweep.engine.task import make_task
    from lge_sweep.engine.trial_view import TrackedSweep
    from lge_sweep.run_store import RunStore
    from lge_sweep.study import CellRecord, read_record, read_result
    from lge_sweep.tracking import Tracker

    with tempfile.TemporaryDirectory() as folder:
        plan = grid_of_two(Path(folder))
        cell = plan.cells[0]
        print(perform(make_task(plan, cell), lambda progress: False))
        files = [path for path in plan.cell_files(cell).path.iterdir() if path.name != "best.pt"]
        print(f"folder: {len(files) + 1} files, {sum(path.stat().st_size for path in files)} bytes without weights")
        tracker = Tracker(RunStore.open(Path(folder)))
        view = TrackedSweep(tracker, plan, open_sweep(tracker, plan))
        for trial in range(repeats):
            shown, whole = Counter[str](), Counter[str]()
            with counting(whole):
                began = time.perf_counter()
                opened = view.open_trial(cell, trial)
                opening = time.perf_counter() - began
                with counting(shown):
                    began = time.perf_counter()
                    opened.show_curves()
                    showing = time.perf_counter() - began
                began = time.perf_counter()
                record = read_record(CellRecord, plan.cell_files(cell).outcome)
                opened.complete(record, read_result(record, plan, cell))
            print(
                f"open {opening:.3f} s; show curves {showing:.3f} s, {shown['calls']} calls; complete "
                f"{time.perf_counter() - began:.3f} s; in all {whole['calls']} calls, {whole['bytes']} bytes"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--minutes", type=float, nargs="+", default=[60, 15, 5, 2])
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    if options.measure:
        measure()
        return
    cost = Constants()
    print(f"{options.cells} cells on {options.nodes} nodes, {cost}\n")
    print(
        "| a cell takes | the sweep | driver busy | longest wait for it | nodes idle | statements a second to the "
        "ledger | calls a second to MLflow |\n|---|---|---|---|---|---|---|"
    )
    for minutes in options.minutes:
        show(options.cells, options.nodes, minutes, cost)
    print(
        f"\nin all: ledger {options.cells * cost.ledger_bytes / 1e6:.0f} MB, MLflow "
        f"{options.cells * cost.mlflow_bytes / 1e9:.1f} GB, folders {options.cells * cost.folder_bytes / 1e9:.1f} GB "
        f"in {options.cells * cost.folder_files} files, without weights"
    )


if __name__ == "__main__":
    main()
