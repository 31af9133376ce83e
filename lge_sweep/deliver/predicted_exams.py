"""The exams that a model had segmented, found again among images: what is asked, and what reads them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lge_sweep.config.data import CaseIds
from lge_sweep.deliver.exam_files import images_digest
from lge_sweep.deliver.label_names import LabelNames
from lge_sweep.deliver.label_sets import Predictions
from lge_sweep.deliver.prediction import Prediction
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import SERIES_PATTERN, Exam, FolderLayout, FoundExam, FoundExams, find_exams
from lge_sweep.text import list_names

_PREDICT_OPTIONS = "--case-ids, --series, --series-pattern and --folders"


@dataclass(frozen=True, kw_only=True)
class AdoptRequest:
    """What is to be adopted.

    Attributes:
        folder: the corrected files: predict's output folder, or another.
        images: the exams, as predict was given them.
        output: the folder of the data set's versions.
        predicted: predict's output folder; None: `folder`.
        by: who corrected the files that name nobody; a SEG may name somebody, a NIfTI cannot.
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


def check_places(request: AdoptRequest) -> None:
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


class PredictedExams:
    """Reads the exams that were predicted.

    Args:
        request: where they are, and how predict read them.
        predictions: what the model found in them.
    """

    def __init__(self, request: AdoptRequest, predictions: Predictions) -> None:
        """Look for nothing yet."""
        self.request, self.predictions = request, predictions

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
            skip={path.resolve() for path in places if not request.images.resolve().is_relative_to(path.resolve())},
        )

    def has(self, case: str) -> bool:
        """Whether there is an exam of that name."""
        return _exam_called(case, self._found) is not None

    def read(
        self, prediction: Prediction, problems: list[str], wanted: Callable[[Exam], bool] | None = None
    ) -> Exam | None:
        """Return the exam that was predicted, with the pixels that the model saw.

        Args:
            prediction: the exam.
            problems: why it cannot be had; appended to.
            wanted: tells of an exam that was read whether it is needed; one that is not is not returned.
        """
        case = prediction.case
        found = _exam_called(case, self._found)
        if found is None:
            problems.append(self._absent(case))
            return None
        exam, wrong = found.read()
        problems += wrong
        if exam is None or (wanted is not None and not wanted(exam)):
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

    def _absent(self, case: str) -> str:
        there = [exam.case for exam in self._found.exams]
        held = f"holds {list_names(there)}" if there else "holds no exam that can be read"
        others = "".join(f"; {problem}" for problem in (*self._found.before, *self._found.after))
        return (
            f"{case}: its images are not in {self.request.images}, which {held}{others}; give with --images what "
            f"predict was given, with the same {_PREDICT_OPTIONS}, if any"
        )


def _exam_called(case: str, found: FoundExams) -> FoundExam | None:
    return next((exam for exam in found.exams if exam.case == case), None)
