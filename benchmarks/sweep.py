"""What a sweep takes, beside a bare loop (floor) and the same written with well-kept libraries (peer).

Command: .venv/bin/python benchmarks/sweep.py [--full] [--root FOLDER] [--steps 32] [--size 96] [--workers N]

Stage 1, five architectures, batch 8, on a GPU where there is one. Ours is `lge-sweep phase1` as users run it, into a
fresh runs directory: data read, split and prepared, training, validation, metrics, figures, MLflow, ranking; profile
`laptop` without the moving average of weights (`training.ema=null`), which floor and peer do not have. Each contender
is a process of its own; they take turns, floor first and last, and a ratio is of one round: to the mean of the floor
before and after it. See floor.py and peer.py for what the two do. Without `--root`, data are simulated exams, written
as PNG pairs first. "In the cells" is what a cell's outcome.json says (`training`: fit with its validations; `all`:
prediction, metrics and figures, too), of a second run with one worker, whose threads are the floor's. "Whole" is the
wall time of the command, from start to end. The peer computes in Lightning's default number format, fp32; with --full
also in the program's. Floor and peer wait for other programs as the program's workers do (GOMP_SPINCOUNT), else they
would suffer more on a busy machine.
"""

import itertools
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from section import CHECKOUT, Figure, Options, Section, program, ratios, run, run_alone, say

from lge_sweep.config import load_sweep
from lge_sweep.config.architectures import BASELINE
from lge_sweep.study import prepare_data

HERE = Path(__file__).parent
WAITING = {"GOMP_SPINCOUNT": "5000"}
PHANTOM = """
source: {kind: phantom, cases: 24, slices: 6, seed: 0}
curate: {slices: all}
split: {unit: case, fractions: [0.60, 0.15, 0.25], seed: 0}
"""
Cells = dict[str, float]
"""Architecture -> seconds."""


@dataclass(frozen=True)
class Task:
    """One sweep: what all contenders do.

    Attributes:
        folder: image pairs.
        data: the program's data file of it.
        steps: optimizer steps of a cell.
        size: rows and columns.
        workers: as of `Options`.
        place: folder for what contenders write.
    """

    folder: Path
    data: str
    steps: int
    size: int
    workers: int | None
    place: Path

    @property
    def settings(self) -> list[str]:
        """What is set beside the profile: all steps are done, whatever is learned."""
        return [
            f"training.max_steps={self.steps}", f"training.image_size={self.size}", "training.ema=null",
            "training.max_epochs=1000", "training.patience=1000",
        ]  # fmt: skip

    @property
    def log(self) -> Path:
        """What contenders print."""
        return self.place / "log.txt"

    def count_validation(self) -> int:
        """Return how many slices the program validates on."""
        config = load_sweep("phase1", 1, self.data, "laptop", self.settings)
        return len(prepare_data(config, self.folder, self.place / "prepared").rows("val"))


@dataclass
class Times:
    """Seconds of each round."""

    floor: list[Cells] = field(default_factory=list)
    training: list[Cells] = field(default_factory=list)
    all: list[Cells] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    peer: dict[str, list[float]] = field(default_factory=dict)
    peer_cells: dict[str, list[Cells]] = field(default_factory=dict)
    precision: str = ""

    def floor_around(self) -> list[float]:
        """Return the floor of each round: the mean of the one before it and the one after it."""
        sums = [sum(cells.values()) for cells in self.floor]
        return [(before + after) / 2 for before, after in itertools.pairwise(sums)]


def run_floor(task: Task, validation: int, times: Times) -> None:
    file = task.place / "floor.json"
    words = ("--steps", task.steps, "--size", task.size, "--validation", validation)
    run([sys.executable, str(HERE / "floor.py"), str(file), *map(str, words)], task.log, WAITING)
    times.floor.append(json.loads(file.read_text(encoding="utf-8")))


def run_ours(task: Task, times: Times) -> None:
    """Run the sweep as users do, and then with one worker, whose cells have the threads that the floor has."""
    times.ours.append(_sweep(task, task.workers)[0])
    seconds, records = _sweep(task, 1)
    times.one.append(seconds)
    times.precision = records[0]["hardware"]["precision"]
    for part, cells in (("training", times.training), ("all", times.all)):
        cells.append({record["cell"]["model"]: record["seconds"][part] for record in records})


