"""Processes that each read, segment and write whole exams, so that a folder of them takes as long as the cores allow.

In each a network has one core, which it uses better than it would two; and what reads files has a first thread, which
alone can be kept to a limit of time.
"""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Self

from lge_sweep.errors import ModelError
from lge_sweep.ingest import FoundExam
from lge_sweep.interrupts import ignoring_interrupts
from lge_sweep.machine import count_cores, memory_bytes
from lge_sweep.segmenter.predictor import Outcome, PredictorSetup
from lge_sweep.text import error_text

MOST = 8
"""Processes of a crew."""
EXAMS_EACH = 3
"""Fewer take less time than it takes a process to start."""
MEMORY_EACH = 2 << 30
"""Bytes of the machine for each process."""
_PATIENCE = 3.0
"""Seconds for a process to end by itself."""
OnRead = Callable[[int, bool], None]
"""Told, exam by exam in their order, its index and whether it could be read."""


def crew_size(exams: int) -> int:
    """Return how many processes are worth their start; 1: none beside this one."""
    return max(1, min(count_cores(), MOST, exams // EXAMS_EACH, memory_bytes() // MEMORY_EACH))


@dataclass
class _Member:
    """A process, and the exam that it is at."""

    process: SpawnProcess
    connection: Connection
    exam: int = -1


@dataclass(frozen=True)
class _Told:
    """What a process says: that it has read its exam, or what became of it; or why none can be done."""

    read: bool | None = None
    outcome: Outcome | None = None
    log: tuple[tuple[str, int, str], ...] = ()
    broken: str = ""


@dataclass
class Crew:
    """Some processes with the same predictor; they are gone at the end of the `with`, however that comes.

    Attributes:
        setup: how each makes it.
        size: how many there are.
    """

    setup: PredictorSetup
    size: int
    members: list[_Member] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start them."""
        try:
            self.members = []
            for _ in range(self.size):
                self.members.append(self._hire())
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """End them: at once, whatever they are at, but so that nothing unfinished is left of it."""
        for member in self.members:
            member.connection.close()
            if error[0] is not None:
                member.process.terminate()
        for member in self.members:
            member.process.join(_PATIENCE)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()

    def work(self, exams: Sequence[FoundExam], on_read: OnRead) -> list[Outcome]:
        """Let them do exams; as many are in memory as there are processes.

        Args:
            exams: the exams; they are begun in this order.
            on_read: told which are read, in this order, too.

        Returns:
            What became of each. Where a process dies of an exam, that is the exam's problem.

        Raises:
            ModelError: the model does not run.
        """
        outcomes = [Outcome() for _ in exams]
        read: dict[int, bool] = {}
        waiting = iter(range(len(exams)))
        told = 0
        busy = [member for member in self.members if self._give(member, exams, waiting)]
        while busy:
            for connection in wait([member.connection for member in busy]):
                member = next(member for member in busy if member.connection is connection)
                message = self._hear(member, exams[member.exam])
                if message.broken:
                    raise ModelError(*message.broken.split("\n"))
                for name, level, text in message.log:
                    logging.getLogger(name).log(level, "%s", text)
                if message.outcome is None:
                    read[member.exam] = bool(message.read)
                else:
                    outcomes[member.exam] = message.outcome
                    read.setdefault(member.exam, not message.outcome.unread)
                    if not self._give(member, exams, waiting):
                        busy.remove(member)
            while told in read:
                on_read(told, read[told])
                told += 1
        return outcomes

    def _give(self, member: _Member, exams: Sequence[FoundExam], waiting: Iterator[int]) -> bool:
        """Give a process the next exam; whether there was one."""
        member.exam = next(waiting, -1)
        if member.exam < 0:
            return False
        with suppress(OSError):  # it has died, which is heard
            member.connection.send(exams[member.exam])
        return True

    def _hear(self, member: _Member, exam: FoundExam) -> _Told:
        """Return what a process says; another takes the place of one that has died."""
        try:
            told: _Told = member.connection.recv()
        except (EOFError, OSError):
            member.connection.close()
            member.process.join(_PATIENCE)
            code = member.process.exitcode
            member.process, member.connection = (new := self._hire()).process, new.connection
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            why = f"{exam.case}: cannot be segmented or written (the process at it died, {how}; was memory short?)"
            return _Told(outcome=Outcome(problems=[why]))
        return told

    def _hire(self) -> _Member:
        context = multiprocessing.get_context("spawn")
        connection, remote = context.Pipe()
        level = logging.getLogger("lge_sweep").getEffectiveLevel()
        arguments = (remote, self.setup, self.size, level)
        process = context.Process(target=_serve, args=arguments, name="lge-sweep-predict")  # no daemon: it has a child
        with ignoring_interrupts():  # from its first moment on
            process.start()
        remote.close()
        return _Member(process, connection)


# -------------------------------------------------------------------------------------------------------------- child


def _serve(connection: Connection, setup: PredictorSetup, size: int, level: int) -> None:
    """Do exams until the parent has no more, or is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    log = _Log()
    logging.getLogger("lge_sweep").addHandler(log)
    logging.getLogger("lge_sweep").setLevel(level)
    try:
        predictor = setup.make(size)
        while (found := _receive(connection)) is not None:
            outcome = Outcome()
            exam = predictor.read(found, outcome)
            _send(connection, _Told(read=exam is not None, log=log.taken()))
            if exam is not None:
                predictor.segment(exam, outcome)
            _send(connection, _Told(outcome=outcome, log=log.taken()))
    except ModelError as error:
        _send(connection, _Told(broken=str(error)))
    except OSError as error:  # of a disk that is full, say: no exam can do better
        named = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        _send(connection, _Told(broken=f"{named}{error_text(error)}"))


def _receive(connection: Connection) -> FoundExam | None:
    """Return the next exam; None if the parent has no more, or is no more."""
    try:
        exam: FoundExam = connection.recv()
    except (EOFError, OSError):
        return None
    return exam


def _send(connection: Connection, told: _Told) -> None:
    """Tell the parent something, if it is still there."""
    with suppress(OSError):
        connection.send(told)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process as an error would, so that what is unfinished is removed on the way."""
    sys.exit(128 + number)


class _Log(logging.Handler):
    """Keeps what is logged, for the parent to show."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append((record.name, record.levelno, record.getMessage()))

    def taken(self) -> tuple[tuple[str, int, str], ...]:
        """Return what was kept since."""
        lines, self.lines = tuple(self.lines), []
        return lines
