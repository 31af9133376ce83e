"""A bar for what takes long and has an end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from lge_sweep.cli.terminal import Terminal, styled
from lge_sweep.progress import ProgressCallback


class TaskText(ProgressColumn):
    """A column of a progress bar with a text of its task.

    Args:
        read: returns the text.
    """

    def __init__(self, read: Callable[[Task], str] = lambda task: task.description) -> None:
        """Keep how the text is read."""
        self.read = read
        super().__init__(Column(overflow="fold"))  # on a narrow terminal; rich would cut words

    def render(self, task: Task) -> Text:
        """Show the text; bold where the task asks for it."""
        return styled(self.read(task), "bold" if task.fields.get("bold") else "")


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
    hidden = console.brief or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=None)

        def on_progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what}: {name}", completed=done, total=total)
            if total and not console.is_terminal:
                console.explain(f"[{done}/{total}] {what}: {name}")

        yield on_progress
