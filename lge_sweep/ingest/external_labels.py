"""Read label maps that somebody else made for exams of a source: another program's, or a second observer's.

The exams say what is expected: whose labels there should be, of which size, and where they lie. A label map is brought
onto its exam's grid by the positions of both, as a mask is onto its image; nothing is resampled, turned or mirrored
without a word. What does not fit is a finding, and its case is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lge_sweep.arrays import LabelImage, Pixels
from lge_sweep.config.data import Source
from lge_sweep.config.masks import ClassName, IndexMask
from lge_sweep.errors import ConfigError
from lge_sweep.ingest.external_names import CaseFinder
from lge_sweep.ingest.file_kinds import count_by_kind, is_known_non_image
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.geometry import GridMismatch, grid_transform
from lge_sweep.ingest.image_files import IMAGE_SUFFIXES
from lge_sweep.ingest.masks import map_values, read_mask_file
from lge_sweep.ingest.nifti import is_nifti, read_or_report
from lge_sweep.ingest.nifti_exams import nifti_stem
from lge_sweep.ingest.nifti_grid import NiftiVoxels, read_nifti_voxels
from lge_sweep.ingest.pseudonym import name_cases
from lge_sweep.ingest.truth_alignment import ORIENTATION_DOUBT, alignment_warnings
from lge_sweep.ingest.volume import Exam, UnusableError, Volume
from lge_sweep.labels import split_mvo
from lge_sweep.patterns import search_pattern
from lge_sweep.text import cases_by_note, error_text, list_names, natural_key

SLICE_PATTERN = r"^(?P<case>.+?)_slice(?P<slice>\d+)$"
"""How files of slices are called, where the source has no pattern of its own."""
AS_STORED = "taken voxel by voxel, as where its exam lies is not known"
TRUSTED = "taken voxel by voxel, whatever its affine says (--trust-grid)"
RENAME = "call it by its case's id, or name it in --map"


@dataclass(frozen=True)
class LabelFolder:
    """Where label maps lie, and how they are to be read.

    Attributes:
        path: the folder.
        classes: value -> class.
        names: file -> case (or slice), for files that are not called by their case.
        trust_grid: take NIfTI files voxel by voxel, in the order of the exam's own file, whatever their positions.
    """

    path: Path
    classes: Mapping[int, ClassName]
    names: Mapping[str, str] = field(default_factory=dict)
    trust_grid: bool = False


class ExternalLabels(NamedTuple):
    """What was read."""

    labels: dict[str, LabelImage]
    """Slice -> [H, W] values of `Label`, on the slice's own grid."""
    findings: tuple[str, ...]
    """What is wrong, a sentence each."""
    notes: tuple[str, ...]
    """What a user should know."""


def read_external_labels(
    folder: LabelFolder, source: Source, volumes: Sequence[Volume], wanted: Collection[str]
) -> ExternalLabels:
    """Read the labels of cases; files of others are told from files of no case, and not opened.

    Args:
        folder: the label maps: NIfTI files, one a case, or, where there is none, image files, one a slice.
        source: where the exams come from, whose names files may have.
        volumes: all exams of the source.
        wanted: cases whose labels are read.

    Raises:
        ConfigError: the folder cannot be listed, or holds no label map.
    """
    files = list_label_maps(folder.path)
    niftis = [path for path in files if is_nifti(path)]
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    finder = CaseFinder({volume.case for volume in volumes}, name_cases(getattr(source, "case_ids", "keep")))
    reader = _Reader(folder, finder, {volume.case: volume for volume in volumes}, frozenset(wanted))
    others = [path for path in files if path not in niftis and not is_known_non_image(path)]
    if niftis:
        reader.read_exams(niftis)
    else:
        reader.read_slices(images, getattr(source, "case_pattern", SLICE_PATTERN))
        others = [path for path in others if path not in images]
    unread = [f"files that are no label maps are not read: {count_by_kind(others)}"] if others else []
    if reader.elsewhere:
        unread.append(f"{len(reader.elsewhere)} case(s) of other subsets are not measured")
    notes = [
        f"{len(cases)} case(s): {note}: {list_names(cases)}" for note, cases in cases_by_note(reader.notes).items()
    ]
    return ExternalLabels(reader.labels, tuple(reader.findings), (*notes, *unread))


