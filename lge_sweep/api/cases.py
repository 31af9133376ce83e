"""The cases of a run: slices with truth and prediction, and the page to look at them."""

from pathlib import Path

from lge_sweep.browse import ShownCases, evaluation_cases, sweep_cases, write_page
from lge_sweep.errors import RunsError
from lge_sweep.paths import as_path
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.run_store import EvaluationFolder, RunStore
from lge_sweep.text import error_text


def read_cases(files: MeasuredFolder, show: str | None = None) -> ShownCases:
    """Read what a cell or a pipeline has found.

    Args:
        files: the folder of a sweep or of phase 4.
        show: the cell or pipeline; None: the winner, or what is shipped.

    Raises:
        ConfigError: there is no such cell or pipeline.
        RunsError: nothing was selected or compared yet, labels were not kept, or a file is damaged.
    """
    if isinstance(files, EvaluationFolder):
        return evaluation_cases(RunStore(files.path.parent), files, show)
    return sweep_cases(files.path, show)


def write_cases(files: MeasuredFolder, shown: ShownCases, output: Path | None = None) -> tuple[Path, int]:
    """Write the page of cases.

    Args:
        files: the folder that they are of.
        shown: the cases.
        output: the file; None: one in the folder.

    Returns:
        The file, and its size in bytes.

    Raises:
        RunsError: it cannot be written.
    """
    page = output or files.cases_page(shown.what)
    if page.is_dir():
        raise RunsError(f"{page}: is a folder; give --output the name of a file")
    try:
        return page, write_page(shown, page)
    except OSError as error:
        raise RunsError(f"{page}: the page cannot be written ({error_text(error)})") from error


def page_of(files: MeasuredFolder, show: str | None, output: str | Path | None) -> Path:
    """Write the page of a run's cases, for `Ranking` and `Pipelines`; returns its file.

    Args:
        files: the folder of the run.
        show: the cell or pipeline; None: the winner, or what is shipped.
        output: the file; None: one in the folder.
    """
    return write_cases(files, read_cases(files, show), as_path(output))[0]
