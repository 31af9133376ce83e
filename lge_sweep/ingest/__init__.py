"""Ingest: images and labels of patient exams from any source. Noun `Volume`, verb `read`."""

from pathlib import Path

from lge_sweep.config.data import DicomFolders, ImagePairs, Phantom, Source
from lge_sweep.ingest.dicom import read_dicom
from lge_sweep.ingest.nifti import read_nifti
from lge_sweep.ingest.pairs import read_pairs
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.volume import Volume
from lge_sweep.paths import data_root

__all__ = ["Volume", "read"]


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
    if isinstance(source, Phantom):
        return simulate(source)
    folder = data_root(root)
    if isinstance(source, ImagePairs):
        return read_pairs(source, folder)
    if isinstance(source, DicomFolders):
        return read_dicom(source, folder)
    return read_nifti(source, folder)
