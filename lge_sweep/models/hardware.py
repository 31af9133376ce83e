"""What the hardware is fast at."""

from dataclasses import dataclass
from typing import Literal

import torch

from lge_sweep.config.schema import Training
from lge_sweep.errors import ConfigError
from lge_sweep.gpu import gpu_obstacle
from lge_sweep.machine import cpu_name

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
NAMED: dict[str, Precision] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Hardware:
    """Where and how a worker computes.

    Attributes:
        accelerator: Lightning's name, "gpu" or "cpu".
        device: index of the GPU, 0 on a CPU.
        precision: Lightning's name of the number format.
        threads: processor threads that compute.
    """

    accelerator: Literal["gpu", "cpu"]
    device: int
    precision: Precision
    threads: int

    def torch_device(self) -> torch.device:
        """Return the device in torch's words."""
        return torch.device("cuda", self.device) if self.accelerator == "gpu" else torch.device("cpu")

    def autocast(self, cache_enabled: bool = True) -> torch.autocast:
        """Return what lets a forward pass compute in this number format, as Lightning does.

        Args:
            cache_enabled: weights that were converted are kept until its end, which CUDA graphs cannot do.
        """
        number = torch.float16 if self.precision == "16-mixed" else torch.bfloat16
        enabled = self.precision != "32-true"
        return torch.autocast(self.torch_device().type, number, enabled=enabled, cache_enabled=cache_enabled)


def find_hardware(training: Training, worker: int = 0) -> Hardware:
    """Choose device and precision: `auto` takes bf16 where the hardware has it, fp16 on older GPUs, else fp32.

    Args:
        training: the option `precision`.
        worker: number of the worker; workers share the GPUs in turn.

    Raises:
        ConfigError: fp16 is asked for on a CPU, where Lightning would quietly take bf16.
    """
    threads = torch.get_num_threads()
    if gpu_obstacle() is None:
        torch.backends.cudnn.allow_tf32 = False  # what is called single precision is single precision
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        automatic: Precision = "bf16-mixed" if native else "16-mixed"
        return Hardware("gpu", worker % torch.cuda.device_count(), NAMED.get(training.precision, automatic), threads)
    if training.precision == "fp16":
        raise ConfigError("training.precision: fp16 needs a GPU; on a CPU take auto, bf16 or fp32")
    automatic = "bf16-mixed" if cpu_has_bf16() else "32-true"
    return Hardware("cpu", 0, NAMED.get(training.precision, automatic), threads)


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def machine_name(hardware: Hardware) -> str:
    """Return what computes, as the system calls it."""
    if hardware.accelerator == "gpu":
        return torch.cuda.get_device_name(hardware.device)
    return cpu_name()
