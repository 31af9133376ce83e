"""A bar for what takes long and has an end."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from lge_sweep.cli.terminal import TaskText, Terminal
from lge_sweep.progress import ProgressCallback


@contextmanager
def progress_bar(console: Terminal, what: str) -> Iterator[ProgressCallback]:
    """Show a bar with the time left; lines where there is no terminal.

    Args:
        console: where to print.
        what: what is being done.

    Yields:
        Tell it what is next, how many are done, and how many there are.
    """
    columns = (TaskText(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = console.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=None)

        def on_progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what}: {name}", completed=done, total=total)
            if not console.is_terminal:
                console.explain(f"[{done}/{total}] {what}: {name}")

        yield on_progress
