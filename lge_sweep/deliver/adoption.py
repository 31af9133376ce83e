"""Labels that a model found and a person corrected in a viewer become a data set to train on. Verb `adopt`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from lge_sweep.config.data import CaseIds
from lge_sweep.data import exam_notes
from lge_sweep.deliver.adopted_versions import (
    AdoptedCase,
    AdoptedFrom,
    VersionRecord,
    read_versions,
    version_folder,
    write_table,
    write_version,
)
from lge_sweep.deliver.correction import (
    Correction,
    choose_correction,
    compare_labels,
    read_nifti_correction,
    read_seg_correction,
)
from lge_sweep.deliver.exam_files import images_digest
from lge_sweep.deliver.label_names import LabelNames
from lge_sweep.deliver.label_sets import LabelSet, Predictions, read_predictions, sort_labels
from lge_sweep.deliver.prediction import AGAIN, Prediction
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.hashing import array_digest
from lge_sweep.ingest import (
    SERIES_PATTERN,
    Exam,
    FolderLayout,
    FoundExam,
    FoundExams,
    UnusableError,
    Volume,
    exam_instances,
    find_exams,
)
from lge_sweep.progress import ProgressCallback
from lge_sweep.text import list_names, safe_file_name, shorten, visible

_PREDICT_OPTIONS = "--case-ids, --series, --series-pattern and --folders"


@dataclass(frozen=True, kw_only=True)
class AdoptRequest:
    """What is to be adopted.

    Attributes:
        folder: the corrected files: predict's output folder, or another.
        images: the exams, as predict was given them.
        output: the folder of the data set's versions.
        predicted: predict's output folder; None: `folder`.
        by: who corrected; "": whom each SEG names.
        names: what labels are; see `parse_names`.
        accept_unchanged: take the cases whose labels were not changed as looked at and right.
        trust_grid: take NIfTI files voxel by voxel, whatever their affine says.
        case_ids: how predict was told to name cases; so the next three.
        series: SeriesInstanceUIDs of the LGE series.
        series_pattern: regular expression that finds it by its description.
        folders: what the folders in a folder of exams are.
    """

    folder: Path
    images: Path
    output: Path
    predicted: Path | None = None
    by: str = ""
    names: LabelNames = field(default_factory=dict)
    accept_unchanged: bool = False
    trust_grid: bool = False
    case_ids: CaseIds = "hash"
    series: tuple[str, ...] = ()
    series_pattern: str | None = None
    folders: FolderLayout = "auto"


@dataclass(frozen=True)
class Adopted:
    """What became of corrected labels.

    Attributes:
        folder: that of the version.
        record: the version.
        again: whether it was there before, and nothing has changed since.
        notes: what a user should know, a sentence each.
        following: the command to run next.
    """

    folder: Path
    record: VersionRecord
    again: bool
    notes: tuple[str, ...]
    following: str

    @property
    def new(self) -> tuple[AdoptedCase, ...]:
        """The cases whose labels came in this version."""
        return tuple(case for case in self.record.cases if case.adopted_in == self.record.version)


def adopt(request: AdoptRequest, on_progress: ProgressCallback) -> Adopted:
    """Make a version of a data set from labels that `predict` wrote and a person corrected; all of it or nothing.

    Neither the corrected files nor the images, nor an earlier version, are written to. The data set knows cases by the
    ids that predict gave them, and nothing else of who the patient is.

    Args:
        request: what is to be adopted.
        on_progress: told of each exam before it is read, and at the end.

    Raises:
        ConfigError: a folder is not what it must be.
        DataError: everything that is wrong with labels and exams, in one report; or nothing was changed.
        DamagedError: what predict wrote, or an earlier version, is not what was written.
    """
    _check_places(request)
    versions = read_versions(request.output)
    predictions = read_predictions(request.predicted or request.folder)
    labels = sort_labels(request.folder, predictions)
    adoption = _Adoption(request, predictions, labels)
    adoption.gather(on_progress)
    findings = [*labels.problems, *adoption.problems]
    corrected, cases = adoption.corrected, adoption.cases
    findings += _two_of_a_patient({*corrected, *(case.case for case in (versions[-1].cases if versions else ()))})
    if findings:
        raise DataError(str(request.folder), findings)
    if not cases:
        raise DataError(str(request.folder), [_nothing_changed(labels, adoption.notes)])
    number = versions[-1].version + 1 if versions else 1
    before = {case.case: case for case in versions[-1].cases} if versions else {}
    new = {name: case for name, case in cases.items() if _is_new(case, before.get(name))}
    if not new:
        record = versions[-1]
        write_table(request.output, versions)
        return Adopted(version_folder(request.output, record.version), record, True, tuple(adoption.notes), "")
    all_of_them = {**before, **{name: case.model_copy(update={"adopted_in": number}) for name, case in new.items()}}
    adopted = datetime.now(UTC).isoformat(timespec="seconds")
    record = VersionRecord(
        version=number, adopted=adopted, cases=tuple(all_of_them[name] for name in sorted(all_of_them))
    )
    following = write_version(request.output, record, {name: corrected[name] for name in new}, versions)
    return Adopted(version_folder(request.output, number), record, False, tuple(adoption.notes), following)


def _is_new(case: AdoptedCase, before: AdoptedCase | None) -> bool:
    """Whether a case changes the data set; a prediction that is taken as it is never takes a correction's place."""
    return before is None or (case.kind != "as predicted" and case.labels != before.labels)


