"""Workers in a Ray cluster: the driver's end of them.

Ray places actors, carries calls, and tells who has died. Which task is done where, and again, is said here.
"""

import itertools
import logging
import os
import secrets
import time
from collections import deque
from pathlib import Path
from typing import Any

import lge_sweep
from lge_sweep.atomic import write_text
from lge_sweep.engine.events import Died, Event, Progress
from lge_sweep.engine.executors.protocol import ExecutorOptions
from lge_sweep.engine.executors.ray_files import pack_folder, unpack
from lge_sweep.engine.executors.ray_session import RaySession, require_ray
from lge_sweep.engine.executors.ray_sharing import RaySharing, share_nodes
from lge_sweep.engine.executors.ray_slot import Phase, RaySlot
from lge_sweep.engine.executors.ray_worker import Heard, RayPlace, RaySetup
from lge_sweep.engine.task import CellTask, SweepSample, Task
from lge_sweep.errors import RunsError
from lge_sweep.paths import CHECKPOINT_VARIABLE
from lge_sweep.text import format_seconds, shorten

TICK = 2.0
"""Seconds after which the head of the cluster is looked at."""
NO_ROOM = 30.0
"""Seconds without a single worker after which the user is told so."""
FALSE_STARTS = 5
"""Workers in a row that die while they load; then something is wrong with all of them."""
LEAVE = 2.0
"""Seconds that workers are given to remove what they have written on their nodes."""
_log = logging.getLogger(__name__)


