"""How fast training steps are on this machine beside what else is done there, to choose how it is shared."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lge_sweep.config import Cell
from lge_sweep.config.schema import Training
from lge_sweep.models.execution import Bench, Stepper, free_gpu
from lge_sweep.models.hardware import Hardware, find_hardware

LEAST = 2
"""Steps that are taken at least."""


@dataclass(frozen=True)
class PaceMeter:
    """Takes training steps on noise.

    Attributes:
        cell: the network, its loss and its optimizer.
        training: its options.
        worker: number of the process on this machine, which decides its GPU.
        threads: processor threads that compute.
    """

    cell: Cell
    training: Training
    worker: int
    threads: int

    def measure(self, seconds: float, begin: Callable[[], object]) -> tuple[float, float]:
        """Take steps for a while, computed as is usual for the network.

        Args:
            seconds: how long.
            begin: called when all is ready; returns when it is time to begin.

        Returns:
            Seconds of a step, median of all that were taken; and the share of its GPU's memory that was in use then,
            by whatever process, 0 without one.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        hardware = find_hardware(self.training, self.worker)
        try:
            return self._take_steps(hardware, seconds, begin)
        finally:
            torch.set_num_threads(before)
            free_gpu(hardware)

    def _take_steps(self, hardware: Hardware, seconds: float, begin: Callable[[], object]) -> tuple[float, float]:
        bench = Bench(self.cell, self.training, hardware)
        stepper = Stepper(bench, bench.ways[0])
        begin()
        took: list[float] = []
        began = ended = time.perf_counter()
        while len(took) < LEAST or ended - began < seconds:
            stepper.take()
            took.append(time.perf_counter() - ended)
            ended += took[-1]
        if hardware.accelerator == "cpu":
            return statistics.median(took), 0.0
        free, total = torch.cuda.mem_get_info(hardware.device)
        return statistics.median(took), 1 - free / total
