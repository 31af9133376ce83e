"""What a browser page costs, and whether it leaves anything behind.

Command: .venv/bin/python benchmarks/pages.py RUNS [ui|dashboard]

For each of the signals that end a program it starts the page, waits until it answers, asks for its data once, counts
the processes and their memory, sends the signal to the main process alone, and looks for processes that outlived it
and for the port. Linux only: it reads /proc. `mlflow server` as it was started before: 11 processes, 2.1 to 2.6 GB, 11
to 20 s, 10 left behind with the port open after all but Ctrl-C; now: 1 process, 240 MB, 3 s, nothing.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from alive import free_port, is_alive

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
PROBES = {"ui": "health", "dashboard": "api/studies"}
DATA = {"ui": "ajax-api/2.0/mlflow/experiments/search?max_results=10", "dashboard": "api/studies/0"}


def family(pid: int) -> set[int]:
    """Return a process and all that it started, directly or not."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return found


def memory(pid: int, kind: str) -> float:
    """Return a process's memory in MB; `kind` is Rss, or Pss, which shares out what processes share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1000


def attempt(runs: str, page: str, ending: signal.Signals) -> None:
    port = free_port()
    program = str(Path(sys.executable).with_name("lge-sweep"))
    begin = time.monotonic()
    command = [program, page, "--runs", runs, "--port", str(port), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while server.poll() is None:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/{PROBES[page]}", timeout=30):
                break
            time.sleep(0.1)
        seconds = time.monotonic() - begin
        urlopen(f"http://127.0.0.1:{port}/{DATA[page]}", timeout=30).read()
        time.sleep(10)  # what it starts later counts, too
        tree = family(server.pid)
        rss, pss = (sum(memory(pid, kind) for pid in tree) for kind in ("Rss", "Pss"))
        server.send_signal(ending)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
        time.sleep(3)
        left = [pid for pid in tree if is_alive(pid)]
        with socket.socket() as client:
            taken = client.connect_ex(("127.0.0.1", port)) == 0
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    print(
        f"{page} {ending.name}: answers after {seconds:.1f} s, {len(tree)} processes, RSS {rss:.0f} MB, PSS {pss:.0f} "
        f"MB; exit code {server.returncode}, {len(left)} left behind, port {'open' if taken else 'free'}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs")
    parser.add_argument("page", nargs="?", choices=list(PROBES), default="ui")
    options = parser.parse_args()
    for ending in ENDINGS:
        attempt(options.runs, options.page, ending)


if __name__ == "__main__":
    main()
