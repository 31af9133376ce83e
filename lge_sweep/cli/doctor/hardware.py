"""What computes: GPU, processor, memory."""

import os
import platform
from pathlib import Path

from lge_sweep.cli.doctor.finding import GIB, Section, broken, gib, note, slow
from lge_sweep.cli.doctor.torch_probe import TorchReport
from lge_sweep.machine import count_cores, cpu_name, free_memory_bytes, memory_bytes

VISIBLE = "CUDA_VISIBLE_DEVICES"
PCI = "/sys/bus/pci/devices"
NVIDIA, DISPLAY = "0x10de", "0x03"
"""Who made a device, and how its class begins, as Linux writes them."""
FEW = 4
"""With fewer cores and no GPU a sweep takes long: with two, phase 1 takes about 4 minutes, and without AVX512 8."""
LEAST_MEMORY = GIB
"""Bytes below which a worker cannot even load its libraries."""


def look_at_gpu(torch: TorchReport) -> Section:
    """Look at what torch can use, and say why it cannot use more.

    Args:
        torch: what it says.
    """
    if torch.failure:
        return Section("GPU", "not known without torch")
    if torch.obstacle:
        what, remedy = _why_no_gpu(torch)
        follows = (
            "profile laptop is taken (tour for simulated exams), which is not the paper's; with profile paper a step "
            "takes 1 to 10 s"
        )
        finding = slow("no GPU", f"{what}: {follows}", remedy)
        return Section("GPU", f"none that torch can use: {torch.obstacle}", (finding,))
    names = ", ".join(dict.fromkeys(gpu.name for gpu in torch.gpus))
    first = min(torch.gpus, key=lambda gpu: gpu.free)
    number = "bf16" if all(gpu.bf16 for gpu in torch.gpus) else "fp16"
    text = f"{len(torch.gpus)} x {names}, {gib(first.memory)} each, {gib(first.free)} free, {number}, CUDA {torch.cuda}"
    if first.free >= first.memory / 2:
        return Section("GPU", text)
    what = f"other programs use {gib(first.memory - first.free)} of {first.name}: cells may run out of its memory"
    return Section(
        "GPU", text, (slow("the GPU is in use", what, f"wait for them, or name another GPU with {VISIBLE}"),)
    )


def _why_no_gpu(torch: TorchReport) -> tuple[str, str]:
    """Return in words why torch uses no GPU, and what to do."""
    hidden = os.environ.get(VISIBLE)
    if hidden is not None and hidden.strip() in ("", "-1", "NoDevFiles"):
        return f"{VISIBLE} is '{hidden}', which hides every GPU", f"unset {VISIBLE}"
    if not has_nvidia_device():
        return "there is no NVIDIA GPU", "for a first look none is needed; else take a machine with one"
    if not torch.cuda:
        return "there is an NVIDIA GPU, and this torch is built for processors alone", "make clean install"
    if "too old" in torch.obstacle:
        return f"NVIDIA's driver is too old for this torch (CUDA {torch.cuda})", "update NVIDIA's driver"
    if "compute capability" in torch.obstacle:
        return torch.obstacle, "take a newer GPU, or install a torch that is built for this one"
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        remedy = "install NVIDIA's driver; in a container, give it the GPU (docker run --gpus all)"
        return "there is an NVIDIA GPU, and no driver of it here", remedy
    return f"torch cannot use the NVIDIA GPU ({torch.obstacle})", "see what nvidia-smi says; often a restart helps"


def has_nvidia_device(devices: str = PCI) -> bool:
    """Whether there is a GPU of NVIDIA's, with or without a driver, as Linux tells; in a container, in its host.

    Args:
        devices: folder of what is on the PCI bus.
    """
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return True
    for device in Path(devices).glob("*"):
        try:
            maker, kind = ((device / name).read_text(encoding="ascii").strip() for name in ("vendor", "class"))
        except OSError:
            continue
        if maker == NVIDIA and kind.startswith(DISPLAY):
            return True
    return False


def look_at_processor(torch: TorchReport) -> Section:
    """Look at cores and what they are fast at.

    Args:
        torch: what it says.
    """
    cores, there = count_cores(), os.cpu_count() or 1
    counted = f"{cores} of {there} cores" if cores < there else f"{cores} core{'s' * (cores > 1)}"
    findings = []
    no_gpu, lacks = bool(torch.obstacle), _lacking(torch)
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if no_gpu and cores < FEW:
        given = " (a container, a job or an affinity gives no more)" if cores < there else ""
        takes = f"about {8 if lacks else 4} minutes on simulated exams{' (4 on a newer processor)' * bool(lacks)}"
        alone = " once nothing else runs" if busy > there else ""
        what = f"{counted}{given}: phase 1 takes {takes}{alone}, on a hundred of yours hours"
        remedy = "give the container or job more cores" if cores < there else "take a machine with more cores, or a GPU"
        findings.append(slow(f"{cores} core{'s' * (cores > 1)}", what, remedy))
    if no_gpu and lacks:
        findings.append(slow("an older processor", lacks))
    if busy > there:
        what = f"programs wait for each other here (load {busy:.1f} on {there} core{'s' * (there > 1)})"
        findings.append(slow("a busy machine", what, "wait for them (top shows which)"))
    kinds = "" if torch.failure else f", {_words(torch)}"
    return Section("processor", f"{cpu_name()}, {counted}{kinds}", tuple(findings))


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _words(torch: TorchReport) -> str:
    wide = f"AVX512 {'yes' if torch.capability.startswith('AVX512') else 'no'}, " if _is_x86() else ""
    return f"{wide}bf16 {'yes' if torch.cpu_bf16 else 'no'}"


def _lacking(torch: TorchReport) -> str:
    """Say what a processor does without, and what that costs, as docs/performance.md measured it; "" if nothing."""
    if _is_x86() and not torch.capability.startswith("AVX512"):
        return "the processor has no AVX512: a sweep takes more than twice as long as where it has that and bf16"
    if not torch.cpu_bf16:
        return "the processor has no bf16: a step takes up to 1.7 times as long as where it has"
    return ""


def look_at_memory() -> Section:
    """Look at memory, and how many workers it is enough for.

    Raises:
        ImportError: what is needed to look is not installed.
    """
    from lge_sweep.engine import WORKER_MEMORY

    free, there = free_memory_bytes(), memory_bytes()
    if free is None:
        return Section("memory", gib(there))
    room, findings = free // WORKER_MEMORY, []
    each = f"a worker takes up to {gib(WORKER_MEMORY)}"
    if free < LEAST_MEMORY:
        what = f"{gib(free)} of memory are free, and {each}"
        findings.append(broken("too little memory", what, "end other programs, or give the container or job more"))
    elif room < 1:
        what = f"{gib(free)} of memory are free, and {each}: large networks may be ended for it"
        findings.append(slow("little memory", what, "end other programs, or leave the largest networks out (--models)"))
    elif room < count_cores():
        what = f"memory is enough for {room} worker(s) at a time, {each}"
        findings.append(note(what, "more memory lets more cores train side by side"))
    return Section("memory", f"{gib(there)}, {gib(free)} free", tuple(findings))
