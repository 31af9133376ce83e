"""Write a segmenter as a folder that others can load."""

from pathlib import Path

from lge_sweep.atomic import atomic_folder
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.errors import ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.models import Segmenter, export
from lge_sweep.segmenter.folder import SETTINGS


def write_segmenter(folder: Path, stage1: Segmenter, stage2: Segmenter, settings: SegmenterSettings) -> None:
    """Write both networks, each as pt2 and ONNX, and `settings.json`: plain data; all of it or nothing.

    Args:
        folder: a new one.
        stage1: finds the cavity.
        stage2: finds myocardium and scar.
        settings: what `load_segmenter` needs to know; the digests of the files are filled in.

    Raises:
        ModelError: the folder is there already, or cannot be written.
    """
    if folder.exists():
        raise ModelError(f"{folder}: is there already; nothing is overwritten, name a new folder")
    try:
        with atomic_folder(folder) as unfinished:
            for stage, network in ((1, stage1), (2, stage2)):
                export(network, settings.size, unfinished / f"stage{stage}.pt2", unfinished / f"stage{stage}.onnx")
            files = {path.name: file_digest(path) for path in sorted(unfinished.iterdir())}
            text = settings.model_copy(update={"files": files}).model_dump_json(indent=2)
            (unfinished / SETTINGS).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror}); nothing was") from error
