"""The most memory that a training has held."""

import ctypes
import gc
import sys
from pathlib import Path

import torch

from lge_sweep.engine.usage import MEGABYTE

_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class MemoryPeak:
    """The most memory that this process holds from now on: of a GPU what tensors take, else what is resident.

    A worker does one cell after the other. What an earlier one has left is given back first, as far as it can be.

    Args:
        device: where the cell is trained.
    """

    def __init__(self, device: torch.device) -> None:
        """Begin."""
        self._device, self._known = device, True
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self._known = _reset()

    def megabytes(self) -> float | None:
        """Return the most so far, MB; None where it cannot be known (not on Linux, and on no GPU)."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / MEGABYTE
        return _high_water() if self._known else None


def _reset() -> bool:
    """Let Linux count anew how much this process has held at most; whether it does."""
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    try:
        _REFERENCES.write_text("5", encoding="ascii")  # proc(5): the peak becomes what is held now
    except OSError:
        return False
    return True


def _high_water() -> float | None:
    """Return the most that this process has held since, MB."""
    found = [line.split()[1] for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else None
