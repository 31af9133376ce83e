"""Exams that come as NIfTI files: images are told from label maps, and each gets its case id."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lge_sweep.config.data import CaseIds
from lge_sweep.ingest.geometry import Turn, turn_between
from lge_sweep.ingest.label_maps import as_label_map, is_named_as_label_map
from lge_sweep.ingest.limits import blank_slices
from lge_sweep.ingest.nifti import as_exam, attempt
from lge_sweep.ingest.nifti_grid import Grid, read_grid
from lge_sweep.ingest.pseudonym import kept_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam
from lge_sweep.text import named

ASKED = "looks like a label map ({}), not like an image; segmented because the file itself was given"
GIVE_IT = "if it is an image, give the file itself"
OUT_OF_IT = "if it is another exam, move it out of the DICOM exam's folder into one of its own, else elsewhere"
BY_NAME = "by its name"
NAMED = "its name is that of a label map, its content is that of an image; segmented"


@dataclass(frozen=True)
class Candidate:
    """A NIfTI file that may be an exam.

    Attributes:
        name: what its case id is made of; "" for the folder's name if it is the only image in it, else the file's.
        path: the file.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class _Read:
    candidate: Candidate
    where: str
    """The file, as it lies in the folder that was given."""
    grid: Grid
    called: bool
    """Whether its name, or its folder's, says that it is a label map."""
    labels: str | None
    """What makes it a label map."""


def stem(path: Path) -> str:
    """Return a NIfTI file's name without its ending."""
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def read_nifti_exams(
    candidates: Sequence[Candidate],
    root: Path,
    case_ids: CaseIds,
    findings: list[str],
    notes: list[str],
    *,
    given: bool,
) -> list[Exam]:
    """Read NIfTI files; label maps among them are left out.

    What `as_label_map` finds is left out: with a note where its name says so too, or where it lies on the grid of an
    image in its folder, else with a finding.

    Args:
        candidates: the files.
        root: the folder that was given; files are named as they lie in it.
        case_ids: see `read_exams`.
        findings: what is wrong; appended to.
        notes: what was left out; appended to.
        given: whether the one file itself was given: it is segmented, whatever it looks like.
    """
    read = _read(candidates, root, findings)
    images = [item for item in read if given or item.labels is None]
    left_out = []
    for item in read:
        if item in images:
            continue
        partner = next((other for other in images if _share_a_grid(item, other)), None)
        if partner is not None or item.called:
            on = f", on the grid of {partner.where}" if partner else ""
            left_out.append((item.where, f"{item.labels}{on}"))
        else:
            findings.append(
                f"{item.where}: looks like a label map ({item.labels}), not like an image, and was left out; {GIVE_IT}"
            )
    notes += _left_out(left_out)
    return _name(images, case_ids, findings)


def pass_over(files: Iterable[Path], root: Path, findings: list[str], notes: list[str]) -> None:
    """Name the NIfTI files beside DICOM files, which are not read: label maps are noted, others are a finding.

    Args:
        files: the files.
        root: the folder that was given; files are named as they lie in it.
        findings: what could be an exam, and what cannot be read; appended to.
        notes: what was left out; appended to.
    """
    images, label_maps = [], []
    for item in _read([Candidate("", path) for path in files], root, findings):
        if why := item.labels or (BY_NAME if item.called else None):
            label_maps.append((item.where, f"{why}, beside DICOM files"))
        else:
            images.append(item.where)
    if images:
        access = "looks like an image, and was" if len(images) == 1 else "look like images, and were"
        findings.append(
            f"{named(images)}: {access} not read, as NIfTI files beside DICOM files are taken for masks; {OUT_OF_IT}"
        )
    notes += _left_out(label_maps)


def _read(candidates: Iterable[Candidate], root: Path, findings: list[str]) -> list[_Read]:
    read = []
    for candidate in candidates:
        path = candidate.path
        where = path.relative_to(root).as_posix()
        if grid := attempt(read_grid, path, where, findings):
            called = is_named_as_label_map(path, stem(path))
            read.append(_Read(candidate, where, grid, called, as_label_map(grid.array, named=called)))
    return read


def _left_out(label_maps: Sequence[tuple[str, str]]) -> list[str]:
    """Say which files were left out, and, of the first, what makes it a label map."""
    if not label_maps:
        return []
    where, why = label_maps[0]
    if len(label_maps) == 1:
        return [f"{where}: left out as a label map ({why}); {GIVE_IT}"]
    return [f"{len(label_maps)} files left out as label maps, such as {where} ({why}); {GIVE_IT}"]


def _share_a_grid(one: _Read, other: _Read) -> bool:
    shapes = [(*item.grid.array.shape[1:], len(item.grid.array)) for item in (one, other)]
    turn = turn_between(one.grid.matrix, shapes[0], other.grid.matrix, shapes[1])
    return one.candidate.path.parent == other.candidate.path.parent and isinstance(turn, Turn)


def _name(images: Sequence[_Read], case_ids: CaseIds, findings: list[str]) -> list[Exam]:
    salt = read_salt() if case_ids == "hash" and images else b""
    exams: dict[str, Exam] = {}
    for item in images:
        path = item.candidate.path
        alone = sum(other.candidate.path.parent == path.parent for other in images) == 1
        name = item.candidate.name or (path.resolve().parent.name if alone else stem(path))
        case = pseudonym(name, salt) if case_ids == "hash" else kept_id(name)
        problems = blank_slices(item.grid.array)
        if case in exams:
            problems.append(f"there is another exam of the name {name}; rename one of them")
        findings += [f"{item.where}: {problem}" for problem in problems]
        if not problems:
            exams[case] = _noted(as_exam(case, item.grid), item)
    return list(exams.values())


def _noted(exam: Exam, item: _Read) -> Exam:
    note = ASKED.format(item.labels) if item.labels else NAMED * item.called
    return replace(exam, notes=(*exam.notes, note)) if note else exam
