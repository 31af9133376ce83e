"""Whether memory grows with the trials of a sweep: that of the driver, and that of its worker.

Command: .venv/bin/python benchmarks/memory.py [--full] [--rounds 10]

One sweep of so many trials that are alike: profile `smoke`, stage 1, a U-Net a seed, one worker, which lives for all of
them. Resident memory (RSS) is read from /proc as each trial is reported to have ended; the slope is that of a straight
line through what was read after the first five trials, as libraries and caches are still filling in these. With --full
there are 50 trials, and a second sweep: a search of 50 trials over all architectures and losses, of which no two are
alike, and some are stopped early. Linux only.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from alive import memory_of, workers_of
from section import Figure, Options, Section, checkout, program, run_alone, say

from lge_sweep.config.architectures import BASELINE

FILLING = 5
"""Trials after which memory should have stopped growing."""


@dataclass
class Memory:
    """What two processes took after each trial, MiB; and at most."""

    driver: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)
    most: dict[str, float] = field(default_factory=dict)

    def note(self, driver: int) -> None:
        """Read the memory of a driver and its worker."""
        try:
            (worker,) = workers_of(driver)
            for name, pid, found in (("driver", driver, self.driver), ("worker", worker, self.worker)):
                found.append(memory_of(pid))
                self.most[name] = memory_of(pid, "VmHWM")
        except (OSError, ValueError):  # it has ended already
            return

    def section(self, title: str) -> Section:
        """Return what was found."""
        figures = []
        for name, found in (("driver", self.driver), ("worker", self.worker)):
            figures.append(Figure(f"{name}, after each trial", "MiB", found))
            figures.append(Figure(f"{name}, at most", "MiB", [self.most[name]]))
            figures.append(Figure(f"{name}, growth after {FILLING} trials", "MiB a trial", [slope(found[FILLING:])]))
        return Section(f"memory: {title}", figures)


def slope(values: Sequence[float]) -> float:
    """Return the slope of the straight line through values at 0, 1, 2 ...; nan for fewer than two."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else float("nan")


def follow(command: Sequence[str], title: str, trials: int) -> Section:
    """Run a sweep and read its memory whenever a trial has ended."""
    found = Memory()
    with checkout({}) as variables, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=variables)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("["):
                found.note(process.pid)
                say(f"memory, {title}: {len(found.worker)} of {trials}")
        if process.wait():
            errors.seek(0)
            sys.exit(f"{title} failed:\n{errors.read()[-3000:]}")
    return found.section(f"{title}, {trials} trials")


def measure(options: Options) -> Sequence[Section]:
    """Follow the sweeps asked for."""
    if not Path(f"/proc/{os.getpid()}/status").is_file():
        return [Section("memory: not measured", [], ["there is no /proc to read it from"])]
    trials = options.rounds or (50 if options.full else 10)
    with tempfile.TemporaryDirectory() as place:
        common = ["--stage", 1, "--profile", "smoke", "--workers", 1]
        settings = [f"grid.seed={list(range(trials))}", "grid.model=[unet]"]
        alike = program("phase1", *common, "--runs", f"{place}/alike", *(w for s in settings for w in ("--set", s)))
        sections = [follow(alike, "a U-Net a trial", trials)]
        if options.full:
            models = ",".join(BASELINE)
            mixed = program("search", *common, "--runs", f"{place}/mixed", "--trials", trials, "--models", models)
            sections.append(follow(mixed, "a search", trials))
        return sections


if __name__ == "__main__":
    run_alone(__doc__, measure)
