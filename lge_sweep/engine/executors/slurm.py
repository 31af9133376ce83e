"""Jobs of a SLURM cluster: one element of a job array a task; the driver may end, and another comes back to them.

Driver and jobs share the runs directory alone, on a file system that the nodes see under the same path. A job that is
told to make room, or that its time is up, goes back into the queue and on from its last checkpoint.
"""

import logging
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lge_sweep.engine.events import Died, Event, Progress
from lge_sweep.engine.executors.mailbox import Mailbox
from lge_sweep.engine.executors.protocol import ExecutorOptions, LiveJobs
from lge_sweep.engine.executors.slurm_queue import QueuedJob, cancel_jobs, describe_end, find_jobs
from lge_sweep.engine.executors.slurm_settings import read_slurm_settings
from lge_sweep.engine.task import CellTask, SweepSample, Task
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.text import format_seconds, list_names, natural_key

if TYPE_CHECKING:
    from submitit import SlurmExecutor as Submitter

READ_EVERY, ASK_EVERY = 0.5, 10.0
"""Seconds between two looks into mailboxes, and between two questions to SLURM."""
GRACE = 60.0
"""Seconds that the last word of a job which has left the queue may take to be seen: shared file systems remember."""
NEXT = 64
"""Jobs, of those that were last seen waiting, that are listened to as if they ran: the next to begin, as SLURM keeps an
array in order. What waits may be thousands of mailboxes on a shared file system, and what is not listened to is heard
only when SLURM was asked again."""
WAITED = 60.0
"""Seconds without a running job after which it is said why they wait."""
AT_ONCE = 256
"""Jobs of an array that run at the same time, unless a number of workers is named."""
_log = logging.getLogger(__name__)


@dataclass
class _Submitted:
    """A task that a job executes.

    Attributes:
        mailbox: its folder.
        job: id of the job; "" until it is submitted.
        offset: bytes of its events that were read.
        spoken: when it last said something, or began to run, or was last seen waiting.
        missing: since when SLURM no longer knows the job; None as long as it does.
        waits: whether it was last seen waiting, so that it says nothing, unless it has begun since.
    """

    mailbox: Mailbox
    job: str = ""
    offset: int = 0
    spoken: float = field(default_factory=time.monotonic)
    missing: float | None = None
    waits: bool = False


