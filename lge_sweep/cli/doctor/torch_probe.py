"""What torch says of the machine, asked in a process of its own: one that hangs or crashes is told, too."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lge_sweep.cli.terminal import print_lines
from lge_sweep.text import shorten

PATIENCE = 120.0
"""Seconds; torch takes a few to load, and a GPU that is out of order may not answer at all."""
_ROOT = Path(__file__).parents[3]
_CODE = f"import sys; sys.path.append({str(_ROOT)!r}); from {__name__} import print_report; print_report()"


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch can use.

    Attributes:
        name: what it is called.
        memory: bytes.
        free: bytes that nobody uses.
        bf16: whether it multiplies bfloat16 in hardware.
    """

    name: str
    memory: int
    free: int
    bf16: bool


@dataclass(frozen=True)
class TorchReport:
    """What torch says.

    Attributes:
        failure: why it cannot be imported; "" if it can, else all others are empty.
        version: its own.
        cuda: version of CUDA that it is built with; "" if it is built for a CPU alone.
        obstacle: why it computes on no GPU; "" if it does.
        gpus: those that it can use.
        capability: the widest instructions of the processor that it takes, such as "AVX512"; "DEFAULT" is none.
        cpu_bf16: whether the processor multiplies bfloat16 in hardware.
        seconds: how long it took to load.
    """

    failure: str = ""
    version: str = ""
    cuda: str = ""
    obstacle: str = ""
    gpus: tuple[Gpu, ...] = field(default=())
    capability: str = ""
    cpu_bf16: bool = False
    seconds: float = 0.0


def ask_torch(patience: float = PATIENCE) -> TorchReport:
    """Import torch in another process, and let it say what it finds.

    Args:
        patience: seconds after which it is given up.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE],
            check=False, capture_output=True, text=True, timeout=patience, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return TorchReport(failure=f"it says nothing for {patience:.0f} s; a GPU that is out of order does that")
    if done.returncode < 0:
        return TorchReport(
            failure=f"it ends Python by signal {-done.returncode}; this processor may lack what it needs"
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return TorchReport(failure=shorten(said[-1] if said else "it says nothing", 160))
    return _read(json.loads(lines[-1]))


def _read(told: dict[str, Any]) -> TorchReport:
    return TorchReport(**{**told, "gpus": tuple(Gpu(**gpu) for gpu in told["gpus"])})


def print_report() -> None:
    """Print what torch says, in the process that asks it."""
    began = time.monotonic()
    import torch

    seconds = time.monotonic() - began
    from lge_sweep.gpu import gpu_obstacle
    from lge_sweep.models import cpu_has_bf16

    obstacle = gpu_obstacle()
    report = TorchReport(
        version=torch.__version__,
        cuda=torch.version.cuda or "",
        obstacle=obstacle or "",
        gpus=() if obstacle else tuple(_gpu(torch, index) for index in range(torch.cuda.device_count())),
        capability=torch.backends.cpu.get_cpu_capability(),
        cpu_bf16=cpu_has_bf16(),
        seconds=seconds,
    )
    print_lines("", json.dumps(asdict(report)))


def _gpu(torch: Any, index: int) -> Gpu:
    free, memory = torch.cuda.mem_get_info(index)
    with torch.cuda.device(index):
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Gpu(torch.cuda.get_device_name(index), memory, free, bf16)
