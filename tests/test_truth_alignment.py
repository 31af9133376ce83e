"""A truth that cannot belong to its images gets a note; one that can gets none."""

from dataclasses import replace

import numpy as np
import pytest

from lge_sweep.config.data import Phantom
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.truth_alignment import (
    CAVITY_OUTSIDE,
    DARK_CAVITY,
    OTHER_ORIENTATION,
    alignment_warnings,
    with_alignment_warnings,
)

EXAMS = [
    exam
    for seed in range(4)
    for exam in simulate(Phantom(kind="phantom", cases=4, slices=3 + 2 * seed, size=96, pixel_mm=3.2, seed=seed))
]


def test_no_false_alarm_on_the_phantom() -> None:
    assert [found for exam in EXAMS for found in alignment_warnings(exam.pixels, exam.labels)] == []
    assert all(exam.notes == () for exam in read(Phantom(kind="phantom", cases=2, slices=3, size=96, pixel_mm=3.2)))


@pytest.mark.parametrize(
    ("turns", "mirrored", "backwards", "undone"),
    [
        (0, True, False, "mirrored left to right"),
        (2, True, False, "mirrored top to bottom"),
        (2, False, False, "turned by 180 degrees"),
        (1, False, False, "turned by 270 degrees"),
        (3, False, False, "turned by 90 degrees"),
        (1, True, False, "mirrored along the diagonal"),
        (3, True, False, "mirrored along the other diagonal"),
        (0, False, True, "with their slices in reverse order"),
        (2, False, True, "turned by 180 degrees and with their slices in reverse order"),
    ],
)
def test_every_other_orientation_is_named(turns: int, mirrored: bool, backwards: bool, undone: str) -> None:
    for exam in EXAMS:
        labels = exam.labels[:, :, ::-1] if mirrored else exam.labels
        labels = np.rot90(labels[::-1] if backwards else labels, turns, (1, 2))
        assert alignment_warnings(exam.pixels, labels) == [OTHER_ORIENTATION.format(undone)]


def test_a_transposed_truth_is_the_diagonal() -> None:
    exam = EXAMS[0]
    assert alignment_warnings(exam.pixels, exam.labels.transpose(0, 2, 1)) == [
        OTHER_ORIENTATION.format("mirrored along the diagonal")
    ]
    pixels, labels = exam.pixels[:, 3:93], exam.labels[:, 3:93]  # not square: no quarter turn is possible
    assert alignment_warnings(pixels, labels) == []
    assert alignment_warnings(pixels, labels[:, ::-1]) == [OTHER_ORIENTATION.format("mirrored top to bottom")]


def test_classes_that_are_mixed_up() -> None:
    for exam in EXAMS:
        swapped = np.array([0, 2, 1, 3], dtype=np.uint8)[exam.labels]
        assert alignment_warnings(exam.pixels, swapped) == [CAVITY_OUTSIDE]


def test_dark_blood_and_masks_of_another_exam() -> None:
    assert alignment_warnings(-EXAMS[0].pixels, EXAMS[0].labels) == [DARK_CAVITY]
    others = [exam for exam in EXAMS if exam.pixels.shape == EXAMS[-1].pixels.shape]
    flagged = [
        bool(alignment_warnings(one.pixels, other.labels)) for one in others for other in others if one is not other
    ]
    assert np.mean(flagged) > 0.5


def test_padding_takes_no_part() -> None:
    exam = EXAMS[1]
    pixels = exam.pixels.astype(float)
    pixels[np.random.default_rng(0).random(pixels.shape) < 0.2] = np.nan
    assert alignment_warnings(pixels, exam.labels) == []
    assert alignment_warnings(pixels, exam.labels[:, ::-1]) == [OTHER_ORIENTATION.format("mirrored top to bottom")]
    assert alignment_warnings(np.full_like(pixels, np.nan), exam.labels) == [DARK_CAVITY]


def test_scale_and_offset_do_not_matter() -> None:
    exam = EXAMS[2]
    for pixels in (exam.pixels * 7.5 - 3000, exam.pixels.astype(np.int16)):
        assert alignment_warnings(pixels, exam.labels) == []
        assert alignment_warnings(pixels, exam.labels[:, :, ::-1]) == [
            OTHER_ORIENTATION.format("mirrored left to right")
        ]


@pytest.mark.parametrize("labels", [np.zeros((2, 8, 8)), np.ones((2, 8, 8)), np.full((2, 8, 8), 2)])
def test_what_tells_nothing_gets_no_note(labels: np.ndarray) -> None:
    assert alignment_warnings(np.random.default_rng(0).random((2, 8, 8)), labels.astype(np.uint8)) == []


def test_a_note_is_put_on_the_exam() -> None:
    exam = replace(EXAMS[0], labels=EXAMS[0].labels[:, ::-1], notes=("before",))
    (found,) = with_alignment_warnings([exam])
    assert isinstance(found, Volume)
    assert found.notes == ("before", OTHER_ORIENTATION.format("mirrored top to bottom"))
