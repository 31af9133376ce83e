"""Ingest: images and labels of patient exams from any source. Noun `Volume`, verb `read`."""

from pathlib import Path

from lge_sweep.config.data import ImagePairs, NiftiFolders, NnunetDataset, Phantom, Source
from lge_sweep.errors import DataError
from lge_sweep.ingest.duplicates import flag_duplicate_slices
from lge_sweep.ingest.hidden_files import find_hidden_exams
from lge_sweep.ingest.pairs import read_pairs
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.truth_alignment import with_alignment_warnings
from lge_sweep.ingest.volume import Exam, Volume
from lge_sweep.paths import data_root

__all__ = ["Exam", "Volume", "read", "survey"]


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


def _survey(source: Source, root: Path | None) -> tuple[list[Volume], DataError | None]:
    if isinstance(source, Phantom):
        return _simulated(source)
    folder = data_root(root)
    findings: list[str] = []
    if isinstance(source, ImagePairs):
        volumes = read_pairs(source, folder, findings)
    elif isinstance(source, NiftiFolders):  # these libraries are imported where they are needed: they take a second
        from lge_sweep.ingest.nifti import read_nifti

        volumes = read_nifti(source, folder, findings)
    elif isinstance(source, NnunetDataset):
        from lge_sweep.ingest.nnunet import read_nnunet

        volumes = read_nnunet(source, folder, findings)
    else:
        from lge_sweep.ingest.dicom import read_dicom

        volumes = read_dicom(source, folder, findings)
    findings += _hidden(source, folder)
    return volumes, DataError(str(folder), findings) if findings else None


def _hidden(source: Source, root: Path) -> list[str]:
    """Say what is hidden where exams are looked for, but for folders that the settings name."""
    names = [str(getattr(source, setting, "")) for setting in ("images", "labels", "masks")]
    places = [root / name for name in names if name] if isinstance(source, ImagePairs) else [root]
    return find_hidden_exams(
        root, list(dict.fromkeys(places)), known={Path(name).parts[-1] for name in names if Path(name).parts}
    )


def _simulated(source: Phantom) -> tuple[list[Volume], DataError | None]:
    if source.through == "memory":
        return simulate(source), None
    from lge_sweep.ingest.phantom_files import simulate_through_dicom

    findings: list[str] = []
    return simulate_through_dicom(source, findings), DataError("phantom", findings) if findings else None
