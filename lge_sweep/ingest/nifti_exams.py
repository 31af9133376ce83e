"""Exams that come as NIfTI files: images are told from label maps, and each gets its case id."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lge_sweep.arrays import Matrix
from lge_sweep.config.data import CaseIds
from lge_sweep.ingest.found import ExamReader
from lge_sweep.ingest.geometry import AxisTransform, grid_transform
from lge_sweep.ingest.label_maps import describe_label_map, is_named_as_label_map
from lge_sweep.ingest.limits import MIB, unusable_slices
from lge_sweep.ingest.nifti import exam_from_grid, read_or_report
from lge_sweep.ingest.nifti_grid import NiftiGrid, read_nifti_grid
from lge_sweep.ingest.pseudonym import name_cases
from lge_sweep.ingest.volume import Exam
from lge_sweep.text import list_names

LABEL_MAP_GIVEN = "looks like a label map ({}), not like an image; segmented because the file itself was given"
_KEPT_BYTES = 256 * MIB
"""Most bytes of images that are kept until their turn comes."""
_GIVE_FILE_ITSELF = "if it is an image, give the file itself"
_MOVE_OUT = "if it is another exam, move it out of the DICOM exam's folder into one of its own, else elsewhere"
_NAMED_AS_LABEL_MAP = "by its name"
NAME_MISLEADS = "its name is that of a label map, its content is that of an image; segmented"


@dataclass(frozen=True)
class NiftiCandidate:
    """A NIfTI file that may be an exam.

    Attributes:
        name: what its case id is made of; "" for the folder's name if it is the only image in it, else the file's.
        path: the file.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class _LookedAt:
    """What was seen of a candidate."""

    candidate: NiftiCandidate
    where: str
    """The file, as it lies in the folder that was given."""
    shape: tuple[int, int, int]
    """Rows, columns and slices."""
    matrix: Matrix
    called: bool
    """Whether its name, or its folder's, says that it is a label map."""
    labels: str | None
    """What makes it a label map."""
    unusable: tuple[str, ...]
    """Why it cannot be an exam."""
    grid: NiftiGrid | None
    """Its content, or None where it is to be read again when its turn comes."""


@dataclass(frozen=True)
class _NiftiReader:
    """Reads an exam, or gives it if it was kept."""

    case: str
    path: Path
    where: str
    notes: tuple[str, ...]
    grid: NiftiGrid | None

    def __call__(self, problems: list[str]) -> Exam | None:
        grid = self.grid or read_or_report(read_nifti_grid, self.path, self.where, problems)
        if grid is None:
            return None
        exam = exam_from_grid(self.case, grid)
        return replace(exam, notes=(*exam.notes, *self.notes))


def nifti_stem(path: Path) -> str:
    """Return a NIfTI file's name without its ending."""
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def find_nifti_exams(
    candidates: Sequence[NiftiCandidate],
    root: Path,
    case_ids: CaseIds,
    findings: list[str],
    notes: list[str],
    *,
    given: bool,
    said: tuple[str, ...],
) -> list[tuple[str, ExamReader]]:
    """Look at NIfTI files; label maps among them are left out.

    All are read, as a label map is told by its content; what is more than `_KEPT_BYTES` is not kept meanwhile.

    What `describe_label_map` finds is left out: with a note where its name says so too, or where it lies on the grid of
    an image in its folder, else with a finding.

    Args:
        candidates: the files.
        root: the folder that was given; files are named as they lie in it.
        case_ids: see `read_exams`.
        findings: what is wrong; appended to.
        notes: what was left out; appended to.
        given: whether the one file itself was given: it is segmented, whatever it looks like.
        said: notes on each of them.

    Returns:
        Case id of each exam, and what reads it.
    """
    read = _look_at(candidates, root, findings, _KEPT_BYTES)
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
                f"{item.where}: looks like a label map ({item.labels}), not like an image, and was left out; "
                f"{_GIVE_FILE_ITSELF}"
            )
    notes += _left_out_notes(left_out)
    return _name_exams(images, case_ids, findings, said)