def list_label_maps(folder: Path) -> list[Path]:
    """Return the files of a folder of label maps, and of the folders inside it, sorted; other files are among them.

    Raises:
        ConfigError: it is no folder, cannot be listed, or holds no label map.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected label maps in it, NIfTI or PNG")
    try:
        files = list_files(folder, deep=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be listed ({error_text(error)}); let yourself read it") from error
    if not any(is_nifti(path) or path.suffix.lower() in IMAGE_SUFFIXES for path in files):
        raise ConfigError(f"{folder}: holds no label map; expected NIfTI files, one a case, or PNG, one a slice")
    return files


class _Reader:
    """Reads the files of a folder, one kind of them.

    Args:
        folder: the label maps.
        finder: finds cases by names.
        volumes: case -> its exam.
        wanted: cases whose labels are read.
    """

    def __init__(
        self, folder: LabelFolder, finder: CaseFinder, volumes: Mapping[str, Volume], wanted: frozenset[str]
    ) -> None:
        self.folder, self.finder, self.volumes, self.wanted = folder, finder, volumes, wanted
        self.mask = IndexMask(values=dict(folder.classes))
        self.labels: dict[str, LabelImage] = {}
        self.findings: list[str] = []
        self.notes: list[tuple[str, str]] = []
        self.elsewhere: set[str] = set()

    def where(self, path: Path) -> str:
        return path.relative_to(self.folder.path).as_posix()

    def mapped(self, path: Path, stem: str) -> str | None:
        """Return what `--map` says of a file, or None."""
        names = self.folder.names
        return next((names[key] for key in (self.where(path), path.name, stem) if key in names), None)

    def read_exams(self, paths: Sequence[Path]) -> None:
        """Read files of whole exams."""
        of_case: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            case = self._case_of(path, alone=sum(other.parent == path.parent for other in paths) == 1)
            if case is None:
                self.findings.append(f"{self.where(path)}: is of no case of this data; {RENAME}")
            else:
                of_case[case].append(path)
        self._warn_of_unused(paths, nifti_stem)
        for case, files in of_case.items():
            if case not in self.wanted:
                self.elsewhere.add(case)
            elif len(files) > 1:
                listed = list_names([self.where(path) for path in files], 3)
                self.findings.append(f"case {case}: {len(files)} files are of it ({listed}); keep one")
            else:
                self._read_exam(files[0], self.volumes[case])

    def _case_of(self, path: Path, *, alone: bool) -> str | None:
        """Return the case of a file: as `--map` says, by its name, or, where it is alone there, by its folder's."""
        stem = nifti_stem(path)
        if (named := self.mapped(path, stem)) is not None:
            return self.finder.find(named)
        found = self.finder.find(stem)
        return self.finder.find(path.parent.name) if found is None and alone else found

    def _read_exam(self, path: Path, volume: Volume) -> None:
        where = self.where(path)
        voxels = read_or_report(read_nifti_voxels, path, where, self.findings)
        if voxels is None:
            return
        try:
            array, note = lay_on_exam(voxels, volume, trust=self.folder.trust_grid)
            labels = split_mvo(map_values(array, self.mask, f"NIfTI ({array.dtype})"))[0]
        except ValueError as error:
            self.findings.append(f"{where}: {_said(error)}")
            return
        self.notes += [(volume.case, note)] * bool(note)
        self._keep(volume, labels)

    def _keep(self, volume: Volume, labels: LabelImage) -> None:
        """Keep the labels [S, H, W] of an exam; say if they would fit its images better in another orientation."""
        doubts = [text for text in alignment_warnings(volume.pixels, labels) if text.startswith(ORIENTATION_DOUBT)]
        self.notes += [(volume.case, f"{text.partition(':')[0]}: another orientation?") for text in doubts]
        self.labels |= dict(zip(volume.slices, labels, strict=True))

    def read_slices(self, paths: Sequence[Path], pattern: str) -> None:
        """Read files of single slices, called by the slice's id, or by the source's own names."""
        ids = {name: volume.case for volume in self.volumes.values() for name in volume.slices}
        named: dict[str, list[tuple[str | None, Path]]] = defaultdict(list)
        for path in sorted(paths, key=lambda path: natural_key(path.stem)):
            name = self.mapped(path, path.stem) or path.stem
            match = None if name in ids else search_pattern("source.case_pattern", pattern, name)
            case = ids.get(name) or (self.finder.find(match["case"]) if match else None)
            if case is None:
                self.findings.append(f"{self.where(path)}: is of no slice of this data; {RENAME}")
            elif case not in self.wanted:
                self.elsewhere.add(case)
            else:
                named[case].append((name if name in ids else None, path))
        self._warn_of_unused(paths, lambda path: path.stem)
        for case, files in named.items():
            self._read_stack(self.volumes[case], files)

    def _read_stack(self, volume: Volume, files: Sequence[tuple[str | None, Path]]) -> None:
        """Read the slices of a case: by their ids, or, called otherwise, all of them in the order of their names."""
        names = [name for name, _ in files]
        if None in names:
            if len(files) != len(volume.slices) or any(name is not None for name in names):
                self.findings.append(
                    f"case {volume.case}: {len(files)} files of its {len(volume.slices)} slices, called by other names "
                    f"than the slices' ids ({volume.slices[0]}), so that which is which is unknown; give all, or --map"
                )
                return
            names = list(volume.slices)
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            self.findings.append(f"case {volume.case}: several files are of slice {twice[0]}; keep one")
            return
        size = volume.pixels.shape[1:]
        for name, (_, path) in zip(names, files, strict=True):
            try:
                labels = split_mvo(read_mask_file(path, self.mask))[0]
                if labels.shape != size:
                    raise ValueError(f"is {_size(labels.shape)}, its slice {_size(size)}; save it in the slice's size")
            except ValueError as error:
                self.findings.append(f"{self.where(path)}: {_said(error)}")
                continue
            self.labels[str(name)] = labels

    def _warn_of_unused(self, paths: Sequence[Path], stem_of: Callable[[Path], str]) -> None:
        known = {key for path in paths for key in (self.where(path), path.name, stem_of(path))}
        self.findings += [f"--map: there is no file {name}" for name in self.folder.names if name not in known]


