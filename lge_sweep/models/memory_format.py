"""In which order a network's numbers lie best in memory here: measured once a machine, where that pays."""

import logging
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import filelock
import torch
from pydantic import BaseModel, Field, ValidationError

from lge_sweep.atomic import write_text
from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES, MemoryFormat
from lge_sweep.config.schema import Training
from lge_sweep.labels import STAGES
from lge_sweep.models.hardware import Hardware, machine_name
from lge_sweep.models.module import SegmentationModule, build_module

MEMORY_FORMAT_NAMES: tuple[MemoryFormat, ...] = get_args(MemoryFormat)
WORTH_MEASURING = 400
"""Steps of a training from which on measuring pays: it takes ten."""
STEPS = 4
"""Steps that are measured of each, after one that is not."""
MARGIN = 0.05
"""What is usual for a network stays, unless the other takes less than its time by so much: machines are noisy."""
_log = logging.getLogger(__name__)


class Speeds(BaseModel):
    """`speeds.json`, beside the runs: what was measured here. It may be removed; it is measured again."""

    format: int = 1
    seconds: dict[str, dict[MemoryFormat, float]] = Field(default_factory=dict)
    """Machine, network and shape -> seconds of a step in each memory format."""


@dataclass(frozen=True)
class Bench:
    """Where and of what a step is measured.

    Attributes:
        cell: the network, its loss and its optimizer.
        training: its options.
        hardware: where it is trained.
    """

    cell: Cell
    training: Training
    hardware: Hardware

    @property
    def key(self) -> str:
        """What the time of a step depends on."""
        training, hardware = self.training, self.hardware
        shape = f"{training.batch_size}x3x{training.image_size}x{training.image_size}"
        network = f"{self.cell.model}, width {training.width:g}, {shape}"
        return f"{machine_name(hardware)}, {hardware.threads} thread(s), {hardware.precision}: {network}"

    @property
    def usual(self) -> MemoryFormat:
        """Return what is usual for the network: on a GPU, what its fast units take."""
        return "channels_last" if self.hardware.accelerator == "gpu" else ARCHITECTURES[self.cell.model].memory_format

    def measure(self) -> dict[MemoryFormat, float]:
        """Return the seconds of a training step in each memory format, in turns; the median of some."""
        steppers = {name: self._stepper(name) for name in MEMORY_FORMAT_NAMES}
        seconds: dict[MemoryFormat, list[float]] = {name: [] for name in MEMORY_FORMAT_NAMES}
        for turn in range(1 + STEPS):
            for name, step in steppers.items():
                began = time.perf_counter()
                step.take()
                if turn:
                    seconds[name].append(time.perf_counter() - began)
        return {name: statistics.median(times) for name, times in seconds.items()}

    def _stepper(self, memory_format: MemoryFormat) -> "_Stepper":
        module = build_module(self.cell, self.training, pretrained=False).lay_out(memory_format)
        return _Stepper(module.to(self.hardware.torch_device()), self.training, self.hardware)


class _Stepper:
    """Trains a network on noise."""

    def __init__(self, module: SegmentationModule, training: Training, hardware: Hardware) -> None:
        self.module, self.hardware = module.train(), hardware
        self.optimizer = module.configure_optimizers()
        shape = (training.batch_size, training.image_size, training.image_size)
        device, classes = hardware.torch_device(), len(STAGES[module.cell.stage])
        self.image = torch.randint(0, 256, (shape[0], 3, *shape[1:]), dtype=torch.uint8).to(device)
        self.target = torch.randint(0, classes, shape).to(device)

    def take(self) -> None:
        """Take one step, and wait for its end."""
        with self.hardware.autocast():
            scores = self.module(self.image)
        self.module.loss(scores, self.target).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.hardware.accelerator == "gpu":
            torch.cuda.synchronize(self.hardware.torch_device())


def choose_memory_format(bench: Bench, steps: int, path: Path) -> MemoryFormat:
    """Choose the order of a network's numbers in memory, and say in the log why.

    What `training.memory_format` names is taken. Else a training of 400 steps and more measures both once a machine
    and keeps the answer for every other; a shorter one takes what is usual for the network.

    Args:
        bench: the network and where it is trained.
        steps: most optimizer steps of the training.
        path: `speeds.json`.
    """
    named, usual = bench.training.memory_format, bench.usual
    if named != "auto":
        _log.info("memory format %s: training.memory_format says so", named)
        return named
    if steps < WORTH_MEASURING:
        _log.info("memory format %s: usual for %s; %d steps are too few to measure", usual, bench.cell.model, steps)
        return usual
    seconds = _look_up_or_measure(bench, path)
    other = next(name for name in MEMORY_FORMAT_NAMES if name != usual)
    chosen = other if seconds[other] < (1 - MARGIN) * seconds[usual] else usual
    listed = ", ".join(f"{name} {1000 * value:.0f} ms a step" for name, value in seconds.items())
    _log.info("memory format %s: measured here (%s; %s)", chosen, listed, path)
    return chosen


def _look_up_or_measure(bench: Bench, path: Path) -> dict[MemoryFormat, float]:
    """Return the seconds of a step; one process at a time measures, and others take what it has found."""
    with filelock.FileLock(path.with_suffix(".lock")):
        speeds = _read(path)
        if bench.key not in speeds.seconds:
            speeds.seconds[bench.key] = bench.measure()
            write_text(path, speeds.model_dump_json(indent=1))
        return speeds.seconds[bench.key]


def _read(path: Path) -> Speeds:
    """Read what was measured; what cannot be read is measured again."""
    try:
        return Speeds.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Speeds()