def _sweep(task: Task, workers: int | None) -> tuple[float, list[dict[str, Any]]]:
    """Run the sweep; returns its seconds, and what each cell's `outcome.json` says."""
    with tempfile.TemporaryDirectory(dir=task.place) as runs:
        words: list[object] = ["phase1", "--stage", 1, "--data", task.data, "--root", task.folder, "--runs", runs]
        words += ["--profile", "laptop", *(["--workers", workers] if workers else [])]
        words += [word for setting in task.settings for word in ("--set", setting)]
        seconds = run(program(*words), task.log)
        records = [json.loads(path.read_text(encoding="utf-8")) for path in Path(runs).glob("*/cells/*/outcome.json")]
    assert len(records) == len(BASELINE)
    assert all(record["training"]["steps"] == task.steps for record in records)
    return seconds, records


def run_peer(task: Task, validation: int, precision: str, times: Times) -> None:
    file = task.place / "peer.json"
    words = ("--steps", task.steps, "--size", task.size, "--validation", validation, "--precision", precision)
    command = [sys.executable, str(HERE / "peer.py"), str(task.folder), str(file), *map(str, words)]
    times.peer.setdefault(precision, []).append(run(command, task.log, WAITING))
    times.peer_cells.setdefault(precision, []).append(json.loads(file.read_text(encoding="utf-8")))


def compare(task: Task, rounds: int, also_ours: bool) -> Section:
    """Let the contenders take turns.

    Args:
        task: what they do.
        rounds: how often.
        also_ours: whether the peer is also run in the program's number format.
    """
    times, validation = Times(), task.count_validation()
    say(f"sweep at {task.size} px: floor")
    run_floor(task, validation, times)
    for number in range(1, rounds + 1):
        where = f"sweep at {task.size} px, round {number} of {rounds}"
        say(f"{where}: ours")
        run_ours(task, times)
        for precision in dict.fromkeys(["32-true", *([times.precision] if also_ours else [])]):
            say(f"{where}: peer, {precision}")
            run_peer(task, validation, precision, times)
        say(f"{where}: floor")
        run_floor(task, validation, times)
    return _section(task, times, validation)


def _section(task: Task, times: Times, validation: int) -> Section:
    contenders = {"floor": times.floor, f"ours, training, {times.precision}": times.training, "ours, all": times.all}
    contenders |= {f"peer, {precision}": cells for precision, cells in times.peer_cells.items()}
    figures = [
        Figure(f"{model}: {name}", "s", [one[model] for one in cells])
        for model in BASELINE
        for name, cells in contenders.items()
    ]
    floor, ours = times.floor_around(), times.ours
    figures += [
        Figure("whole: floor", "s", floor),
        Figure("whole: ours", "s", ours),
        Figure("whole: ours, one worker", "s", times.one),
    ]
    figures += [Figure(f"whole: peer, {precision}", "s", found) for precision, found in times.peer.items()]
    figures += [
        ratios("in the cells, training: ours / floor", [sum(cells.values()) for cells in times.training], floor),
        ratios("in the cells, all: ours / floor", [sum(cells.values()) for cells in times.all], floor),
        ratios("whole: ours / floor", ours, floor),
        ratios("whole: ours, one worker / floor", times.one, floor),
    ]
    for precision, found in times.peer.items():
        figures += [
            ratios(f"whole: peer, {precision} / floor", found, floor),
            ratios(f"whole: peer, {precision} / ours", found, ours),
        ]
    title = f"sweep: {len(BASELINE)} architectures, {task.steps} steps, {task.size} px"
    settings = {"steps": task.steps, "size": task.size, "validation": validation, "workers": task.workers}
    return Section(title, figures, settings=settings)


def write_phantom(place: Path) -> tuple[Path, str]:
    """Write simulated exams as PNG pairs; returns their folder and their data file."""
    say("sweep: writing simulated exams")
    (place / "phantom.yaml").write_text(PHANTOM, encoding="utf-8")
    folder = place / "pairs"
    run(program("data", "convert", folder, "--data", place / "phantom.yaml", "--format", "png"), place / "log.txt")
    return folder, str(folder / "pairs.yaml")


def measure(options: Options) -> Sequence[Section]:
    """Run the sweep as asked for; with `full` longer, and also at the paper's size."""
    tasks = [(options.steps or (64 if options.full else 32), options.size or 96)]
    if options.full and not options.size:
        tasks.append((8, 320))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pairs = (options.root.resolve(), "emidec_png") if options.root else write_phantom(place)
        say("sweep: reading libraries from the disk")
        for script in ("floor.py", "peer.py"):
            run([sys.executable, str(HERE / script), "--help"], place / "log.txt")
        run(program("status", "--runs", CHECKOUT / "benchmarks"), place / "log.txt")
        rounds = options.rounds or (3 if options.full else 1)
        return [
            compare(Task(*pairs, steps, size, options.workers, place), rounds, options.full) for steps, size in tasks
        ]


if __name__ == "__main__":
    run_alone(__doc__, measure)