class SlurmExecutor:
    """Executes tasks as jobs.

    Args:
        options: the runs directory, how many jobs may run at once, and the file of settings.

    Raises:
        RunsError: there is no SLURM here, or submitit is not installed.
        ConfigError: the settings cannot be used.
    """

    queues = True

    def __init__(self, options: ExecutorOptions) -> None:
        """Find SLURM; nothing is submitted yet."""
        self._options, self._settings = options, read_slurm_settings(options.cluster)
        _require_slurm()
        self._slots = 0
        self._tasks: dict[str, _Submitted] = {}
        self._unsubmitted: list[_Submitted] = []
        self._left: dict[str, _Submitted] = {}
        self._events: deque[Event] = deque()
        self._asked = -ASK_EVERY
        self._ran = time.monotonic()
        self._told: set[str] = set()

    @property
    def slots(self) -> int:
        """How many tasks it takes at once: all that there are, as SLURM keeps the queue."""
        return max(1, self._slots)

    def start(self, tasks: int, sample: SweepSample | None = None) -> str:
        """Find what earlier drivers have left: jobs to come back to; what has ended is removed."""
        again, self._slots = self._slots == max(1, tasks), max(1, tasks)
        self._left = self._find_left()
        if again:
            return ""
        where = f"partition {self._settings.partition}" if self._settings.partition else "the default partition"
        limit = format_seconds(60.0 * self._settings.time)
        return (
            f"SLURM executes them ({where}, at most {self._options.workers or AT_ONCE} at once, {limit} a job): jobs "
            "go on when this command ends, and the same command comes back to them"
        )

    def settle(self) -> str:
        """Leave nothing open."""
        return ""

    def submit(self, task: Task) -> str:
        """Take a task: to the job that executes it already, if an earlier driver has submitted one, or to a new one."""
        submitted = self._left.pop(_key(task), None)
        if submitted is not None:
            _log.info("job %s executes it already", submitted.job)
        else:
            mailbox = Mailbox(self._options.store.slurm / "tasks" / secrets.token_hex(8))
            mailbox.write(task)
            submitted = _Submitted(mailbox)
            self._unsubmitted.append(submitted)
        self._tasks[submitted.mailbox.id] = submitted
        return submitted.mailbox.id

    def next_event(self, timeout: float) -> Event | None:
        """Submit what was taken since, as one array, and wait for the next word of any job."""
        self._submit_all()
        until = time.monotonic() + timeout
        while not self._events:
            self._read()
            if time.monotonic() - self._asked >= ASK_EVERY:
                self._look_after_jobs()
            if self._events or (left := until - time.monotonic()) <= 0:
                break
            time.sleep(min(READ_EVERY, left))
        return self._events.popleft() if self._events else None

    def answer(self, task_id: str, stop: bool) -> None:
        """Ask a task to give up at its next validation; one that goes on needs no answer."""
        if stop and task_id in self._tasks:
            self._tasks[task_id].mailbox.ask_to_stop()

    def replace(self, task_id: str) -> None:
        """End the job of a task; others are not touched."""
        if (submitted := self._tasks.pop(task_id, None)) is not None:
            cancel_jobs([submitted.job] if submitted.job else [])
            submitted.mailbox.remove()
            self._events = deque(event for event in self._events if event.task != task_id)

    def close(self) -> None:
        """Leave the jobs to SLURM; what was not submitted yet is forgotten."""
        for submitted in self._unsubmitted:
            submitted.mailbox.remove()
        if jobs := [submitted.job for submitted in self._tasks.values() if submitted.job]:
            _log.warning(
                "jobs of SLURM go on: %s; the same command comes back to them, scancel ends them", list_names(jobs)
            )
        self._tasks, self._unsubmitted = {}, []
        self._events.clear()

    def _find_left(self) -> dict[str, _Submitted]:
        """Return what jobs of earlier drivers execute, by task; mailboxes of others are removed."""
        jobs = _open_tasks(self._options.store)
        queued = find_jobs(list(jobs.values()))
        left = {}
        for mailbox in _mailboxes(self._options.store):
            job = jobs.get(mailbox, "")
            is_live = bool(job) and (queued is None or job in queued)
            if mailbox.id in self._tasks:
                continue
            if is_live and (task := _task_of(mailbox)) is not None:
                left[_key(task)] = _Submitted(mailbox, job)
            else:
                mailbox.remove()
        return left

    def _submit_all(self) -> None:
        """Submit an array of jobs.

        Raises:
            RunsError: SLURM does not take it; its own words are in the message.
        """
        if not self._unsubmitted:
            return
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        from lge_sweep.engine.executors.slurm_job import TaskJob

        waiting, self._unsubmitted = self._unsubmitted, []
        submitter = self._submitter()
        try:
            with submitter.batch():
                jobs = [submitter.submit(TaskJob(submitted.mailbox.path.resolve())) for submitted in waiting]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            for submitted in waiting:
                submitted.mailbox.remove()
            reason = " ".join(str(error).split())
            raise RunsError(f"SLURM does not take the jobs: {reason}. Check the file that --cluster names") from error
        for submitted, job in zip(waiting, jobs, strict=True):
            submitted.job, submitted.spoken = str(job.job_id), time.monotonic()
            submitted.mailbox.set_job(submitted.job)
        _log.info("submitted to SLURM: %s", list_names([submitted.job for submitted in waiting]))

    def _submitter(self) -> "Submitter":
        import submitit

        submitter = submitit.SlurmExecutor(self._options.store.slurm / "jobs", max_num_timeout=self._settings.requeues)
        submitter.update_parameters(
            job_name="lge-sweep",
            stderr_to_stdout=True,
            array_parallelism=self._options.workers or AT_ONCE,
            **self._settings.parameters(),
        )
        return submitter

    def _read(self) -> None:
        """Take what jobs have said; of words on how far a task is, validations and the last one count."""
        running = [submitted for submitted in self._tasks.values() if not submitted.waits]
        waiting = [submitted for submitted in self._tasks.values() if submitted.waits]
        for submitted in running + waiting[:NEXT]:
            events, submitted.offset = submitted.mailbox.read(submitted.offset)
            if not events:
                continue
            submitted.spoken, submitted.missing, submitted.waits = time.monotonic(), None, False
            kept = [event for event in events[:-1] if getattr(event.news, "val_dice", None) is not None]
            self._events.extend([*kept, events[-1]])
            if not isinstance(events[-1].news, Progress):
                del self._tasks[submitted.mailbox.id]
                submitted.mailbox.remove()

    def _look_after_jobs(self) -> None:
        """Ask SLURM what has become of jobs that say nothing."""
        self._asked = now = time.monotonic()
        jobs = find_jobs([submitted.job for submitted in self._tasks.values() if submitted.job])
        if jobs is None:  # it cannot be asked now: nobody is given up for that
            return
        self._tell_why_all_wait(jobs, now)
        for task_id, submitted in list(self._tasks.items()):
            how = self._find_fault(submitted, jobs.get(submitted.job), now) if submitted.job else None
            if how is not None:
                self._events.append(Event(task=task_id, news=Died(reason=f"its SLURM job {submitted.job} {how}")))

    def _tell_why_all_wait(self, jobs: Mapping[str, QueuedJob], now: float) -> None:
        """Say, once a reason, why no job begins: some never will, such as of more processors than any node has."""
        if not jobs or any(job.runs for job in jobs.values()):
            self._ran = now
        reasons = {job.reason for job in jobs.values()} - self._told
        if reasons and now - self._ran > WAITED:
            self._told |= reasons
            _log.warning(
                "no SLURM job runs, all wait: %s (squeue --start tells until when)", ", ".join(sorted(reasons))
            )

    def _find_fault(self, submitted: _Submitted, job: QueuedJob | None, now: float) -> str | None:
        """Say what is wrong with the job of a task, if anything is."""
        submitted.waits = job is not None and not job.runs
        if job is None:
            submitted.missing = now if submitted.missing is None else submitted.missing
            return None if now - submitted.missing < GRACE else describe_end(submitted.job)
        submitted.missing = None
        if submitted.waits:
            submitted.spoken = now
        if now - submitted.spoken > self._options.stall:
            return f"said nothing for {format_seconds(now - submitted.spoken)} on {job.node} and was ended"
        return None


