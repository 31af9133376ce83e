"""Write a segmenter as a folder that others can load."""

from collections.abc import Sequence
from pathlib import Path

from lge_sweep.atomic import atomic_folder
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.errors import ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.models import Segmenter, export
from lge_sweep.segmenter.folder import SETTINGS


def write_segmenter(folder: Path, networks: Sequence[Segmenter], settings: SegmenterSettings) -> None:
    """Write all networks, each as pt2 and ONNX, and `settings.json`: plain data; all of it or nothing.

    Args:
        folder: a new one.
        networks: as many as `settings.networks` names, in its order; stage 1, which finds the cavity, is the first.
        settings: what `load_segmenter` needs to know; the digests of the files are filled in.

    Raises:
        ModelError: the folder is there already, or cannot be written.
    """
    if folder.exists():
        raise ModelError(f"{folder}: is there already; nothing is overwritten, name a new folder")
    try:
        with atomic_folder(folder) as unfinished:
            for (name, size), network in zip(settings.networks().items(), networks, strict=True):
                export(network, size, unfinished / f"{name}.pt2", unfinished / f"{name}.onnx")
            files = {path.name: file_digest(path) for path in sorted(unfinished.iterdir())}
            text = settings.model_copy(update={"files": files}).model_dump_json(indent=2)
            (unfinished / SETTINGS).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror}); nothing was") from error
