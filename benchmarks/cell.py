"""What a cell takes beside a bare loop of the same network, steps and validations, in turns in one process.

Command: .venv/bin/python benchmarks/cell.py [--steps 48] [--size 96] [--rounds 3]

For each architecture, again and again: the bare loop (floor.py), the cell as workers execute it (data, training,
checkpoints, prediction, metrics, figures, records; no moving average, which the loop does not have), and the bare loop
again. A ratio is of one turn: to the mean of the two loops beside the cell, so that a machine whose speed changes from
minute to minute changes it little. The loop has the cell's number format, memory format and, on a GPU, its CUDA graphs;
what they are is chosen, and if need be measured, beforehand. Data are simulated exams; sizes are those of step.py.
"training" is the fit with its validations, "all" is everything from the task to the cell's record.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import floor
import torch
from section import Figure, Options, Section, ratios, run_alone, say
from step import as_profile

from lge_sweep.config import Cell, load_sweep
from lge_sweep.engine.task import make_task
from lge_sweep.engine.train import execute
from lge_sweep.models import Bench, choose_execution, find_hardware
from lge_sweep.study import CellRecord, Plan, make_plans, read_record


@dataclass
class Turns:
    """Seconds of each turn.

    Attributes:
        floor: the bare loop, mean of before and after.
        training: the cell's fit.
        all: the whole cell.
    """

    floor: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)


def plan_cells(size: int | None, steps: int, runs: Path) -> Plan:
    """Plan the cells of stage 1, which do all their steps whatever they learn."""
    profile = as_profile(size)
    settings = {
        "image_size": profile.image_size, "width": profile.width, "encoder_weights": profile.encoder_weights,
        "max_steps": steps, "max_epochs": 1000, "patience": 1000, "ema": "null",
    }  # fmt: skip
    words = [f"training.{name}={value}" for name, value in settings.items()]
    return make_plans([load_sweep("phase1", 1, "phantom", "laptop", words)], None, runs)[0]


def take_turns(plan: Plan, cell: Cell, rounds: int) -> Turns:
    """Let the bare loop and a cell take turns, so often."""
    task, files, turns = make_task(plan, cell), plan.cell_files(cell), Turns()
    steps, validation = task.training.max_steps, len(task.subsets["val"])
    assert steps is not None
    bench = Bench(cell, task.training, find_hardware(task.training))
    chosen = choose_execution(bench, steps, task.speeds)
    training = task.training.model_copy(update={"memory_format": chosen.memory_format, "execution": chosen.mode})
    for number in range(rounds):
        say(f"cell: {cell.model}, turn {number + 1} of {rounds}")
        before = floor.train(cell.model, training, steps, validation)
        shutil.rmtree(files.path, ignore_errors=True)
        execute(task, lambda _: False)
        seconds = read_record(CellRecord, files.outcome).seconds
        turns.floor.append((before + floor.train(cell.model, training, steps, validation)) / 2)
        turns.training.append(seconds.training)
        turns.all.append(seconds.all)
    return turns


def measure(options: Options) -> Sequence[Section]:
    """Measure all architectures."""
    steps, rounds = options.steps or (96 if options.full else 48), options.rounds or (3 if options.full else 1)
    figures: list[Figure] = []
    sums = Turns(*([0.0] * rounds for _ in range(3)))
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_cells(options.size, steps, Path(folder))
        for cell in plan.cells:
            turns = take_turns(plan, cell, rounds)
            figures += [
                Figure(f"{cell.model}: floor", "s", turns.floor),
                ratios(f"{cell.model}: training / floor", turns.training, turns.floor),
                ratios(f"{cell.model}: all / floor", turns.all, turns.floor),
            ]
            sums = Turns(
                *(
                    [a + b for a, b in zip(x, y, strict=True)]
                    for x, y in zip(astuple(sums), astuple(turns), strict=True)
                )
            )
    figures += [
        ratios(f"{len(plan.cells)} networks: training / floor", sums.training, sums.floor),
        ratios(f"{len(plan.cells)} networks: all / floor", sums.all, sums.floor),
    ]
    training = plan.config.training
    title = f"cell: {steps} steps, {training.image_size} px, width {training.width:g}"
    return [Section(title, figures, settings={"steps": steps, "threads": torch.get_num_threads()})]


if __name__ == "__main__":
    run_alone(__doc__, measure)