def _check_places(request: AdoptRequest) -> None:
    """Refuse folders that are not there, and a data set among what it is made from."""
    for path, what in ((request.folder, "FOLDER"), (request.predicted, "--predicted")):
        if path is not None and not path.is_dir():
            raise ConfigError(f"{what}: {path}: no such folder")
    if not request.images.exists():
        raise ConfigError(f"--images: {request.images}: no such file or folder; give what predict was given as EXAMS")
    output = request.output.resolve()
    for path in filter(None, (request.folder, request.predicted, request.images)):
        if output.is_relative_to(path.resolve()) or path.resolve().is_relative_to(output):
            raise ConfigError(f"--out: {request.output} and {path} lie in each other; name a folder outside of it")


def _nothing_changed(labels: LabelSet, notes: Sequence[str]) -> str:
    held = f"; not read: {labels.unread}: export as DICOM SEG or NIfTI" if labels.unread else ""
    told = "".join(f"; {note}" for note in notes)
    return (
        f"holds no labels but those that predict wrote: nothing was changed{held}{told}; save the corrected "
        "segmentation into it (DICOM SEG or NIfTI), or, if labels were looked at and are right, give --accept-unchanged"
    )


def _two_of_a_patient(cases: Collection[str]) -> list[str]:
    """Refuse two exams of one patient, which a split would put into several subsets; hashed ids tell it."""
    patients: dict[str, list[str]] = {}
    for case in sorted(cases):
        patient, sign, exam = case.rpartition("_")
        if sign and patient.startswith("case_") and len(patient) == len("case_") + 12 and len(exam) == 6:
            patients.setdefault(patient, []).append(case)
    return [
        f"{' and '.join(exams)} are exams of one patient, whose slices a split would put into several subsets; adopt "
        "one of them: move the corrected files of the others elsewhere, or name another folder with --out for them"
        for exams in patients.values()
        if len(exams) > 1
    ]


