"""What a cell takes of its machine while it is trained: processor, memory and GPU, sampled where it is executed.

The samples go to the cell's folder, and from there to MLflow whenever that can be reached.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from lge_sweep.atomic import atomic_file
from lge_sweep.csv_files import csv_text
from lge_sweep.errors import DamagedError
from lge_sweep.study import read_usage

EVERY, WRITTEN_EVERY = 5.0, 30.0
"""Seconds between two samples, and between two times that they are written."""
MEGABYTE = 1024**2
_log = logging.getLogger(__name__)


class Sample(NamedTuple):
    """What the process that executes a cell takes; None where that is not known."""

    seconds: float
    """Since the cell began, over all sessions, at the end of the sample."""
    time: float
    """The same, since 1970."""
    cpu_percent: float
    """Time of processors, of 100 for one that is busy all the time."""
    memory_mb: float | None
    """Resident memory."""
    gpu_percent: float | None
    """Share of the time in which the GPU did something, whoever's."""
    gpu_memory_mb: float | None
    """Memory of the GPU that the process has reserved."""


class Sampler:
    """Takes samples; whoever calls says when.

    Args:
        path: file of the samples; those of earlier sessions are kept.
        device: where the cell is trained.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        """Take up what there is; a file that is damaged is begun anew."""
        self.path, self.device = path, device
        self.samples: list[Sample] = []
        if path.is_file():
            try:
                table = read_usage(path).astype(object)
                known = table.where(table.notna(), None)[list(Sample._fields)]
                self.samples = [Sample(*row) for row in known.itertuples(index=False, name=None)]
            except DamagedError as error:
                _log.warning("%s; it is begun anew", error)
        self._earlier = self.samples[-1].seconds if self.samples else 0.0
        self._began = self._last = time.monotonic()
        self._cpu = time.process_time()

    def take(self) -> None:
        """Take a sample of the time since the last one."""
        now, cpu = time.monotonic(), time.process_time()
        if now == self._last:
            return
        share = 100 * (cpu - self._cpu) / (now - self._last)
        self._last, self._cpu = now, cpu
        gpu = _gpu(self.device) if self.device.type == "cuda" else (None, None)
        self.samples.append(Sample(self._earlier + now - self._began, time.time(), share, _memory(), *gpu))

    def write(self) -> None:
        """Write all samples."""
        with atomic_file(self.path) as unfinished:
            unfinished.write_text(csv_text(Sample._fields, self.samples), encoding="utf-8")


@contextmanager
def sampling(path: Path, device: torch.device) -> Iterator[None]:
    """Sample what this process takes, in a thread of its own, while something else is done.

    A cell never fails for its samples: what goes wrong is logged.

    Args:
        path: file of the samples.
        device: where the cell is trained.
    """
    sampler, end = Sampler(path, device), threading.Event()

    def work() -> None:
        written = time.monotonic()
        try:
            while not end.wait(EVERY):
                sampler.take()
                if time.monotonic() - written >= WRITTEN_EVERY:
                    sampler.write()
                    written = time.monotonic()
            sampler.take()
            sampler.write()
        except Exception:
            _log.info("what the cell takes of the machine could not be recorded", exc_info=True)

    thread = threading.Thread(target=work, name="usage", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _memory() -> float | None:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # not on Linux
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def _gpu(device: torch.device) -> tuple[float | None, float | None]:
    memory = torch.cuda.memory_reserved(device) / MEGABYTE
    try:
        return float(torch.cuda.utilization(device)), memory
    except Exception:  # NVML, which tells it, is not there, or does not know this GPU (a share of one)
        return None, memory
