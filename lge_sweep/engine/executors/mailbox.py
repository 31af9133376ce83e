"""A task as a folder that its driver and whatever executes it share: neither needs the other to be there.

The task and what it is are written once; what happens is appended, a line an event; that it should stop is an empty
file. So a driver may end and another come back to what is still being executed.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lge_sweep.atomic import write_bytes, write_text
from lge_sweep.engine.events import Event, Progress
from lge_sweep.engine.task import TASK, Task


@dataclass(frozen=True)
class Mailbox:
    """The folder of a task.

    Attributes:
        path: where it is; its name is the task's id.
    """

    path: Path

    @property
    def id(self) -> str:
        """The task's id."""
        return self.path.name

    @property
    def _task(self) -> Path:
        return self.path / "task.json"

    @property
    def _job(self) -> Path:
        return self.path / "job.txt"

    @property
    def _events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def _stop(self) -> Path:
        return self.path / "stop"

    def write(self, task: Task) -> None:
        """Make the folder of a task."""
        self.path.mkdir(parents=True)
        write_bytes(self._task, TASK.dump_json(task))

    def task(self) -> Task:
        """Return the task.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        return TASK.validate_json(self._task.read_bytes())

    def set_job(self, job: str) -> None:
        """Note the job that executes the task."""
        write_text(self._job, job)

    def job(self) -> str:
        """Return the job that executes the task; "" if none was noted."""
        return self._job.read_text(encoding="utf-8") if self._job.is_file() else ""

    def remove(self) -> None:
        """Remove the folder; a job that still looks for it ends."""
        shutil.rmtree(self.path, ignore_errors=True)

    def tell(self, event: Event) -> None:
        """Say what has happened, in one write, so that nobody reads half of it for a whole."""
        line = event.model_dump_json().encode() + b"\n"
        file = os.open(self._events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def read(self, offset: int) -> tuple[list[Event], int]:
        """Return what was said since; and from where on to read next time.

        Args:
            offset: bytes that were read before.
        """
        try:
            with self._events.open("rb") as file:
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return [], offset
        whole = content[: content.rfind(b"\n") + 1]
        return [event for line in whole.splitlines() if (event := _parse(line)) is not None], offset + len(whole)

    def has_ended(self) -> bool:
        """Whether the task's last word has been said."""
        events, _ = self.read(0)
        return any(not isinstance(event.news, Progress) for event in events)

    def ask_to_stop(self) -> None:
        """Ask whatever executes the task to give it up."""
        self._stop.touch()

    def should_stop(self) -> bool:
        """Whether the task is to be given up."""
        return self._stop.exists()


def _parse(line: bytes) -> Event | None:
    """Read an event; None of a line that a node which died has torn, and the next has gone on in."""
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None
