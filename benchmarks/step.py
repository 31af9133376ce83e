"""What a training step takes in each way that it can be computed: number format, memory format, layers or CUDA graphs.

Command: .venv/bin/python benchmarks/step.py [--full] [--size 96] [--rounds 1]

Each architecture, batch 8, on noise: forward pass, loss, backward pass, optimizer. The ways of a number format take
turns, step by step; compare only numbers of one run. On a GPU: full width and 320 pixels, as the profile `paper`, else
a quarter of the width and 96, as `laptop`; with --full also `torch.compile`, and how long it takes to compile and take
five steps: the first time, and once more when its cache has the answers.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import get_args

import torch
from section import Figure, Options, Section, run_alone, say, seconds

from lge_sweep.config import Cell
from lge_sweep.config.architectures import BASELINE, ExecutionMode, MemoryFormat
from lge_sweep.config.schema import Training
from lge_sweep.gpu import gpu_obstacle
from lge_sweep.models import Bench, Execution, find_hardware

GPU = gpu_obstacle() is None


def as_profile(size: int | None, **more: object) -> Training:
    """Return the options of the profile that is usual for this machine, as far as they decide a step's time."""
    profile = {"width": 1.0, "image_size": 320} if GPU else {"width": 0.25, "image_size": 96}
    return Training.model_validate(
        {**profile, "encoder_weights": "none", **({"image_size": size} if size else {}), **more}
    )


def measure_model(model: str, training: Training, rounds: int, compiled: bool) -> Iterator[Figure]:
    """Measure one architecture in one number format."""
    bench = Bench(Cell(1, model, "cross_entropy", "adam", 0), training, find_hardware(training))
    wanted: dict[ExecutionMode, bool] = {"eager": True, "graphs": GPU, "compile": compiled}
    modes = [mode for mode, included in wanted.items() if included]
    ways = [Execution(memory_format, mode) for mode, memory_format in product(modes, get_args(MemoryFormat))]
    title = f"{model}, {bench.hardware.precision}"
    for way in ways if compiled else ():
        if way.mode == "compile":
            took = [seconds(partial(bench.measure, [way])) for _ in range(2)]
            torch.compiler.reset()
            yield Figure(f"{title}, {way}: with compiling, first and again", "s", took)
    found = [bench.measure(ways) for _ in range(rounds)]
    for way in ways:
        if times := [1000 * steps[str(way)] for steps, _ in found if str(way) in steps]:
            yield Figure(f"{title}, {way}", "ms", times)
    for name, reason in found[-1][1].items():
        say(f"{title}, {name} cannot be taken: {reason}")


def measure(options: Options) -> Sequence[Section]:
    """Measure all architectures, in single precision and in bfloat16."""
    rounds = options.rounds or 1
    figures: list[Figure] = []
    training = as_profile(options.size)
    for model, precision in product(BASELINE, ("fp32", "bf16")):
        say(f"step: {model}, {precision}")
        figures += measure_model(model, training.model_copy(update={"precision": precision}), rounds, options.full)
    settings = {"size": training.image_size, "width": training.width, "threads": torch.get_num_threads()}
    return [
        Section(
            f"step: batch {training.batch_size}, {training.image_size} px, width {training.width:g}",
            figures,
            settings=settings,
        )
    ]


if __name__ == "__main__":
    run_alone(__doc__, measure)
