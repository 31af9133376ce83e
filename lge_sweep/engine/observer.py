"""Who is told what happens while sweeps run. The engine itself prints nothing; the command line implements these."""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from lge_sweep.study import Plan


class SweepObserver(Protocol):
    """Is told of the cells of one sweep."""

    def begin(self, cell: str, name: str, resumed: bool) -> None:
        """A cell begins.

        Args:
            cell: the cell.
            name: what to call it from now on.
            resumed: whether it goes on from its checkpoint.
        """

    def rename(self, cell: str, name: str) -> None:
        """A cell in progress is called otherwise from now on."""

    def step(self, cell: str, step: int, total: int, loss: float, val_loss: float | None) -> None:
        """A cell has done some steps.

        Args:
            cell: the cell.
            step: optimizer steps done.
            total: most there can be.
            loss: training loss of this step.
            val_loss: of the latest validation, None before the first.
        """

    def end(self, cell: str, outcome: str, finished: bool) -> None:
        """A cell has ended, or is waiting to be tried again.

        Args:
            cell: the cell.
            outcome: how, in words.
            finished: whether it needs no more work.
        """


class ShownSweep(SweepObserver, Protocol):
    """Is told of the cells of a sweep, which are shown while it is entered."""

    def __enter__(self) -> Self:
        """Begin to show them."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End it."""


class Observer(Protocol):
    """Is told of one sweep after the other."""

    def introduce(self, plan: Plan) -> None:
        """A sweep comes next: its cells, how its data is split, what to know about it, where its results go."""

    def line(self, text: str) -> None:
        """Something happens that a person should know of."""

    def sweep(self, title: str, total: int, done: int, costs: Mapping[str, float]) -> ShownSweep:
        """Return who is told of a sweep's cells; entered once no sweep before it is shown, left after the last cell.

        Args:
            title: what to call the sweep.
            total: cells in all.
            done: cells finished in earlier sessions.
            costs: how long the others are likely to take, beside each other; only of those that are known.
        """


class SilentObserver:
    """Tells nobody."""

    def introduce(self, plan: Plan) -> None:
        """Say nothing of a sweep."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def sweep(self, title: str, total: int, done: int, costs: Mapping[str, float]) -> "SilentObserver":
        """Be told of a sweep's cells, too."""
        return self

    def __enter__(self) -> Self:
        """Begin to show nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Show nothing still."""

    def begin(self, cell: str, name: str, resumed: bool) -> None:
        """Say nothing of a cell that begins."""

    def rename(self, cell: str, name: str) -> None:
        """Say nothing of its name."""

    def step(self, cell: str, step: int, total: int, loss: float, val_loss: float | None) -> None:
        """Say nothing of its steps."""

    def end(self, cell: str, outcome: str, finished: bool) -> None:
        """Say nothing of its end."""
