"""How this machine is best shared: in each way that is considered, workers take training steps side by side.

It is measured once a machine, network and shape, before the first cells, by the workers that will train them, and kept
in `speeds.json`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lge_sweep.engine.events import Failed, Paced, Progress
from lge_sweep.engine.executors.sharing import Machine, Sharing
from lge_sweep.engine.executors.worker import Worker
from lge_sweep.engine.task import PaceTask
from lge_sweep.machine import cpu_name
from lge_sweep.models import alone, keep_speeds, read_speeds
from lge_sweep.text import format_seconds

WORTH_MEASURING = {False: 300, True: 3000}
"""Steps of all trainings from which on measuring pays; without and with a GPU. It takes some seconds, once."""
ROUNDS = 2
"""Times that each way has its turn; the best counts, since other programs only take from it."""
ENOUGH = 20.0
"""Seconds after which there is no further turn; libraries that are still loaded count."""
RESERVE = 0.25
"""Share of a GPU's memory that stays free while workers share it: other networks take more than the one measured."""
MARGIN = 0.10
"""The rule's choice stays, unless another does more steps by so much: machines are noisy."""


@dataclass(frozen=True)
class Question:
    """How a machine is best shared.

    Attributes:
        sharings: the ways; the first is the rule's.
        sample: what to train.
        key: of it, in `speeds.json`.
    """

    sharings: Sequence[Sharing]
    sample: PaceTask
    key: str


class UnmeasuredError(Exception):
    """How fast workers are could not be measured; says why."""


def describe_sample(sample: PaceTask, machine: Machine) -> str:
    """Return what paces depend on, beside how the machine is shared: their key in `speeds.json`."""
    training = sample.training
    gpus = f", {machine.gpus} {machine.gpu}" if machine.gpus else ""
    shape = f"{training.batch_size}x3x{training.image_size}x{training.image_size}"
    network = f"{sample.cell.model}, width {training.width:g}, {shape}, {training.precision}"
    return f"{cpu_name()}, {machine.cores} processor(s){gpus}, torch {version('torch')}: {network}"


def measure_paces(
    workers: Sequence[Worker], sharings: Sequence[Sharing], sample: PaceTask, patience: float
) -> dict[str, float]:
    """Measure how many steps a second workers do together in each way to share a machine.

    Args:
        workers: idle ones, as many as the most workers of a way.
        sharings: the ways.
        sample: what to train.
        patience: seconds without a word after which a worker is taken to hang.

    Returns:
        Steps a second by the way's name; 0 where GPUs have too little memory for it.

    Raises:
        UnmeasuredError: a worker failed, died or hangs; they are to be replaced.
    """
    paces: dict[str, float] = {}
    began = time.monotonic()
    for turn in range(ROUNDS):
        if turn and time.monotonic() - began > ENOUGH:
            break
        for sharing in sorted(sharings, key=lambda sharing: sharing.workers):
            if 0.0 in (paces.get(str(way)) for way in sharings if way.workers <= sharing.workers):
                paces[str(sharing)] = 0.0  # what has not fitted does not, nor do more
                continue
            pace = _measure(
                workers[: sharing.workers], sample.model_copy(update={"threads": sharing.threads}), patience
            )
            paces[str(sharing)] = max(pace, paces.get(str(sharing), 0.0))
    return paces


def _measure(workers: Sequence[Worker], sample: PaceTask, patience: float) -> float:
    """Let workers take steps, all at once; returns how many a second they do together."""
    for worker in workers:
        with _explaining(worker):
            worker.give("pace", sample)
    ready = [worker for worker in workers if isinstance(_hear(worker, patience), Progress)]
    for worker in ready:
        worker.connection.send(len(ready) < len(workers))  # the others had too little memory: give up
    ended = [_hear(worker, patience) for worker in ready]
    paces = [news for news in ended if isinstance(news, Paced)]
    if len(paces) < len(workers) or max(pace.gpu_used for pace in paces) > 1 - RESERVE:
        return 0.0
    return sum(1 / pace.seconds for pace in paces)


def _hear(worker: Worker, patience: float) -> object:
    """Return the next word of a worker."""
    with _explaining(worker):
        if not worker.connection.poll(patience):
            raise UnmeasuredError(f"a worker said nothing for {format_seconds(patience)}")
        news = worker.hear().news
    if isinstance(news, Failed) and not news.memory:
        raise UnmeasuredError(news.reason)
    return news


@contextmanager
def _explaining(worker: Worker) -> Iterator[None]:
    """Say how a worker died."""
    try:
        yield
    except (EOFError, OSError):
        raise UnmeasuredError(f"a worker {worker.describe_end()}") from None


def choose_sharing(sharings: Sequence[Sharing], paces: Mapping[str, float]) -> tuple[Sharing, str]:
    """Choose what does most steps a second.

    Args:
        sharings: the ways; the first is the rule's, which stays unless another is clearly faster.
        paces: steps a second of each.

    Returns:
        The choice, and why.
    """
    usual, *others = sharings
    fastest = max(others, key=lambda sharing: paces[str(sharing)])
    chosen = fastest if paces[str(fastest)] > (1 + MARGIN) * paces[str(usual)] else usual
    rivals = [way for way in sharings if way != chosen and paces[str(way)]]
    if not rivals:
        return chosen, f"{chosen}: more do not fit into a GPU's memory, measured here"
    rival = max(rivals, key=lambda sharing: paces[str(sharing)])
    ratio = paces[str(chosen)] / paces[str(rival)]
    clear = "" if ratio > 1 + MARGIN or chosen == fastest else "; so near, the rule decides"
    return chosen, f"{chosen}: {ratio:.2f} times the steps of {rival}, measured here{clear}"


def known_paces(path: Path, question: Question) -> dict[str, float] | None:
    """Return what was measured before, of all ways that are asked for; None if not all were."""
    paces = read_speeds(path).steps_a_second.get(question.key, {})
    asked = {str(sharing) for sharing in question.sharings}
    return paces if asked <= set(paces) and paces[str(question.sharings[0])] else None


def keep_paces(path: Path, key: str, paces: Mapping[str, float]) -> None:
    """Keep what was measured.

    Args:
        path: `speeds.json`.
        key: of what.
        paces: steps a second of each way.
    """
    with alone(path, lambda: None):
        speeds = read_speeds(path)
        speeds.steps_a_second[key] = speeds.steps_a_second.get(key, {}) | dict(paces)
        keep_speeds(path, speeds)
