"""Progress for programs: what drivers and pipelines tell, handed to one callback."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from lge_sweep.engine import SilentObserver
from lge_sweep.progress import ProgressCallback


class CallbackObserver(SilentObserver):
    """Tells a callback of a driver's sweeps.

    Args:
        on_progress: the callback.
    """

    def __init__(self, on_progress: ProgressCallback) -> None:
        """Know of no sweep yet."""
        self._on_progress = on_progress

    def sweep(self, title: str, total: int, done: int, costs: Mapping[str, float]) -> "SweepCallback":
        """Tell of a sweep's cells; arguments as of `Observer`. How long they are likely to take is not told."""
        return SweepCallback(self._on_progress, title, total, done)


class SweepCallback(SilentObserver):
    """Tells a callback of the cells of a sweep.

    Args:
        on_progress: the callback.
        title: what to call the sweep.
        total: cells in all.
        done: cells finished in earlier sessions.
    """

    def __init__(self, on_progress: ProgressCallback, title: str, total: int, done: int) -> None:
        """Tell nothing yet."""
        self._on_progress, self._title, self._total, self._done = on_progress, title, total, done
        self._names: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Tell that it begins."""
        self._on_progress(self._title, self._done, self._total)
        return self

    def begin(self, cell: str, name: str, resumed: bool) -> None:
        """Tell that a cell begins; arguments as of `SweepObserver`."""
        self._names[cell] = name
        self._on_progress(f"{self._title}, {name}: {'resumed' if resumed else 'started'}", self._done, self._total)

    def rename(self, cell: str, name: str) -> None:
        """Tell of a cell by this name from now on."""
        self._names[cell] = name

    def end(self, cell: str, outcome: str, finished: bool) -> None:
        """Tell how a cell has ended; arguments as of `SweepObserver`."""
        self._done += finished
        self._on_progress(f"{self._title}, {self._names[cell]}: {outcome}", self._done, self._total)


class CallbackBar:
    """Stands for a bar of progress where a program is told instead: give it what is being done, and enter what comes.

    Args:
        on_progress: the callback.
    """

    def __init__(self, on_progress: ProgressCallback) -> None:
        """Tell nothing yet."""
        self._on_progress = on_progress

    @contextmanager
    def __call__(self, what: str) -> Iterator[ProgressCallback]:
        """Yield what tells the callback, with what is being done before what comes next."""
        yield lambda name, done, total: self._on_progress(f"{what}: {name}", done, total)
