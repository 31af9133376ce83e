"""Labels that a model found and a person corrected in a viewer become a data set to train on. Verb `adopt`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lge_sweep.arrays import LabelImage
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
    Change,
    Correction,
    choose_correction,
    compare_labels,
    read_nifti_correction,
    read_seg_correction,
)
from lge_sweep.deliver.label_sets import LabelSet, Predictions, read_predictions, sort_labels
from lge_sweep.deliver.predicted_exams import AdoptRequest, PredictedExams, check_places
from lge_sweep.deliver.prediction import AGAIN, Prediction
from lge_sweep.errors import DataError
from lge_sweep.hashing import array_digest
from lge_sweep.ingest import (
    Exam,
    UnusableError,
    Volume,
    exam_instances,
)
from lge_sweep.labels import STRUCTURES
from lge_sweep.progress import ProgressCallback
from lge_sweep.text import list_names, safe_file_name, shorten, visible

_HARDLY_ALIKE = 0.1
"""Dice below which a structure may be another one, and labels of which all structures have less be of another exam."""


@dataclass(frozen=True)
class Adopted:
    """What became of corrected labels.

    Attributes:
        folder: that of the version.
        record: the version.
        again: whether it was there before, and nothing has changed since.
        notes: what a user should know, a sentence each.
        warnings: why labels may be wrong, a sentence each.
        following: the command to run next.
    """

    folder: Path
    record: VersionRecord
    again: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
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
    check_places(request)
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
        return Adopted(version_folder(request.output, record.version), record, True, *adoption.remarks, "")
    all_of_them = {**before, **{name: case.model_copy(update={"adopted_in": number}) for name, case in new.items()}}
    adopted = datetime.now(UTC).isoformat(timespec="seconds")
    record = VersionRecord(
        version=number, adopted=adopted, cases=tuple(all_of_them[name] for name in sorted(all_of_them))
    )
    following = write_version(request.output, record, {name: corrected[name] for name in new}, versions)
    return Adopted(version_folder(request.output, number), record, False, *adoption.remarks, following)


def _is_new(case: AdoptedCase, before: AdoptedCase | None) -> bool:
    """Whether a case changes the data set; a prediction that is taken as it is never takes a correction's place."""
    return before is None or (case.kind != "as predicted" and case.labels != before.labels)


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


def _doubt(labels: LabelImage, prediction: Prediction, change: Change) -> list[str]:
    """Say why corrected labels may be wrong: of another exam, or with classes exchanged.

    Args:
        labels: [S, H, W] values of `Label`, as corrected.
        prediction: what the model found.
        change: how they differ.
    """
    known = {name: dice for name, dice in change.dice.items() if dice is not None}
    if max(known.values(), default=1.0) < _HARDLY_ALIKE:
        return [f"hardly a pixel is as predicted; are these labels of {prediction.case}?"]
    both = [name for name, values in STRUCTURES.items()
            if all(np.isin(image, values).any() for image in (labels, prediction.labels))]  # fmt: skip
    return [
        f"hardly a pixel of {name} is as predicted (Dice {known[name]:.4f}); look at it: if classes were exchanged, "
        "say with --names what each value or segment is, and adopt again, which makes a version with the right labels"
        for name in both
        if known[name] < _HARDLY_ALIKE
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
        self.warnings: list[str] = []
        self.corrected: dict[str, Volume] = {}
        self.cases: dict[str, AdoptedCase] = {}
        self._segs_left = dict(labels.segs)
        self._doubts: list[str] = []
        left_out = [self._where(path) for path in labels.images]
        self.notes += [f"images, no label maps, left out: {list_names(left_out)}"] * bool(left_out)
        self._exams = PredictedExams(request, predictions)

    @property
    def remarks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Notes, and warnings."""
        return tuple(self.notes), tuple(self.warnings)

    def gather(self, on_progress: ProgressCallback) -> None:
        """Read every exam that may have corrected labels."""
        wanted = [case for case in self.predictions if self._may_be_corrected(case)]
        for place, case in enumerate(wanted):
            on_progress(case, place, len(wanted))
            prediction = self.predictions[case]
            if self._is_named(case):
                exam = self._exams.read(prediction, self.problems)
            else:  # a SEG may be of it, or what is wrong with it is of no concern
                exam = self._exams.read(prediction, self._doubts, self._is_of_seg) if self._exams.has(case) else None
            if exam is not None:
                self._adopt_exam(exam, prediction)
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

    def _is_of_seg(self, exam: Exam) -> bool:
        instances = exam_instances(exam)
        return any(header.instances & instances for header in self._segs_left.values())

    def _where(self, path: Path) -> str:
        return visible(path.relative_to(self.request.folder).as_posix())

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
        names = self.request.names
        found: list[Correction] = []
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
        given = visible(self.request.by.strip())
        by = chosen.creator or given
        if not by:
            self.problems.append(f"{where}: does not say who corrected it; give --by NAME (initials will do)")
            return
        if safe_file_name(exam.case) != exam.case:
            self.problems.append(
                f"{shorten(exam.case)}: cannot be the name of a file everywhere; give predict without --case-ids keep"
            )
            return
        change = compare_labels(chosen.labels, prediction.labels)
        if given and given != by:
            self.notes.append(
                f"{where}: names {by} as who corrected it, which stands; --by is for files that name nobody"
            )
        self.warnings += [f"{where}: {doubt}" for doubt in _doubt(chosen.labels, prediction, change)]
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
