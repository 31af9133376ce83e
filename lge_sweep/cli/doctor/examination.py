"""All that the doctor looks at, and the verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from lge_sweep.cli.doctor.finding import Finding, Section, Severity, broken
from lge_sweep.cli.doctor.hardware import look_at_gpu, look_at_memory, look_at_processor
from lge_sweep.cli.doctor.place import look_at_disk, look_at_executors, look_at_runs, look_at_servers
from lge_sweep.cli.doctor.program import look_at_program
from lge_sweep.cli.doctor.torch_probe import ask_torch
from lge_sweep.cli.doctor.variables import look_at_variables
from lge_sweep.cli.terminal import Terminal, styled
from lge_sweep.errors import LgeSweepError
from lge_sweep.run_store import RunStore
from lge_sweep.text import error_text

ORDER: tuple[Severity, ...] = ("broken", "slow", "note")
COLOURS: dict[Severity, str] = {"broken": "red", "slow": "yellow", "note": ""}


@dataclass(frozen=True)
class Examination:
    """What the doctor has seen.

    Attributes:
        sections: the lines of the table.
    """

    sections: tuple[Section, ...]

    def findings(self, kind: Severity) -> list[Finding]:
        """Return what was found of a kind."""
        return [finding for section in self.sections for finding in section.findings if finding.kind == kind]

    @property
    def verdict(self) -> str:
        """What it comes to, in a sentence."""
        broken, slow = ([finding.short for finding in self.findings(kind)] for kind in ORDER[:2])
        if broken:
            return f"No sweep can run here: {', '.join(broken)}."
        if slow:
            return f"Sweeps can run here, slowly: {', '.join(slow)}."
        return "Sweeps can run here, and nothing makes them slow."


def examine(runs: Path | None) -> Examination:
    """Look at everything; what cannot be looked at is said, and keeps nothing else from being looked at.

    Args:
        runs: the runs directory, as it was given.
    """
    torch = ask_torch()
    sections = [
        look_at_program(torch),
        *_look("GPU", lambda: look_at_gpu(torch)),
        *_look("processor", lambda: look_at_processor(torch)),
        *_look("memory", look_at_memory),
        *_look("executors", look_at_executors),
        *_look("variables", look_at_variables),
    ]
    try:
        store = RunStore.open(runs)
    except LgeSweepError as error:
        remedy = "change or unset it, or name another folder with --runs"
        fault = broken("no place for results", str(error), remedy)
        return Examination((*sections, Section("runs", "not looked at", (fault,))))
    sections += [
        *_look("disk", lambda: look_at_disk(store)),
        *_look("runs", lambda: look_at_runs(store)),
        *_look("servers", lambda: look_at_servers(store)),
    ]
    return Examination(tuple(sections))


def _look(title: str, look: Callable[[], Section | None]) -> list[Section]:
    """Look at one thing; what a missing package keeps from being looked at is said in its place."""
    try:
        section = look()
    except ImportError as error:
        return [Section(title, f"not looked at ({error})")]
    except OSError as error:
        return [Section(title, f"not looked at ({error_text(error)})")]
    return [section] if section else []


def print_examination(console: Terminal, examination: Examination) -> None:
    """Print the verdict, what to do, and what there is.

    Args:
        console: where to print.
        examination: what was seen.
    """
    worst: Severity = next((kind for kind in ORDER[:2] if examination.findings(kind)), "note")
    console.print_line(styled(examination.verdict, f"bold {COLOURS[worst]}".strip()))
    console.print_line()
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for kind in ORDER:
        for finding in examination.findings(kind):
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            table.add_row(styled(kind, COLOURS[kind]), styled(f"{' '.join(finding.what.split())}{remedy}"))
    if table.row_count:
        table.add_row()
    for section in examination.sections:
        table.add_row(section.title, styled(section.text))
    console.print(table)
