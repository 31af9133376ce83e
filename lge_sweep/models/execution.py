"""How a network's training steps are computed fastest here: measured once a machine, where that pays."""

import gc
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES, ExecutionMode, MemoryFormat
from lge_sweep.config.schema import Training
from lge_sweep.errors import ConfigError
from lge_sweep.labels import STAGES
from lge_sweep.models.hardware import Hardware, machine_name
from lge_sweep.models.module import SegmentationModule, build_module
from lge_sweep.models.speeds import alone, keep_speeds, read_speeds
from lge_sweep.text import shorten

WORTH_MEASURING = {"cpu": 400, "gpu": 100}
"""Steps of a training from which on measuring pays: it takes ten on a CPU, twenty on a GPU."""
STEPS = 4
"""Steps that are measured of each, after one that is not."""
MARGIN = 0.05
"""What is usual for a network stays, unless another takes less than its time by so much: machines are noisy."""
AGREEMENT = {"loss": 0.05, "gradients": 0.8}
"""By what share first loss and norm of gradients may differ from those of what is usual. Dropout falls on other numbers
where they lie otherwise, and a fresh network's gradients go through batches of few pixels: they differ by up to .54."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Execution:
    """How the steps of a training are computed.

    Attributes:
        memory_format: order of numbers in memory.
        mode: `eager`, layer by layer; `graphs`, forward and backward pass each as one CUDA graph; `compile`, by
            `torch.compile`.
    """

    memory_format: MemoryFormat
    mode: ExecutionMode = "eager"

    def __str__(self) -> str:
        """Say it in words, as in `speeds.json`."""
        return self.memory_format if self.mode == "eager" else f"{self.memory_format}, {self.mode}"

    def speed_up(self, module: SegmentationModule, hardware: Hardware) -> None:
        """Let a module that lies on its device compute its training steps in this mode.

        Weights, and how it validates and predicts, stay as they are.
        """
        if self.mode == "compile":
            module.network.compile(dynamic=False)
        elif self.mode == "graphs":
            _record_graphs(module, hardware)


def _record_graphs(module: SegmentationModule, hardware: Hardware) -> None:
    """Record forward and backward pass of a network's training steps as CUDA graphs, in its `forward`.

    A graph costs one launch, whatever the number of its kernels, and its memory stays. The passes that precede the
    recording change running means, which are put back.
    """
    options, network = module.options, module.network
    size = options.image_size
    blank = torch.zeros((options.batch_size, 3, size, size), dtype=torch.uint8, device=module.device)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    was_training = network.training
    network.train()
    with hardware.autocast(cache_enabled=False):
        torch.cuda.make_graphed_callables(network, (module.normalised(blank),))
    network.train(was_training)
    network.load_state_dict(before)


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
        machine = f"{machine_name(hardware)}, {hardware.threads} thread(s)"
        return f"{machine}, torch {torch.__version__}, {hardware.precision}: {network}"

    @property
    def ways(self) -> tuple[Execution, ...]:
        """Return the ways among which there is a choice; the first is what is usual.

        Memory formats: on a GPU first what its fast units take. `compile` is taken where it is named only: compiling
        takes longer than most trainings.

        Raises:
            ConfigError: CUDA graphs are asked for on a CPU, or a memory format that the network cannot be computed in.
        """
        named, gpu = self.training, self.hardware.accelerator == "gpu"
        if named.execution == "graphs" and not gpu:
            raise ConfigError("training.execution: graphs needs a GPU; on a CPU take auto, eager or compile")
        architecture = ARCHITECTURES[self.cell.model]
        if named.memory_format not in ("auto", *architecture.memory_formats):
            raise ConfigError(
                f"training.memory_format: {self.cell.model} is computed contiguous alone; got {named.memory_format}"
            )
        usual = "channels_last" if gpu else architecture.memory_format
        formats = sorted(architecture.memory_formats, key=lambda name: name != usual)
        automatic: tuple[ExecutionMode, ...] = ("eager", "graphs") if gpu else ("eager",)
        return tuple(
            Execution(memory_format, mode)
            for mode in (automatic if named.execution == "auto" else (named.execution,))
            for memory_format in (formats if named.memory_format == "auto" else (named.memory_format,))
        )

    def measure(
        self, ways: Sequence[Execution], heartbeat: Callable[[], object] = lambda: None
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Measure a training step, in each way in turn.

        Args:
            ways: the first is what is usual, and has to work.
            heartbeat: called after each step.

        Returns:
            The seconds of each way, least of some, since other programs only add to it; and why others cannot be taken.
            One that memory was too small for is in neither: it may be taken another time.
        """
        refused: dict[str, str] = {}
        steppers: dict[str, Stepper] = {}
        for way in ways:
            try:
                stepper = Stepper(self, way)
                stepper.compare(next(iter(steppers.values()), stepper))
            except Exception as error:  # whatever torch cannot do, the usual can
                if not steppers:
                    raise
                if type(error).__name__ == "OutOfMemoryError":
                    continue
                refused[str(way)] = f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 200)}"
                continue
            steppers[str(way)] = stepper
            heartbeat()
        seconds: dict[str, list[float]] = {name: [] for name in steppers}
        for _, (name, stepper) in itertools.product(range(STEPS), steppers.items()):
            began = time.perf_counter()
            stepper.take()
            seconds[name].append(time.perf_counter() - began)
            heartbeat()
        del steppers, stepper
        free_gpu(self.hardware)
        return {name: min(times) for name, times in seconds.items()}, refused


