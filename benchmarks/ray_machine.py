"""Raylets on this machine, as on the nodes of a Ray cluster, each with one processor."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from alive import descendants, free_port, kill, name_of

RAY = str(Path(sys.executable).with_name("ray"))
ONCE = ("--block", "--num-cpus=1", "--object-store-memory=200000000")
START = 120.0
"""Seconds in which a raylet is there."""


@dataclass
class Cluster:
    """Two raylets on this machine.

    Attributes:
        hidden: a folder that the second does not see; None: it sees all.
        port: of the head.
        processes: of the head, and of the second raylet.
    """

    hidden: Path | None = None
    port: int = 0
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def address(self) -> str:
        """HOST:PORT of the head."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start both, and wait until they are there."""
        if not self.port:
            self.port = free_port()
        self._start([RAY, "start", "--head", f"--port={self.port}", "--include-dashboard=false", *ONCE])
        self.start_second()

    def start_second(self, await_it: bool = True) -> None:
        """Start the second, which the first must be there for; returns when it is there, unless told otherwise."""
        command = [RAY, "start", f"--address={self.address}", *ONCE]
        if self.hidden is not None:
            self.hidden.mkdir(parents=True, exist_ok=True)
            shell = 'mount -t tmpfs none "$1" && shift && exec "$@"'
            command = ["unshare", "-m", "sh", "-c", shell, "-", str(self.hidden), *command]
        self._start(command, await_it)

    def _start(self, command: list[str], await_it: bool = True) -> None:
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        until = time.monotonic() + START
        while await_it and not _named(process.pid, "raylet"):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"no raylet came of: {' '.join(command)}")
            time.sleep(0.2)
        time.sleep(2.0 * await_it)  # until it is known

    def raylets(self) -> list[int]:
        """Return the raylets, that of the head first."""
        return [pid for process in self.processes for pid in _named(process.pid, "raylet")]

    def actors(self) -> list[int]:
        """Return all actors of ours."""
        return [pid for process in self.processes for pid in _named(process.pid, "RayWorker")]

    def second_actors(self) -> list[int]:
        """Return the actors of the second raylet."""
        return _named(self.processes[1].pid, "RayWorker")

    def kill_second(self) -> None:
        """Kill the second raylet, and what would have watched it; what else is of its node ends by itself."""
        process = self.processes.pop(1)
        for pid in [*_named(process.pid, "raylet"), process.pid]:
            kill(pid)
        process.wait()

    def stop(self) -> None:
        """End all of it."""
        for pid in [pid for process in self.processes for pid in [process.pid, *descendants(process.pid)]]:
            kill(pid)
        for process in self.processes:
            process.wait()
        self.processes.clear()


def _named(pid: int, name: str) -> list[int]:
    return [each for each in descendants(pid) if name in name_of(each)]
