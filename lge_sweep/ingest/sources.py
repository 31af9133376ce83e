"""Read every exam of a source, whatever its kind."""

from collections.abc import Callable
from pathlib import Path

from lge_sweep.config.data import Source, SourceSettings
from lge_sweep.config.registry import resolve
from lge_sweep.errors import DataError
from lge_sweep.ingest.duplicates import flag_duplicate_slices
from lge_sweep.ingest.hidden_files import find_hidden_exams
from lge_sweep.ingest.truth_alignment import with_alignment_warnings
from lge_sweep.ingest.volume import Volume
from lge_sweep.paths import data_root

Reader = Callable[[SourceSettings, Path | None, list[str]], list[Volume]]


def read(source: Source, root: Path | None = None) -> list[Volume]:
    """Read every exam of a source.

    Args:
        source: the kind of source and its settings.
        root: the folder that holds the images; ``LGE_SWEEP_DATA`` if not given. The phantom needs none.

    Returns:
        One `Volume` a case, in the order of case ids.

    Raises:
        DataError: listing everything that is wrong with the source, in one report.
    """
    volumes, problem = survey(source, root)
    if problem is not None:
        raise problem
    return volumes


def survey(source: Source, root: Path | None = None) -> tuple[list[Volume], DataError | None]:
    """Read what can be read of a source; copies, and a truth that does not look like that of its images, get a note.

    Args:
        source: the kind of source and its settings.
        root: as for `read`.

    Returns:
        The sound exams, and the report of everything else, if anything is wrong.

    Raises:
        DataError: there is no such root.
    """
    volumes, problem = _survey(source, root)
    return flag_duplicate_slices(with_alignment_warnings(volumes)), problem


def _survey(source: SourceSettings, root: Path | None) -> tuple[list[Volume], DataError | None]:
    folder = data_root(root) if source.needs_root else None
    findings: list[str] = []
    read_source: Reader = resolve(source.reader)  # imported now: some of the readers' libraries take a second
    volumes = read_source(source, folder, findings)
    if folder is not None:
        findings += _hidden(source, folder)
    return volumes, DataError(str(folder or source.kind), findings) if findings else None


def _hidden(source: SourceSettings, root: Path) -> list[str]:
    """Say what is hidden where exams are looked for, but for folders that the settings name."""
    names = source.named_folders
    places = [root / name for name in names if name] if source.reads_only_named else [root]
    return find_hidden_exams(
        root, list(dict.fromkeys(places)), known={Path(name).parts[-1] for name in names if Path(name).parts}
    )