def report_skipped_nifti(files: Iterable[Path], root: Path, findings: list[str], notes: list[str]) -> None:
    """Name the NIfTI files beside DICOM files, which are not read: label maps are noted, others are a finding.

    Args:
        files: the files.
        root: the folder that was given; files are named as they lie in it.
        findings: what could be an exam, and what cannot be read; appended to.
        notes: what was left out; appended to.
    """
    images, label_maps = [], []
    for item in _look_at([NiftiCandidate("", path) for path in files], root, findings, 0):
        if why := item.labels or (_NAMED_AS_LABEL_MAP if item.called else None):
            label_maps.append((item.where, f"{why}, beside DICOM files"))
        else:
            images.append(item.where)
    if images:
        seem = "looks like an image, and was" if len(images) == 1 else "look like images, and were"
        findings.append(
            f"{list_names(images)}: {seem} not read, as NIfTI files beside DICOM files are taken for masks; {_MOVE_OUT}"
        )
    notes += _left_out_notes(label_maps)


def _look_at(candidates: Iterable[NiftiCandidate], root: Path, findings: list[str], most: int) -> list[_LookedAt]:
    """Read candidates; the content of the first ones, of so many bytes at most, is kept."""
    seen: list[_LookedAt] = []
    for candidate in candidates:
        path = candidate.path
        where = path.relative_to(root).as_posix()
        grid = read_or_report(read_nifti_grid, path, where, findings)
        if grid is None:
            continue
        slices, rows, columns = grid.array.shape
        called = is_named_as_label_map(path, nifti_stem(path))
        labels = describe_label_map(grid.array, named=called)
        unusable = tuple(unusable_slices(grid.array))
        most -= grid.array.nbytes
        kept = grid if most >= 0 else None
        seen.append(_LookedAt(candidate, where, (rows, columns, slices), grid.matrix, called, labels, unusable, kept))
    return seen


def _left_out_notes(label_maps: Sequence[tuple[str, str]]) -> list[str]:
    """Say which files were left out, and, of the first, what makes it a label map."""
    if not label_maps:
        return []
    where, why = label_maps[0]
    if len(label_maps) == 1:
        return [f"{where}: left out as a label map ({why}); {_GIVE_FILE_ITSELF}"]
    return [f"{len(label_maps)} files left out as label maps, such as {where} ({why}); {_GIVE_FILE_ITSELF}"]


def _share_a_grid(one: _LookedAt, other: _LookedAt) -> bool:
    turn = grid_transform(one.matrix, one.shape, other.matrix, other.shape)
    return one.candidate.path.parent == other.candidate.path.parent and isinstance(turn, AxisTransform)


def _name_exams(
    images: Sequence[_LookedAt], case_ids: CaseIds, findings: list[str], said: tuple[str, ...]
) -> list[tuple[str, ExamReader]]:
    if not images:
        return []
    naming = name_cases(case_ids)
    exams: dict[str, ExamReader] = {}
    for item in images:
        path = item.candidate.path
        alone = sum(other.candidate.path.parent == path.parent for other in images) == 1
        name = item.candidate.name or (path.resolve().parent.name if alone else nifti_stem(path))
        case = naming.case_id(name)
        problems = list(item.unusable)
        if case in exams:
            problems.append(f"there is another exam of the name {name}; rename one of them")
        findings += [f"{item.where}: {problem}" for problem in problems]
        if not problems:
            exams[case] = _NiftiReader(case, path, item.where, (*_own_note(item), *said), item.grid)
    return list(exams.items())


def _own_note(item: _LookedAt) -> tuple[str, ...]:
    return (LABEL_MAP_GIVEN.format(item.labels),) if item.labels else (NAME_MISLEADS,) * item.called