def free_gpu(hardware: Hardware) -> None:
    """Give the GPU's memory back that nothing refers to any more; what computes graphs refers to itself."""
    if hardware.accelerator == "gpu":
        gc.collect()
        torch.cuda.empty_cache()


class Stepper:
    """Trains a network on noise, the same for all; begins with one step.

    Attributes:
        first: loss of the first step, and norm of its gradients.
    """

    def __init__(self, bench: Bench, way: Execution) -> None:
        """Build the network, and take the first step."""
        training, self.hardware = bench.training, bench.hardware
        device = self.hardware.torch_device()
        if self.hardware.accelerator == "gpu":
            torch.use_deterministic_algorithms(True, warn_only=True)  # as a training does
        self.module = build_module(bench.cell, training, pretrained=False).lay_out(way.memory_format).to(device).train()
        way.speed_up(self.module, self.hardware)
        self.optimizer = self.module.build_optimizer()
        shape = (training.batch_size, training.image_size, training.image_size)
        noise = torch.Generator().manual_seed(0)
        image = torch.randint(0, 256, (shape[0], 3, *shape[1:]), dtype=torch.uint8, generator=noise)
        target = torch.randint(0, len(STAGES[bench.cell.stage]), shape, generator=noise)
        self.batch = {"image": image.to(device), "target": target.to(device)}
        loss = self._pass()
        gradients = [parameter.grad for parameter in self.module.parameters() if parameter.grad is not None]
        self.first = float(loss), float(torch.nn.utils.get_total_norm(gradients))
        self._update()

    def take(self) -> None:
        """Take one step, and wait for its end."""
        self._pass()
        self._update()
        if self.hardware.accelerator == "gpu":
            torch.cuda.synchronize(self.hardware.torch_device())

    def _pass(self) -> Tensor:
        with self.hardware.autocast():
            loss = self.module.training_step(self.batch, 0)
        loss.backward()
        return loss.detach()

    def _update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def compare(self, usual: "Stepper") -> None:
        """Find out whether the first step was that of what is usual, as far as can be told.

        Raises:
            ValueError: it was not.
        """
        for (what, share), mine, theirs in zip(AGREEMENT.items(), self.first, usual.first, strict=True):
            if not abs(mine - theirs) <= share * abs(theirs):
                raise ValueError(f"its {what} {mine:.6g} instead of {theirs:.6g}")


def choose_execution(bench: Bench, steps: int, path: Path, heartbeat: Callable[[], object] = lambda: None) -> Execution:
    """Choose how the steps of a training are computed, and say in the log why.

    What `training.memory_format` and `training.execution` name is taken. Where they leave a choice, a long training
    measures once a machine and keeps the answer for every other; a short one takes what is usual for the network.

    Args:
        bench: the network and where it is trained.
        steps: most optimizer steps of the training.
        path: `speeds.json`.
        heartbeat: called again and again while this takes long.

    Raises:
        ConfigError: they name what is not to be had here.
    """
    usual, *others = ways = bench.ways
    if not others:
        _log.info("steps are computed %s: the settings say so", usual)
        return usual
    if steps < WORTH_MEASURING[bench.hardware.accelerator]:
        _log.info("steps are computed %s: usual for %s; %d are too few to measure", usual, bench.cell.model, steps)
        return usual
    seconds, refused = _look_up_or_measure(bench, ways, path, heartbeat)
    fastest = min((way for way in ways if str(way) in seconds), key=lambda way: seconds[str(way)])
    chosen = fastest if seconds[str(fastest)] < (1 - MARGIN) * seconds[str(usual)] else usual
    listed = ", ".join(f"{way} {1000 * seconds[str(way)]:.0f} ms a step" for way in ways if str(way) in seconds)
    _log.info("steps are computed %s: measured here (%s; %s)", chosen, listed, path)
    for way in ways:
        if reason := refused.get(str(way)):
            _log.info("not computed %s: %s", way, reason)
    return chosen


def _look_up_or_measure(
    bench: Bench, ways: Sequence[Execution], path: Path, heartbeat: Callable[[], object]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return what `Bench.measure` does; one process at a time measures, and others take what it has found."""
    with alone(path, heartbeat):
        speeds, asked = read_speeds(path), [str(way) for way in ways]
        seconds, refused = speeds.seconds.get(bench.key, {}), speeds.refused.get(bench.key, {})
        if asked[0] in seconds and {*seconds, *refused}.issuperset(asked):
            return seconds, refused
        measured, failed = bench.measure(ways, heartbeat)
        for name in asked:
            seconds.pop(name, None)
            refused.pop(name, None)
        speeds.seconds[bench.key], speeds.refused[bench.key] = seconds | measured, refused | failed
        keep_speeds(path, speeds)
        return measured, failed
