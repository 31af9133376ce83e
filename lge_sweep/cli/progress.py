"""What a person sees of sweeps: what comes next; and while one runs, cells done, the current step, the time left."""

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TimeElapsedColumn,
)

from lge_sweep.cli.progress_bar import TaskText
from lge_sweep.cli.terminal import Terminal, styled
from lge_sweep.study import Plan, subset_counts
from lge_sweep.text import format_seconds

LINE_EVERY = 30.0
"""Seconds between two lines about one cell where the output is not a terminal."""
SOME = 0.02
"""Share of a cell's steps after which its pace is known."""


class TerminalObserver:
    """Prints what a driver does.

    Args:
        console: where to print.
    """

    def __init__(self, console: Terminal) -> None:
        """Print nothing yet."""
        self.console = console

    def introduce(self, plan: Plan) -> None:
        """Print what comes next: the cells, how the data is split, what to know about it, where results go."""
        if self.console.brief:
            return
        config, search = plan.config, plan.config.search
        stage = {1: "cavity", 2: "myocardium and scar"}[config.stage]
        count = len(plan.cells)
        amount = f"{count} cell{'s' * (count != 1)}" if search is None else f"a search of {search.trials} trials"
        self.console.print_line()
        self.console.print(
            styled(f"{config.phase} stage {config.stage} ({stage}):", "bold"),
            f"{amount} on {config.data}, profile {config.profile}",
        )
        print_subsets(self.console, subset_counts(plan.manifest))
        for note in plan.notes:
            self.console.note(note)
        self.console.print_line(f"folder: {plan.folder}")

    def line(self, text: str) -> None:
        """Print a line."""
        self.console.explain(text)

    def sweep(self, title: str, total: int, done: int, costs: Mapping[str, float]) -> "SweepProgress":
        """Show the progress of a sweep; arguments as of `Observer`."""
        return SweepProgress(self.console, title, total, done, costs)


class SweepProgress:
    """Progress of one sweep: bars on a terminal, plain lines elsewhere.

    Args:
        console: where to print.
        title: what is being done.
        total: cells in all.
        done: cells finished in earlier sessions.
        costs: how long the others are likely to take, beside each other; where it is not known, as long as each other.
    """

    def __init__(
        self, console: Terminal, title: str, total: int, done: int, costs: Mapping[str, float] | None = None
    ) -> None:
        """Show nothing yet."""
        self.names: dict[str, str] = {}
        self.console, self.total, self.done = console, total, done
        self.costs = dict(costs or {})
        self.fractions: dict[str, float] = {}
        self.began: dict[str, float] = {}
        self.first: dict[str, tuple[float, float]] = {}
        self.took: dict[str, float] = {}
        self.abreast = 1
        self.tasks: dict[str, TaskID] = {}
        self.printed: dict[str, float] = {}
        self.bars = Progress(
            TaskText(),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TaskText(lambda task: task.fields["info"]),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=console.brief or not console.is_terminal,
        )
        self.sweep = self.bars.add_task(title, total=total, completed=done, info="cells", bold=True)

    def __enter__(self) -> Self:
        """Start drawing."""
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing; the bars vanish, the lines stay."""
        self.bars.stop()

    def begin(self, cell: str, name: str, resumed: bool) -> None:
        """A cell begins, or goes on from its checkpoint; `name` is what to call it from now on."""
        self.names[cell] = name
        self.tasks[cell] = self.bars.add_task(f"  {self.names[cell]}", total=None, info="loading")
        self.fractions[cell] = 0.0
        self.abreast = max(self.abreast, len(self.fractions))
        self.began[cell] = self.printed[cell] = time.monotonic()
        self.console.explain(f"{self.names[cell]}: {'resumed' if resumed else 'started'}")

    def rename(self, cell: str, name: str) -> None:
        """Call a cell by this name from now on."""
        self.names[cell] = name
        self.bars.update(self.tasks[cell], description=f"  {name}")

    def step(self, cell: str, step: int, total: int, loss: float, val_loss: float | None) -> None:
        """A cell has done some steps; arguments as of `SweepObserver`."""
        if math.isnan(loss):  # before the first step
            self.bars.update(self.tasks[cell], info="steps, measuring what is fast here")
            return
        self.fractions[cell] = step / total
        self.first.setdefault(cell, (time.monotonic(), step / total))
        validation = f", validation {val_loss:.4f}" if val_loss is not None else ""
        info = f"steps, loss {loss:.4f}{validation}"
        self.bars.update(self.tasks[cell], completed=step, total=total, info=info)
        self._update_total()
        if not self.console.is_terminal and time.monotonic() - self.printed[cell] >= LINE_EVERY:
            self.printed[cell] = time.monotonic()
            self.console.explain(f"{self.names[cell]}: step {step}/{total}, loss {loss:.4f}{validation}{self._left()}")

    def end(self, cell: str, outcome: str, finished: bool) -> None:
        """A cell has ended; arguments as of `SweepObserver`."""
        self.bars.remove_task(self.tasks.pop(cell))
        self.fractions.pop(cell)
        _, resumed_at = self.first.pop(cell, (0.0, 0.0))
        if finished and resumed_at < 1:
            self.took[cell] = (time.monotonic() - self.began[cell]) / (1 - resumed_at)
        self.done += finished
        self._update_total()
        left = self._left() if self.fractions or self.done < self.total else ""
        text = f"[{self.done}/{self.total}] {self.names[cell]}: {outcome}{left}"
        if finished:
            self.console.explain(text)
        else:  # something went wrong, which is told even if quiet
            self.console.print_line(text)

    def _update_total(self) -> None:
        self.bars.update(self.sweep, completed=self.done, info=f"cells{self._left()}")

    def _left(self) -> str:
        """Say how much longer the sweep takes: running cells at their own pace, waiting ones at that of the others."""
        whole = dict(self.took)
        for cell, (since, resumed_at) in self.first.items():
            if (here := self.fractions[cell] - resumed_at) > SOME:
                whole[cell] = (time.monotonic() - since) / here
        if not whole:
            return ""
        pace = sum(whole.values()) / sum(map(self._cost, whole))
        running = [(1 - done) * whole.get(cell, pace * self._cost(cell)) for cell, done in self.fractions.items()]
        waiting = self.costs.keys() - whole.keys() - self.fractions.keys()
        others = max(self.total - self.done - len(running) - len(waiting), 0) * self._typical
        seconds = max([(sum(running) + pace * (sum(map(self._cost, waiting)) + others)) / self.abreast, *running])
        return f"; about {format_seconds(seconds)} left"

    def _cost(self, cell: str) -> float:
        return self.costs.get(cell, self._typical)

    @property
    def _typical(self) -> float:
        return sum(self.costs.values()) / len(self.costs) if self.costs else 1.0


def print_subsets(console: Terminal, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Print one line on how the data is split."""
    described = [
        f"{subset} {n['slices']} slices of {n['cases']} cases ({n['with_scar']} with scar)"
        for subset, n in counts.items()
    ]
    console.print_line("split: " + ", ".join(described))