def live_jobs(store: RunStore) -> LiveJobs | None:
    """Return the jobs of a runs directory that may still write into it; None if there is none.

    Those are the ones whose last word was not said and that SLURM knows, or all where SLURM cannot be asked.
    """
    jobs = sorted(_open_tasks(store).values(), key=natural_key)
    queued = find_jobs(jobs)
    if not jobs or queued == {}:
        return None
    if queued is None:
        return LiveJobs(tuple(jobs), f"SLURM cannot be asked here; jobs that had not ended: {list_names(jobs)}")
    running = [job for job in jobs if job in queued and queued[job].runs]
    waiting = [job for job in jobs if job in queued and job not in running]
    reasons = sorted({queued[job].reason for job in waiting})
    parts = [f"{len(running)} running ({list_names(running)})"] * bool(running)
    parts += [f"{len(waiting)} waiting ({', '.join(reasons)}: {list_names(waiting)})"] * bool(waiting)
    return LiveJobs((*running, *waiting), f"SLURM jobs: {', '.join(parts)}")


def _open_tasks(store: RunStore) -> dict[Mailbox, str]:
    """Return the tasks that were submitted and have not said their last word, and their jobs."""
    jobs = ((mailbox, mailbox.job()) for mailbox in _mailboxes(store))
    return {mailbox: job for mailbox, job in jobs if job and not mailbox.has_ended()}


def _mailboxes(store: RunStore) -> list[Mailbox]:
    return [Mailbox(folder) for folder in sorted((store.slurm / "tasks").glob("*"))]


def _task_of(mailbox: Mailbox) -> Task | None:
    try:
        return mailbox.task()
    except (OSError, ValueError):  # of another version, or damaged: its job is no longer followed
        return None


def _key(task: Task) -> str:
    """Return what tells a task from others: of a cell, its folder."""
    return str(task.folder.resolve()) if isinstance(task, CellTask) else task.model_dump_json()


def _require_slurm() -> None:
    if shutil.which("sbatch") is None or shutil.which("squeue") is None:
        raise RunsError(
            "--executor slurm: there is no SLURM here (sbatch and squeue are not found); run the command where jobs "
            "are submitted, or use --executor local"
        )
    os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")  # read when it is imported, here and in jobs
    try:
        import submitit  # noqa: F401  # to say at once that it is missing
    except ImportError:
        raise RunsError("--executor slurm: submitit is not installed: pip install 'lge_sweep[slurm]'") from None