def lay_on_exam(voxels: NiftiVoxels, volume: Exam, *, trust: bool) -> tuple[Pixels, str]:
    """Return a label map [S, H, W] on the grid of an exam, and what a user should know of how.

    Args:
        voxels: the label map as it is stored.
        volume: the exam.
        trust: take it voxel by voxel.

    Raises:
        UnusableError: it does not lie as the exam does.
    """
    slots = volume.slots or tuple(range(len(volume.slices)))
    rows, columns = volume.pixels.shape[1:]
    shape = (rows, columns, slots[-1] + 1)
    if trust or volume.affine is None:
        return _on_slices(_as_stored(voxels.array, volume, shape), slots, TRUSTED if trust else AS_STORED)
    if not voxels.placed:
        raise UnusableError(
            "its header does not tell where it lies; write it with its image's affine, or, if its voxels are stored in "
            "the image's order, give --trust-grid"
        )
    turn = grid_transform(volume.affine, shape, voxels.matrix, voxels.array.shape)
    if isinstance(turn, GridMismatch):
        held = "x".join(map(str, voxels.array.shape))
        raise UnusableError(
            f"does not lie as its exam does ({turn.why}; it has {held} voxels, the exam {columns}x{rows}x{shape[2]}); "
            "resample it onto the image, nearest neighbour, or, if its affine is wrong, give --trust-grid"
        )
    return _on_slices(turn.apply(voxels.array).transpose(2, 0, 1), slots, "")


def _on_slices(stack: Pixels, slots: Sequence[int], note: str) -> tuple[Pixels, str]:
    """Take an exam's slices out of a stack [slots, H, W], and tell what lies in slices that it lacks."""
    lost = int(np.count_nonzero(np.delete(stack, slots, axis=0)))
    told = f"{lost} labelled pixels lie in slices that its exam lacks between others, and are left out"
    return stack[list(slots)], "; ".join([*[note] * bool(note), *[told] * bool(lost)])


def _as_stored(array: Pixels, volume: Exam, shape: tuple[int, int, int]) -> Pixels:
    """Return a label map [slots, H, W] in the order of the exam's own file, else of our exports."""
    rows, columns, slots = shape
    if volume.stored is not None and array.shape == volume.stored.from_display(volume.pixels).shape:
        return volume.stored.to_display(array)
    if array.shape == (columns, rows, slots):
        return array.transpose(2, 1, 0)
    held = "x".join(map(str, array.shape))
    raise UnusableError(f"holds {held} voxels, its exam {columns}x{rows}x{slots}; give it on the exam's own grid")


def _said(error: ValueError) -> str:
    """Return what is wrong with a file, in the words of the command line."""
    return str(error).replace("source.mask.values", "--classes")


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