class RayExecutor:
    """Executes tasks in actors of a Ray cluster, which live for many tasks and end with the driver.

    A task waits here until an actor is ready for it: Ray may find room for one only later, or on another node.

    Args:
        options: which cluster, how many, and how long they may say nothing.
    """

    queues = False

    def __init__(self, options: ExecutorOptions) -> None:
        """Start nothing yet."""
        require_ray()  # to say at once that it is missing
        self._options = options
        self._session: RaySession | None = None
        self._sharing = RaySharing(options.workers or 1, 1.0)
        self._slots: list[RaySlot] = []
        self._waiting: deque[tuple[str, Task]] = deque()
        self._events: deque[Event] = deque()
        self._arrays: dict[Path, Any] = {}
        self._numbers, self._false_starts = itertools.count(), 0
        self._vacant: set[int] = set()
        self._token = secrets.token_hex(16)
        self._checked = self._no_room_since = time.monotonic()
        self._told_no_room = False

    @property
    def slots(self) -> int:
        """How many tasks it takes at once."""
        return self._sharing.workers

    def start(self, tasks: int, sample: SweepSample | None = None) -> str:
        """Connect, and ask for the actors, unless they are there; they load their libraries."""
        if self._session is None:
            self._session = RaySession(self._options.cluster)
            write_text(self._options.store.ray_token, self._token)
            self._no_room_since = time.monotonic()
        if any(slot.busy for slot in self._slots) or self._waiting:
            return ""
        options, nodes = self._options, self._session.nodes()
        sharing = share_nodes(nodes, tasks, options.workers, options.gpus_per_trial)
        if sharing != self._sharing:
            self._end_actors()
        self._sharing = sharing
        if self._slots:
            return ""
        self._slots = [self._ask_for(number) for number in range(sharing.workers)]
        where = "here" if self._session.own else f"in the cluster at {self._session.address}"
        count = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
        why = "as --workers says" if options.workers else f"as many as pay for {tasks} trial{'s' * (tasks > 1)}"
        return f"{sharing} {where} ({count}): {why}"

    def settle(self) -> str:
        """Leave nothing open."""
        return ""

    def submit(self, task: Task) -> str:
        """Take a task; the next actor that is ready has it."""
        if not self._slots:
            self.start(1)
        task_id = str(next(self._numbers))
        self._waiting.append((task_id, task))
        return task_id

    def next_event(self, timeout: float) -> Event | None:
        """Wait for the next word of an actor, or for its death."""
        until = time.monotonic() + timeout
        while self._session is not None and not self._events:
            if self._waiting:
                self._listen(0.0)  # who has died meanwhile is given nothing
                self._assign()
            self._look_after_cluster()
            if not self._events:
                self._listen(min(max(0.0, until - time.monotonic()), TICK))
            if not self._events and time.monotonic() >= until:
                return None
        return self._events.popleft() if self._events else None

    def answer(self, task_id: str, stop: bool) -> None:
        """Answer the actor of a task."""
        for slot in self._slots:
            if slot.task == task_id:
                slot.answer(stop)

    def replace(self, task_id: str) -> None:
        """Put a new actor in the place of the one that had a task; Ray finds a node for it."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] != task_id)
        self._events = deque(event for event in self._events if event.task != task_id)
        for number, slot in enumerate(self._slots):
            if slot.task == task_id:
                self._give_up(number)

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        self._waiting.clear()
        self._end_actors()
        if self._session is not None:
            self._session.close()
            self._options.store.ray_token.unlink(missing_ok=True)
        self._session, self._arrays = None, {}

    # ------------------------------------------------------------------------------------------------- what actors say

    def _listen(self, timeout: float) -> None:
        """Take what actors have said; who says nothing for too long is ended."""
        assert self._session is not None
        ray, began = self._session.ray, time.monotonic()
        pending = {slot.next: number for number, slot in enumerate(self._slots) if slot.phase is not Phase.ENDED}
        if not pending:
            time.sleep(timeout)
            return
        said, _ = ray.wait(list(pending), num_returns=1, timeout=timeout)
        if said:
            said, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
        # not the whole time that has passed: this process may have been stopped meanwhile, and its actors with it
        waited = min(time.monotonic() - began, timeout)
        for reference in said:
            self._hear(pending[reference], reference)
        for number, slot in enumerate(self._slots):
            if pending.get(slot.next) == number and slot.is_waited_for:
                slot.silent += waited
                if slot.silent > self._options.stall:
                    self._lose(number, f"said nothing for {format_seconds(slot.silent)} and was ended")

    def _hear(self, number: int, reference: Any) -> None:
        """Take what an actor has said.

        Raises:
            RunsError: lge_sweep cannot work on its node.
        """
        assert self._session is not None
        ray, slot = self._session.ray, self._slots[number]
        try:
            said = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise RunsError(
                f"--executor ray: lge_sweep does not work on {slot.place.host}: {_sentence(str(error.cause))}"
            ) from error
        except ray.exceptions.ActorDiedError as error:
            if "creation task" in str(error):  # its class cannot be loaded there
                raise RunsError(
                    "--executor ray: a node of the cluster cannot load lge_sweep; install the same version of it "
                    f"there: {_last_line(str(error))}"
                ) from error
            self._lose(number, _describe_end(str(error)))
        except ray.exceptions.RayError as error:
            self._lose(number, _describe_end(str(error)))
        else:
            self._go_on(number, said)

    def _go_on(self, number: int, said: Any) -> None:
        slot = self._slots[number]
        if slot.phase is Phase.PLACING:
            slot.load(self._check(RayPlace.model_validate_json(said)))
        elif slot.phase is Phase.LOADING:
            shared = "shares the runs directory" if slot.place.shares else "gets and sends files through Ray"
            _log.info("Ray worker %d is ready on %s, which %s", number, slot.place.host, shared)
            slot.listen()
        else:
            slot.listen()
            for heard in said:
                self._take(slot, Heard(*heard))

    def _take(self, slot: RaySlot, heard: Heard) -> None:
        event = Event.model_validate_json(heard.event)
        if heard.files and slot.folder is not None:
            unpack(heard.files, slot.folder)
        slot.busy, self._false_starts = isinstance(event.news, Progress), 0
        self._events.append(event)

    def _check(self, place: RayPlace) -> RayPlace:
        """Make sure that the same program is on a node.

        Raises:
            RunsError: another version is.
        """
        if place.version != lge_sweep.__version__:
            raise RunsError(
                f"--executor ray: {place.host} has lge_sweep {place.version}, and this is {lge_sweep.__version__}; "
                "install the same version on all nodes"
            )
        return place

    # --------------------------------------------------------------------------------------- which actors there are

    def _ask_for(self, number: int) -> RaySlot:
        assert self._session is not None
        store = self._options.store
        os.umask(mask := os.umask(0o077))  # to read it is to set it
        setup = RaySetup(
            token=store.ray_token.resolve(),
            content=self._token,
            threads=self._sharing.threads,
            lock=store.worker_lock(number).resolve(),
            log=store.worker_log(number).resolve(),
            umask=mask,
            folder=Path.cwd(),
            environment={name: os.environ[name] for name in (CHECKPOINT_VARIABLE,) if name in os.environ},
        )
        return RaySlot(self._session, setup, self._sharing)

    def _give_up(self, number: int) -> None:
        """End an actor; another is asked for when the head of the cluster answers: Ray would wait for that for ever."""
        self._slots[number].kill()
        self._vacant.add(number)

    def _lose(self, number: int, how: str) -> None:
        """Give an actor up; one that has taken a task is replaced when the driver says so.

        Raises:
            RunsError: none comes to life.
        """
        slot, where = self._slots[number], f"its Ray worker on {self._slots[number].place.host}"
        if slot.busy and slot.has_taken():
            slot.kill()
            self._events.append(Event(task=slot.task, news=Died(reason=f"{where} {how}")))
            return
        _log.info("Ray worker %d on %s %s", number, slot.place.host, how)
        if slot.busy:  # it was given the task when it was dead, and nobody knew
            assert slot.given is not None
            self._waiting.appendleft(slot.given)
        if slot.busy or slot.phase is not Phase.READY:
            self._false_starts += 1
            if self._false_starts >= FALSE_STARTS:
                raise RunsError(
                    f"--executor ray: {self._false_starts} workers in a row died while they loaded: {where} {how}"
                )
        self._give_up(number)

    def _end_actors(self) -> None:
        if self._session is not None and not self._session.lost:
            leaving = [leave for slot in self._slots if (leave := slot.leave()) is not None]
            if leaving:
                self._session.ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE)
            for slot in self._slots:
                slot.kill()
        self._slots = []
        self._vacant.clear()
        self._events.clear()

    def _look_after_cluster(self) -> None:
        """Notice that the cluster is gone, ask for new actors, and say it once if there is no room for any.

        Raises:
            RunsError: its head has not answered for a while.
        """
        now = time.monotonic()
        if now - self._checked < TICK and not self._vacant:
            return
        self._checked = now
        assert self._session is not None
        if not self._session.check():
            return
        for number in self._vacant:
            self._slots[number] = self._ask_for(number)
        self._vacant.clear()
        if not self._waiting or any(slot.phase is not Phase.PLACING for slot in self._slots):
            self._no_room_since = now
        elif now - self._no_room_since > NO_ROOM and not self._told_no_room:
            self._told_no_room = True
            gpus = f" and {self._sharing.gpus:g} GPU" if self._sharing.gpus else ""
            _log.warning(
                "no worker with %g CPU%s has begun: the Ray cluster has no room, or is slow to start it; waiting",
                self._sharing.cpus,
                gpus,
            )

    def _assign(self) -> None:
        """Give waiting tasks to actors that are ready."""
        assert self._session is not None
        for slot in self._slots:
            if not self._waiting:
                return
            if slot.phase is Phase.READY and not slot.busy:
                task_id, task = self._waiting.popleft()
                if isinstance(task, CellTask):
                    task = task.model_copy(
                        update={name: getattr(task, name).resolve() for name in ("folder", "speeds", "arrays")}
                    )
                if slot.place.shares or not isinstance(task, CellTask):
                    slot.give(task_id, task)
                    continue
                if task.arrays not in self._arrays:
                    self._arrays[task.arrays] = self._session.ray.put(pack_folder(task.arrays))
                slot.give(task_id, task, pack_folder(task.folder), self._arrays[task.arrays])
                slot.folder = task.folder


def _describe_end(text: str) -> str:
    """Say how an actor has died, from what Ray says."""
    text = " ".join(text.split())
    if "running low on memory" in text:
        return "was ended by Ray, as its node ran out of memory"
    if "node has died" in text or "unavailable" in text or "node failure" in text:
        return "was lost with its node, or can no longer be reached"
    detail = text.partition("Worker exit detail:")[2].partition("Some common causes")[0].strip()
    return f"died: {shorten(detail or text, 150)}"


def _sentence(text: str) -> str:
    return shorten(" ".join(text.split()), 200)


def _last_line(text: str) -> str:
    return _sentence(next((line for line in reversed(text.splitlines()) if line.strip()), ""))
