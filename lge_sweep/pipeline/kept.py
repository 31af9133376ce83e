"""What a pipeline's networks find in cases that they never saw, kept in a file: it takes minutes to find again."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lge_sweep.arrays import LabelImage, Pixels8, Probabilities
from lge_sweep.atomic import write_bytes
from lge_sweep.pipeline.kept_labels import NPZ_ERRORS
from lge_sweep.segmenter import TRAITS, Found, exam_traits

ROWS = "rows"
KEPT_FORMAT = 2
"""Raised when something else is kept."""


class KeptExam(NamedTuple):
    """What was found in an exam of N slices; in the view of the networks, T x T pixels, but for the labels."""

    labels: LabelImage
    """[N, H, W], values of `Label`, at the exam's own size; not cleaned up."""
    truth: LabelImage
    """[N, T, T], the true labels."""
    members: LabelImage
    """[M, N, T, T], what each member finds."""
    levels: Pixels8
    """[N, K, T, T], mean probabilities of all members, 0 to 255."""
    numbers: NDArray[np.float64]
    """Pixels of the view for each of the exam's own; and `TRAITS`, NaN where the exam has none."""

    @property
    def scale(self) -> float:
        """Pixels of the view for each of the exam's own."""
        return float(self.numbers[0])

    @property
    def traits(self) -> Mapping[str, float]:
        """The exam's traits."""
        return {name: value for name, value in zip(TRAITS, self.numbers[1:].tolist(), strict=True) if value == value}

    @property
    def probabilities(self) -> Probabilities:
        """[N, K, T, T], mean probabilities of all members, to 1/255."""
        levels = self.levels.astype(np.float32)
        probabilities: Probabilities = levels / levels.sum(axis=1, keepdims=True)
        return probabilities


def keep_exam(found: Found, labels: LabelImage, truth: LabelImage) -> KeptExam:
    """Return what is kept of an exam.

    Args:
        found: what the networks found.
        labels: [N, H, W], the labels, without padding.
        truth: [N, T, T], the true labels in the networks' view.
    """
    traits = exam_traits(found.seen, found.labels_seen)
    numbers = np.array([found.scale, *(traits.get(name, np.nan) for name in TRAITS)])
    levels: Pixels8 = np.rint(255 * found.probabilities).astype(np.uint8)
    return KeptExam(labels, truth, found.members, levels, numbers)


def expected_scar(probabilities: Probabilities, scale: float) -> list[float]:
    """Return how much scar the probabilities expect on each slice: their sum, in the exam's own pixels.

    Args:
        probabilities: [N, K, T, T]; scar is the last class.
        scale: pixels of the view for each of the exam's own.
    """
    amounts: list[float] = (probabilities[:, -1].sum(axis=(1, 2), dtype=np.float64) / scale).tolist()
    return amounts


@dataclass
class ExamWriter:
    """Gathers exams, compressed as they come, and writes them as one file of NumPy's kind (npz)."""

    rows: Sequence[int]
    _buffer: io.BytesIO = field(default_factory=io.BytesIO)
    _count: int = 0

    def add(self, exam: KeptExam) -> None:
        """Add the next exam."""
        self._append({f"{name}{self._count}": array for name, array in exam._asdict().items()})
        self._count += 1

    def write(self, path: Path) -> "KeptExams":
        """Write the file, whole."""
        self._append({ROWS: np.array(self.rows)})
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, self._buffer.getvalue())
        return KeptExams(path, self._count)

    def _append(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        with zipfile.ZipFile(self._buffer, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


@dataclass(frozen=True)
class KeptExams:
    """The exams of a file, in their order; each is read when its turn comes.

    Attributes:
        path: the file.
        count: how many there are.
    """

    path: Path
    count: int

    def __iter__(self) -> Iterator[KeptExam]:
        """Yield the exams."""
        with np.load(self.path, allow_pickle=False) as kept:
            for place in range(self.count):
                yield KeptExam(*(kept[f"{name}{place}"] for name in KeptExam._fields))

    def labels(self) -> Iterator[LabelImage]:
        """Yield the labels of each exam alone."""
        with np.load(self.path, allow_pickle=False) as kept:
            yield from (kept[f"labels{place}"] for place in range(self.count))


def read_kept(path: Path, rows: Sequence[int], count: int) -> KeptExams | None:
    """Return the exams of a file; None where it is not there, damaged, or of other slices.

    Args:
        path: the file.
        rows: of the slices.
        count: how many exams they are.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        with np.load(path, allow_pickle=False) as kept:
            names = {f"{name}{place}" for name in KeptExam._fields for place in range(count)}
            same = np.array_equal(kept[ROWS], rows) and names <= set(kept.files)
    except NPZ_ERRORS:
        return None
    return KeptExams(path, count) if same else None