class _Adoption:
    """Reads corrected labels and the exams that they are of.

    Args:
        request: what is to be adopted.
        predictions: the exams that were predicted.
        labels: the label files.
    """

    def __init__(self, request: AdoptRequest, predictions: Predictions, labels: LabelSet) -> None:
        self.request, self.predictions, self.labels = request, predictions, labels
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.corrected: dict[str, Volume] = {}
        self.cases: dict[str, AdoptedCase] = {}
        self._segs_left = dict(labels.segs)
        self._doubts: list[str] = []

    def gather(self, on_progress: ProgressCallback) -> None:
        """Read every exam that may have corrected labels."""
        wanted = [case for case in self.predictions if self._may_be_corrected(case)]
        for place, case in enumerate(wanted):
            on_progress(case, place, len(wanted))
            if (exam := self._read_exam(self.predictions[case])) is not None:
                self._adopt_exam(exam, self.predictions[case])
        on_progress("done", len(wanted), len(wanted))
        self.problems += [
            f"{self._where(path)}: refers to images of no exam that predict wrote and that can be read in "
            f"{self.request.images}{''.join(f'; {doubt}' for doubt in self._doubts)}; name with --predicted and "
            "--images what it was drawn on, or move it elsewhere"
            for path in self._segs_left
        ]

    def _may_be_corrected(self, case: str) -> bool:
        return self._is_named(case) or bool(self.labels.segs)

    def _is_named(self, case: str) -> bool:
        """Whether a file says by its name, or the user, that the case is to be adopted."""
        asked = self.request.accept_unchanged and case in self.labels.untouched
        return asked or bool(self.labels.niftis.get(case))

    def _where(self, path: Path) -> str:
        return visible(path.relative_to(self.request.folder).as_posix())

    # ---------------------------------------------------------------------------------------------------------- exams

    @cached_property
    def _found(self) -> FoundExams:
        return self._find(window=False)

    @cached_property
    def _windowed(self) -> FoundExams:
        return self._find(window=True)

    def _find(self, *, window: bool) -> FoundExams:
        request = self.request
        places = {request.folder, *(one.folder for one in self.predictions.values())}
        if request.predicted is not None:
            places.add(request.predicted)
        return find_exams(
            request.images,
            request.case_ids,
            series=request.series,
            series_pattern=request.series_pattern or SERIES_PATTERN,
            folders=request.folders,
            window=window,
            skip={path.resolve() for path in places} - {request.images.resolve()},
        )

    def _read_exam(self, prediction: Prediction) -> Exam | None:
        """Return the exam that was predicted, with the pixels that the model saw; else note why it cannot be had.

        Where it is read for a SEG alone, whose exam is not known yet, what is wrong with it may be of no concern.
        """
        case = prediction.case
        problems = self.problems if self._is_named(case) else self._doubts
        found = _exam_called(case, self._found)
        if found is None:
            problems += [self._absent(case)] if self._is_named(case) else []
            return None
        exam, wrong = found.read()
        problems += wrong
        if exam is None or not (self._is_named(case) or self._is_of_seg(exam)):
            return None
        if images_digest(exam) == prediction.images:
            return exam
        shown = _exam_called(case, self._windowed) if exam.sources else None
        windowed = shown.read()[0] if shown else None
        if windowed is not None and images_digest(windowed) == prediction.images:
            return windowed
        problems.append(
            f"{case}: the exam of that name in {self.request.images} is not what predict segmented: other pixels, "
            "place or files; give the very images that predict was given"
        )
        return None

    def _is_of_seg(self, exam: Exam) -> bool:
        instances = exam_instances(exam)
        return any(header.instances & instances for header in self._segs_left.values())

    def _absent(self, case: str) -> str:
        there = [exam.case for exam in self._found.exams]
        held = f"holds {list_names(there)}" if there else "holds no exam that can be read"
        others = "".join(f"; {problem}" for problem in (*self._found.before, *self._found.after))
        return (
            f"{case}: its images are not in {self.request.images}, which {held}{others}; give with --images what "
            f"predict was given, with the same {_PREDICT_OPTIONS}, if any"
        )

    # --------------------------------------------------------------------------------------------------------- labels

    def _adopt_exam(self, exam: Exam, prediction: Prediction) -> None:
        if exam.pixels.shape != prediction.labels.shape:
            self.problems.append(f"{exam.case}: the labels in its about.json are of another size; {AGAIN}")
            return
        before = len(self.problems)
        corrections = self._read_corrections(exam, prediction)
        if len(self.problems) > before:
            return
        try:
            chosen = choose_correction(corrections, prediction.labels)
        except UnusableError as error:
            self.problems.append(f"{exam.case}: {error}")
            return
        unchanged = [item.where for item in corrections]
        if chosen is None and not self.request.accept_unchanged:
            if unchanged:
                self.notes.append(f"{exam.case}: {', '.join(unchanged)} holds the labels as predicted; not adopted")
            return
        if chosen is None:
            chosen = Correction("", "as predicted", prediction.labels, "", "")
        self._keep(exam, prediction, chosen)

    def _read_corrections(self, exam: Exam, prediction: Prediction) -> list[Correction]:
        """Read the label files of an exam; what is wrong with them is noted."""
        names, found = self.request.names, []
        for path in self.labels.niftis.get(exam.case, ()):
            where = self._where(path)
            try:
                reading = (names, self.request.trust_grid)
                read = read_nifti_correction(path, where, exam, prediction.labels, reading)
            except UnusableError as error:
                self.problems.append(f"{where}: {error}")
                continue
            found += [read] if read else []
            if read is None:
                self.notes.append(f"{where}: is an image, no label map; left out")
        instances = exam_instances(exam) if self._segs_left else frozenset()
        for path in [path for path, header in self._segs_left.items() if header.instances & instances]:
            where, header = self._where(path), self._segs_left.pop(path)
            try:
                found.append(read_seg_correction(path, where, header, exam, names))
            except UnusableError as error:
                self.problems.append(f"{where}: {error}")
        return found

    def _keep(self, exam: Exam, prediction: Prediction, chosen: Correction) -> None:
        where = chosen.where or exam.case
        by = visible(self.request.by.strip()) or chosen.creator
        if not by:
            self.problems.append(f"{where}: does not say who corrected it; give --by NAME (initials will do)")
            return
        if safe_file_name(exam.case) != exam.case:
            self.problems.append(
                f"{shorten(exam.case)}: cannot be the name of a file everywhere; give predict without --case-ids keep"
            )
            return
        change = compare_labels(chosen.labels, prediction.labels)
        volume = exam.with_labels(chosen.codes, chosen.tells_mvo)
        self.corrected[exam.case] = replace(volume, notes=(*volume.notes, *chosen.notes))
        self.notes += [f"{exam.case}: {note}" for note in (*chosen.notes, *exam_notes(volume))]
        model = prediction.model
        self.cases[exam.case] = AdoptedCase(
            case=exam.case,
            adopted_in=1,
            by=by,
            saved=chosen.saved,
            kind=chosen.kind,
            model=AdoptedFrom(name=model.name, version=model.version, digest=model.digest),
            images=prediction.images,
            labels=array_digest(np.ascontiguousarray(chosen.codes)),
            slices=len(exam.slices),
            changed_slices=change.slices,
            changed_pixels=change.pixels,
            dice=change.dice,
        )


def _exam_called(case: str, found: FoundExams) -> FoundExam | None:
    return next((exam for exam in found.exams if exam.case == case), None)
