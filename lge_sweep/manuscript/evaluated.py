"""The tables that phases 3 and 4 have written, as tables of the report."""

from pathlib import Path

import pandas as pd

from lge_sweep.csv_files import read_frame, read_rows
from lge_sweep.errors import DamagedError
from lge_sweep.manuscript.blocks import Table
from lge_sweep.report import CAPTIONS, Caption, caption_file, print_frame
from lge_sweep.run_folders import MeasuredFolder


def captioned(name: str, caption: Caption, frame: pd.DataFrame, where: str = "") -> Table:
    """Make a table of a file of an evaluation.

    Args:
        name: of the table's files.
        caption: its entry in `CAPTIONS`.
        frame: the table as its file has it.
        where: on what it was measured, a sentence.
    """
    return Table(name, caption.tell(where), frame, print_frame(caption.arrange(frame), caption.columns))


def read_tables(files: MeasuredFolder, about: str, subset: str) -> dict[str, pd.DataFrame]:
    """Read the tables of a folder that have a caption.

    Args:
        files: the folder.
        about: "results" or "failures": those of which section.
        subset: on what they were measured.

    Returns:
        Name -> table, in the order of `CAPTIONS`; those that are there.
    """
    found = {}
    for name, caption in CAPTIONS.items():
        path = caption_file(files, name, subset)
        if caption.about == about and path.is_file():
            found[name] = read_any(path)
    return found


def read_any(path: Path) -> pd.DataFrame:
    """Read a table whose columns of text are those that hold anything else than numbers."""
    try:
        header, rows = read_rows(path)
    except (OSError, ValueError) as error:
        raise DamagedError(path, f"cannot be read as a table ({error})", "") from error
    cells = {name: {row[k] for _, row in rows} for k, name in enumerate(header)}
    texts = [name for name, own in cells.items() if not all(map(_is_number, own)) and not own <= {"True", "False"}]
    texts += [name for name in header if name in ("case", "slice") and name not in texts]
    return read_frame(path, texts)


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
