"""Which label files of a folder are of which exam that was predicted."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lge_sweep.atomic import folders_with
from lge_sweep.deliver.exam_files import ABOUT_FILE
from lge_sweep.deliver.prediction import Prediction, read_prediction
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import (
    LabelFiles,
    SegHeader,
    UnusableError,
    find_label_files,
    may_be_label_map,
    nifti_stem,
    read_seg_header,
)

Predictions = Mapping[str, Prediction]
"""Case -> what a model found in it."""


@dataclass
class LabelSet:
    """The label files of a folder.

    Attributes:
        niftis: case -> its NIfTI files.
        segs: SEG -> what it says of itself; their images tell of which exam they are.
        untouched: cases that have a file in the folder which is as predict wrote it.
        images: files that are images, no label maps, and of no exam by their names.
        problems: what is wrong with others, a sentence each.
        unread: files of volumes of other kinds, counted.
    """

    niftis: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    segs: dict[Path, SegHeader] = field(default_factory=dict)
    untouched: set[str] = field(default_factory=set)
    images: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unread: str = ""


def read_predictions(folder: Path) -> dict[str, Prediction]:
    """Read what `predict` delivered to a folder: case -> prediction; the folder may be that of one exam.

    Raises:
        ConfigError: there is nothing of it.
        DamagedError: an `about.json` is not what it writes.
    """
    folders = (folder, *folders_with(ABOUT_FILE, folder))
    abouts = [path for one in folders if (path := one / ABOUT_FILE).is_file()]
    if not abouts:
        raise ConfigError(
            f"{folder} holds nothing that `lge-sweep predict` wrote (no {ABOUT_FILE} in it or a folder inside); name "
            "predict's output folder with --predicted"
        )
    predictions: dict[str, Prediction] = {}
    for path in abouts:
        found = read_prediction(path)
        if (other := predictions.setdefault(found.case, found)) is not found:
            both = f"{other.folder.name} and {path.parent.name}"
            raise DataError(str(folder), [f"{both} are both of case {found.case}; move one elsewhere"])
    return predictions


def sort_labels(folder: Path, predictions: Predictions) -> LabelSet:
    """Find the label files below a folder that are not what `predict` wrote, and tell of which exams they are.

    Args:
        folder: the folder; that of the predictions, or another.
        predictions: the exams.

    Raises:
        OSError: it cannot be listed.
    """
    files: LabelFiles = find_label_files(folder)
    found = LabelSet(problems=list(files.problems), unread=files.unread)
    written: dict[str, list[Prediction]] = defaultdict(list)
    for one in predictions.values():
        for digest in one.digests.values():
            written[digest].append(one)
    for path in (*files.segs, *files.niftis):
        if alike := written.get(file_digest(path)):  # empty labels of two exams on one grid are the same file
            own = [one.case for one in alike if one.folder.resolve() == path.parent.resolve()]
            found.untouched.update(own or [one.case for one in alike])
        elif path in files.segs:
            _add_seg(path, folder, found)
        elif (case := _case_of(path, folder, predictions.values())) is not None:
            found.niftis[case].append(path)
        elif not may_be_label_map(path):
            found.images.append(path)
        else:
            found.problems.append(
                f"{path.relative_to(folder)}: is of no exam that predict wrote; put it into a folder called by its "
                f"exam's folder (such as {next(iter(predictions.values())).folder.name}), or begin its name with that; "
                "if it is something else, move it elsewhere"
            )
    return found


def _add_seg(path: Path, folder: Path, found: LabelSet) -> None:
    try:
        found.segs[path] = read_seg_header(path)
    except UnusableError as error:
        found.problems.append(f"{path.relative_to(folder)}: {error}")


def _case_of(path: Path, folder: Path, predictions: Iterable[Prediction]) -> str | None:
    """Return the case of a NIfTI file: that by which a folder around it is called, else what its name begins with."""
    names = {name: one.case for one in predictions for name in (one.case, one.folder.name)}
    around = [*reversed(path.relative_to(folder).parts[:-1]), folder.resolve().name]
    inside = next((names[name] for name in around if name in names), None)
    return inside or _case_of_stem(nifti_stem(path), names)


def _case_of_stem(stem: str, names: Mapping[str, str]) -> str | None:
    """Return the case that a name begins with: P1-label is of P1, P1_2 may be of another."""
    fitting: Sequence[str] = [
        name for name in names if stem == name or re.match(rf"{re.escape(name)}[^A-Za-z0-9]+[A-Za-z]", stem)
    ]
    return names[max(fitting, key=len)] if fitting else None
