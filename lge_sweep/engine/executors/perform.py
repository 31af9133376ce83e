"""Do a task in this process, and say how it ended; what every executor runs where its tasks are executed."""

import errno
import logging
import math
import os
from collections.abc import Callable

from lge_sweep.config.architectures import SCRATCH
from lge_sweep.engine.events import Done, Failed, Paced, Progress, Pruned, TaskResult
from lge_sweep.engine.task import PaceTask, Task, TrialPrunedError, WeightsTask
from lge_sweep.errors import ConfigError, LgeSweepError
from lge_sweep.text import shorten, visible

OUT_OF_MEMORY = (
    "out of GPU memory; lower training.batch_size or training.image_size, which starts a new sweep, or end what else "
    "uses the GPU"
)
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
Report = Callable[[Progress], bool]
"""Told how far a task is; returns whether to give it up."""
_log = logging.getLogger(__name__)


def perform(task: Task, report: Report, worker: int = 0) -> TaskResult:
    """Do a task; whatever goes wrong becomes a sentence.

    Args:
        task: what to do.
        report: told how far it is, a few times a second and after each validation.
        worker: number of what executes it on this machine, which decides its GPU.
    """

    def work() -> Paced | None:
        if isinstance(task, WeightsTask):
            _check(task)
        elif isinstance(task, PaceTask):
            return _measure_pace(task, report, worker)
        else:
            from lge_sweep.engine.train import execute

            execute(task, report, worker)
        return None

    return attempt(work)


def _measure_pace(task: PaceTask, report: Report, worker: int) -> Paced:
    """Take training steps, as soon as the driver says that all are ready."""
    from lge_sweep.models import PaceMeter

    ready = Progress(step=0, total=0, loss=math.nan, val_dice=0.0)  # with a validation, so that it is answered

    def begin() -> None:
        if report(ready):
            raise TrialPrunedError

    meter = PaceMeter(task.cell, task.training, worker, task.threads)
    seconds, used = meter.measure(task.seconds, begin)
    return Paced(seconds=seconds, gpu_used=used)


def _check(task: WeightsTask) -> None:
    """Find out whether what a sweep needs can be had here.

    Raises:
        ConfigError: it needs a GPU.
        WeightsError: the weights cannot be had, or do not fit.
    """
    from lge_sweep.gpu import gpu_obstacle
    from lge_sweep.models import check_weights

    if task.needs_gpu and (obstacle := gpu_obstacle()) is not None:
        setting, _, value = task.needs_gpu.partition("=")
        raise ConfigError(f"{setting}: {value} needs a GPU, and where cells are trained {obstacle}; on a CPU take auto")
    if task.weights != SCRATCH:
        check_weights(task.models, task.weights, task.width)


def attempt(work: Callable[[], object]) -> TaskResult:
    """Do something and turn whatever goes wrong into a sentence; what a developer needs of it is logged."""
    try:
        came_to = work()
    except TrialPrunedError:
        return Pruned()
    except LgeSweepError as error:
        _log.info("FAILED: %s", error)
        return Failed(reason=str(error))
    except OSError as error:
        if error.errno in NO_SPACE:
            full = f"{os.strerror(error.errno or 0)}: {visible(os.fsdecode(error.filename or ''))}"
            return Failed(reason=full.rstrip(": "), disk=True)
        _log.info("FAILED", exc_info=True)
        return Failed(reason=f"{type(error).__name__}: {visible(str(error))}", unexpected=True)
    except Exception as error:
        _log.info("FAILED", exc_info=True)
        if type(error).__name__ == "OutOfMemoryError":
            return Failed(reason=OUT_OF_MEMORY, memory=True, unexpected=True)
        return Failed(reason=f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 300)}", unexpected=True)
    return came_to if isinstance(came_to, Paced) else Done()
