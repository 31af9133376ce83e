"""The two-stage segmenter on networks whose answer is known: what goes in, what comes out, what each option does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage

from lge_sweep.config.data import Intensity
from lge_sweep.config.segmenter import Frame, Options
from lge_sweep.data.crop import find_crop_box
from lge_sweep.data.preparation import to_arrays
from lge_sweep.data.refine import composite, refine_cavity
from lge_sweep.errors import DataError, ModelError
from lge_sweep.labels import Label
from lge_sweep.segmenter import Network, TwoStageSegmenter
from lge_sweep.segmenter.cleaning import confine_scar
from lge_sweep.segmenter.segment import join, seen_box

S = 64
PLAIN = Frame(size=S, intensity=Intensity(clip_percentiles=(0, 100)))
Pixels = NDArray[np.uint8]
GREY = {Label.BACKGROUND: 0, Label.CAVITY: 100, Label.MYOCARDIUM: 50, Label.SCAR: 255}
"""A heart painted so that the intensity is the class."""


def heart(rows: int = S, columns: int = S) -> Pixels:
    """Labels: a cavity in a ring of myocardium with a scar, off centre and in the slice's own proportions."""
    y, x = np.mgrid[:rows, :columns]
    y, x = (y + 0.5) / rows - 0.45, (x + 0.5) / columns - 0.55
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    labels = np.zeros((rows, columns), dtype=np.uint8)
    labels[radius < 0.28] = Label.MYOCARDIUM
    labels[(radius < 0.28) & (np.abs(angle) < 0.5)] = Label.SCAR
    labels[radius < 0.16] = Label.CAVITY
    return labels


def painted(labels: Pixels) -> Pixels:
    return np.array([GREY[label] for label in Label], dtype=np.uint8)[labels]


def one_hot(classes: NDArray[Any], count: int) -> NDArray[np.float32]:
    """[B, S, S] -> [B, K, S, S]"""
    return np.moveaxis(np.eye(count, dtype=np.float32)[classes], -1, 1)


def sees(low: int, high: int, channel: int = 0) -> Callable[[Pixels], NDArray[np.bool_]]:
    return lambda inputs: (inputs[:, channel] >= low) & (inputs[:, channel] <= high)


def stage1(inputs: Pixels) -> NDArray[np.float32]:
    """The cavity is what is painted as such."""
    assert np.array_equal(inputs[:, 0], inputs[:, 1])
    assert np.array_equal(inputs[:, 0], inputs[:, 2])
    return one_hot(sees(76, 150)(inputs).astype(int), 2)


def stage2(inputs: Pixels) -> NDArray[np.float32]:
    """Myocardium and scar are what is painted as such in the image with the cavity taken out."""
    return one_hot(sees(25, 75)(inputs).astype(int) + 2 * sees(200, 255)(inputs), 3)


def segmenter(first: Network = stage1, second: Network = stage2, **options: Any) -> TwoStageSegmenter:
    return TwoStageSegmenter(first, second, PLAIN, Options(**options))


def expected_frame(labels: Pixels) -> Pixels:
    """Refined cavity, else what stage 2 sees outside of it."""
    refined = refine_cavity(labels == Label.CAVITY)
    return np.where(refined, Label.CAVITY, np.where(labels == Label.CAVITY, 0, labels)).astype(np.uint8)


def test_the_flow_at_the_networks_own_size() -> None:
    labels = np.stack([heart(), np.rot90(heart()), np.flipud(heart())])
    found = segmenter().segment(painted(labels))
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.labels, np.stack([expected_frame(slice_) for slice_ in labels]))
    assert found.cavity_found.tolist() == [True, True, True]


def test_stage_2_gets_the_composite_and_its_cavity_class_is_overruled() -> None:
    seen = []

    def second(inputs: Pixels) -> NDArray[np.float32]:
        seen.append(inputs.copy())
        return one_hot(np.full((len(inputs), S, S), 2), 3)  # scar everywhere

    found = segmenter(second=second).segment(painted(heart())[None])
    refined = refine_cavity(heart() == Label.CAVITY)
    assert np.array_equal(seen[0][0], composite(painted(heart()), refined))
    assert np.array_equal(found.labels[0], np.where(refined, Label.CAVITY, Label.SCAR))


def test_frames_are_those_of_training() -> None:
    """What the networks see of an exam is what `to_arrays` makes of it for training."""
    exam = np.random.default_rng(0).normal(500, 200, (2, 90, 70)).astype(np.float32)
    seen = []

    def first(inputs: Pixels) -> NDArray[np.float32]:
        seen.append(inputs)
        return one_hot(np.zeros((len(inputs), S, S), dtype=int), 2)

    TwoStageSegmenter(first, stage2, Frame(size=S, intensity=Intensity())).segment(exam)
    arrays = to_arrays(list(exam), [np.zeros((90, 70), dtype=np.uint8)] * 2, S, Intensity())
    assert np.array_equal(seen[0][:, 0], arrays.images)


@pytest.mark.parametrize("shape", [(128, 128), (256, 192), (200, 333), (50, 70), (32, 48), (97, 64)])
def test_labels_come_back_at_the_exams_size(shape: tuple[int, int]) -> None:
    """Above, below and beside S, not square: each class is where it was painted, centre for centre."""
    truth = heart(*shape)
    found = segmenter().segment(painted(truth)[None] * np.uint16(40)).labels[0]
    assert found.shape == shape
    truth_heart, found_heart = truth > 0, found > 0
    assert 2 * (truth_heart & found_heart).sum() / (truth_heart.sum() + found_heart.sum()) > 0.93
    frame_pixel = np.array(shape) / S
    for label in (Label.CAVITY, Label.MYOCARDIUM, Label.SCAR):
        shift = np.array(ndimage.center_of_mass(found == label)) - ndimage.center_of_mass(truth == label)
        assert (np.abs(shift) < 0.75 * frame_pixel).all()  # halving alone moves by half of one


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_any_grey_type_gives_the_same(kind: type[np.number]) -> None:
    exam = (painted(heart(80, 60))[None] // 2).astype(kind)
    assert np.array_equal(segmenter().segment(exam).labels, segmenter().segment(exam.astype(np.float64) * 7 + 3).labels)


def test_an_empty_cavity_stays_empty_and_is_reported() -> None:
    """One slice has no cavity, one has a speck that refinement removes; the third is whole."""
    empty, speck, whole = heart(), heart(), heart()
    empty[empty == Label.CAVITY] = Label.BACKGROUND
    speck[speck == Label.CAVITY] = Label.BACKGROUND
    speck[2:4, 2:4] = Label.CAVITY
    found = segmenter().segment(painted(np.stack([empty, speck, whole])))
    assert found.cavity_found.tolist() == [False, False, True]
    assert not (found.labels[:2] == Label.CAVITY).any()
    assert np.array_equal(found.labels[0], empty)  # stage 2 is asked all the same


@pytest.mark.parametrize("frame", [PLAIN, Frame(size=S, intensity=Intensity())])
def test_padding_changes_no_label_of_the_anatomy_and_has_none(frame: Frame) -> None:
    """As -2000, which it is in the file, it took the whole range of intensities; as NaN it is nothing."""
    labels = np.stack([heart(80, 60), np.rot90(heart(60, 80))])
    plain = painted(labels) * np.float32(7)
    padding = np.zeros(labels.shape, dtype=np.bool_)
    padding[:, :9], padding[:, :, -6:] = True, True
    assert not labels[padding].any()
    model = TwoStageSegmenter(stage1, stage2, frame)
    found = model.segment(np.where(padding, np.nan, plain))
    for image, padded, got in zip(plain, padding, found.labels, strict=True):
        left = image[9:, :-6]  # the same statistics without any padding
        low, high = np.percentile(left, frame.intensity.clip_percentiles)
        clean = np.where(padded, low, np.clip(image, low, high))
        assert np.array_equal(got, TwoStageSegmenter(stage1, stage2, PLAIN).segment(clean[None]).labels[0])
        assert len(np.unique(got)) == 4
        assert high == left.max() == 7 * 255
    everywhere = TwoStageSegmenter(stage1, lambda x: one_hot(np.full((len(x), S, S), 2), 3), frame)
    scar = everywhere.segment(np.where(padding, np.nan, plain)).labels
    assert not scar[padding].any()
    assert scar[~padding].all()
    assert not everywhere.segment(np.full((1, 8, 8), np.nan)).labels.any()


def test_slices_do_not_depend_on_the_batch() -> None:
    labels = np.stack([np.rot90(heart(), turns) for turns in range(4)] * 5)  # 20: two batches and a part
    found = segmenter().segment(painted(labels)).labels
    alone = [segmenter().segment(painted(slice_)[None]).labels[0] for slice_ in labels]
    assert np.array_equal(found, np.stack(alone))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((64, 64)), r"must be slices, rows and columns \[N, H, W\].*got \(64, 64\)"),
        (np.zeros((0, 64, 64)), "none of them 0"),
        (np.zeros((1, 64, 64), dtype=np.complex64), "real numbers; got complex64"),
        (np.stack([np.zeros((8, 8)), np.full((8, 8), np.inf)]), r"replace inf in slices \[1\]"),
    ],
)
def test_what_is_no_exam_is_explained(pixels: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        segmenter().segment(pixels)


def test_the_wrong_network_is_explained() -> None:
    with pytest.raises(ModelError, match=r"stage 1's network must give .*\(1, 2, 64, 64\); got \(1, 3, 64, 64\)"):
        segmenter(first=stage2).segment(painted(heart())[None])


def test_options_are_off_frozen_and_checked() -> None:
    assert Options() == Options(confine_scar=False, rotations=False, crop_margin=None)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Options(crop_margin=-1)
    with pytest.raises(ValidationError, match="frozen"):
        Options().rotations = True  # type: ignore[misc]  # frozen


def test_confined_scar_by_hand() -> None:
    labels = np.array(
        [
            [3, 0, 0, 0, 0, 0, 3],
            [0, 0, 2, 2, 0, 0, 3],  # stray: two pixels away from the wall
            [0, 2, 1, 1, 2, 0, 0],
            [0, 2, 1, 1, 3, 0, 3],  # transmural: touches the cavity; the one outside touches nothing
            [0, 0, 2, 2, 0, 0, 0],
            [0, 3, 0, 0, 3, 0, 0],  # both touch myocardium by a corner; the right one's tail goes with it
            [0, 0, 0, 0, 0, 3, 0],
        ],
        dtype=np.uint8,
    )
    expected = labels.copy()
    for pixel in [(0, 0), (0, 6), (1, 6), (3, 6)]:
        expected[pixel] = Label.BACKGROUND
    assert np.array_equal(confine_scar(labels), expected)
    assert labels[0, 0] == Label.SCAR  # the argument is left alone


def test_confined_scar_against_scipy() -> None:
    """On random labels: scar is what grows from the wall's surroundings within scar (geodesic reconstruction)."""
    around = np.ones((3, 3), dtype=np.bool_)
    for seed in range(30):
        labels = np.random.default_rng(seed).choice(4, (40, 40), p=[0.7, 0.01, 0.02, 0.27]).astype(np.uint8)
        scar = labels == Label.SCAR
        wall = (labels == Label.CAVITY) | (labels == Label.MYOCARDIUM)
        kept = ndimage.binary_propagation(ndimage.binary_dilation(wall, around) & scar, around, scar)
        assert 0 < kept.sum() < scar.sum()
        assert np.array_equal(confine_scar(labels), np.where(scar & ~kept, 0, labels))
    assert not confine_scar(np.full((5, 5), 3, dtype=np.uint8)).any()  # scar alone, no wall
    assert not confine_scar(np.zeros((5, 5), dtype=np.uint8)).any()


def test_the_segmenter_confines_scar_when_asked() -> None:
    labels = heart()
    labels[2:6, 2:6] = Label.SCAR
    exam = painted(labels)[None]
    assert (segmenter().segment(exam).labels[0, 2:6, 2:6] == Label.SCAR).all()
    confined = segmenter(confine_scar=True).segment(exam).labels[0]
    assert np.array_equal(confined, expected_frame(heart()))


def test_rotations_change_nothing_for_a_network_that_turns_with_its_input() -> None:
    exam = painted(np.stack([heart(), heart().T]))
    calls = []

    def counted(inputs: Pixels) -> NDArray[np.float32]:
        calls.append(len(inputs))
        return stage2(inputs)

    found = segmenter(second=counted, rotations=True).segment(exam).labels
    assert np.array_equal(found, segmenter().segment(exam).labels)
    assert calls == [2, 2, 2, 2]


def test_rotations_average_probabilities_by_hand() -> None:
    """Stage 2 answers by place alone; over the four rotations each pixel gets the mean over its orbit."""
    place = np.random.default_rng(4).dirichlet(np.ones(3), (S, S)).astype(np.float32).transpose(2, 0, 1)
    inputs_seen = []

    def second(inputs: Pixels) -> NDArray[np.float32]:
        inputs_seen.append(inputs[0])
        return np.repeat(place[None], len(inputs), axis=0)

    found = segmenter(second=second, rotations=True).segment(painted(heart())[None]).labels[0]
    last = S - 1
    mean = np.empty((3, S, S))
    for row in range(S):
        for column in range(S):
            orbit = [(row, column), (column, last - row), (last - row, last - column), (last - column, row)]
            mean[:, row, column] = np.mean([place[:, r, c] for r, c in orbit], axis=0)
    refined = refine_cavity(heart() == Label.CAVITY)
    classes = np.array([Label.BACKGROUND, Label.MYOCARDIUM, Label.SCAR])[mean.argmax(axis=0)]
    assert np.array_equal(found, np.where(refined, Label.CAVITY, classes))
    whole = composite(painted(heart()), refined)  # built once, then turned
    turned = [np.rot90(whole, turns, axes=(1, 2)) for turns in range(4)]
    assert all(any(np.array_equal(seen, other) for seen in inputs_seen) for other in turned)


def test_rotations_apply_to_stage_1_too() -> None:
    """A cavity seen in one of four rotations only is outvoted."""
    corner = np.zeros((S, S), dtype=int)
    corner[4:20, 4:20] = 1

    def first(inputs: Pixels) -> NDArray[np.float32]:
        return one_hot(np.repeat(corner[None], len(inputs), axis=0), 2)

    exam = painted(heart())[None]
    assert segmenter(first=first).segment(exam).cavity_found.all()
    assert not segmenter(first=first, rotations=True).segment(exam).cavity_found.any()


def test_stage_2_sees_the_crop_and_its_result_is_put_back() -> None:
    """The cavity is rows and columns 20 to 35, refined 19 to 36; with a margin of 7 a square of 32, enlarged twice."""
    labels = np.zeros((S, S), dtype=np.uint8)
    labels[16:40, 16:40] = Label.MYOCARDIUM
    labels[16:40, 38:40] = Label.SCAR
    labels[20:36, 20:36] = Label.CAVITY
    labels[60:63, 60:63] = Label.SCAR  # outside of the square
    seen = []

    def second(inputs: Pixels) -> NDArray[np.float32]:
        seen.append(inputs[0])
        return stage2(inputs)

    found = segmenter(second=second, crop_margin=7).segment(painted(labels)[None]).labels[0]
    refined = refine_cavity(labels == Label.CAVITY)
    assert np.argwhere(refined).min(axis=0).tolist() == [19, 19]
    assert np.argwhere(refined).max(axis=0).tolist() == [36, 36]
    square = np.s_[12:44, 12:44]
    twice = np.ones((2, 2), dtype=np.uint8)
    enlarged = np.array(Image.fromarray(painted(labels)[square]).resize((S, S), Image.Resampling.BILINEAR))
    guided = composite(enlarged, np.kron(refined[square], twice).astype(np.bool_))
    assert np.array_equal(seen[0], guided)
    expected = np.zeros((S, S), dtype=np.uint8)  # every second pixel of the enlarged square, outside of it nothing
    expected[square] = np.array([0, 2, 3])[stage2(guided[None])[0].argmax(axis=0)][1::2, 1::2]
    expected[refined] = Label.CAVITY
    assert np.array_equal(found, expected)
    assert (expected[square] == Label.SCAR).any()


def test_the_wall_takes_back_what_the_cavity_took() -> None:
    """By hand: a cavity of rows and columns 20 to 35 (its corners cut by the disc), whose edge lies on myocardium."""
    found = np.zeros((1, S, S), dtype=np.bool_)
    found[0, 20:36, 20:36] = True
    wall = np.zeros((1, S, S), dtype=np.uint8)
    wall[0, 16:40, 16:40] = Label.MYOCARDIUM
    wall[0, 22:34, 20:36] = wall[0, 20:36, 22:34] = Label.BACKGROUND
    wall[0, 30, 20:23] = Label.SCAR
    paper, first = (join(found, wall, Options(wall_first=option))[0] for option in (False, True))
    assert paper[19, 25] == paper[30, 21] == Label.CAVITY  # the edge, and scar inside
    assert first[19, 25] == Label.MYOCARDIUM
    assert first[30, 20:23].tolist() == [Label.SCAR] * 3
    assert np.array_equal(first[wall[0] != 0], wall[0][wall[0] != 0])
    assert np.array_equal(first[wall[0] == 0], paper[wall[0] == 0])
    assert (first[wall[0] == 0] == Label.CAVITY).sum() > 150


def test_a_crop_is_made_of_the_exams_own_pixels() -> None:
    """An exam twice as fine as the frame: a square of half the frame's side is seen pixel by pixel."""
    labels = np.zeros((S, S), dtype=np.uint8)
    labels[16:40, 16:40] = Label.MYOCARDIUM
    labels[20:36, 20:36] = Label.CAVITY  # refined 19 to 36, with a margin of 7 rows and columns 12 to 43
    exam = np.kron(painted(labels), np.ones((2, 2), dtype=np.uint8))
    exam[::2, ::2] += 4  # the frame does not show it
    exam[0, 0], exam[0, 1] = 0, 255  # the whole range: 8 bit as it is
    seen = []

    def second(inputs: Pixels) -> NDArray[np.float32]:
        seen.append(inputs[0])
        return stage2(inputs)

    assert segmenter(second=second, crop_margin=7).segment(exam[None]).cavity_found.all()
    assert np.array_equal(seen[0][2], exam[24:88, 24:88])


@pytest.mark.parametrize(
    ("shape", "pixel_mm", "mm", "margin"),
    [
        ((128, 128), (1.5, 1.5), 12, 4),  # the frame's pixels have 3 mm
        ((128, 128), (1.5, 1.5), 12.1, 5),  # rounded up
        ((128, 64), (1.5, 1.0), 5, 5),  # 3 by 1 mm: at least 5 mm on each side
        ((64, 64), (2, 2), 0, 0),
    ],
)
def test_a_margin_in_mm(shape: tuple[int, int], pixel_mm: tuple[float, float], mm: float, margin: int) -> None:
    cavity = refine_cavity(heart() == Label.CAVITY)
    assert seen_box(cavity, shape, pixel_mm, Options(crop_margin_mm=mm)) == find_crop_box(cavity, margin)
    with pytest.raises(DataError, match=r"size of the pixels is not known"):
        seen_box(cavity, shape, None, Options(crop_margin_mm=mm))


def test_without_guidance_the_crop_is_still_where_the_cavity_is() -> None:
    seen = []

    def second(inputs: Pixels) -> NDArray[np.float32]:
        seen.append(inputs[0])
        return stage2(inputs)

    exam = painted(heart())[None]
    for guided in (True, False):
        segmenter(second=second, crop_margin=3, guided=guided).segment(exam)
    assert np.array_equal(seen[0][2], seen[1][2])
    assert not seen[1][1].any()
    assert np.array_equal(seen[1][0], seen[1][2])


def test_a_crop_without_a_cavity_is_the_whole_slice() -> None:
    labels = heart()
    labels[labels == Label.CAVITY] = Label.BACKGROUND
    exam = painted(labels)[None]
    assert np.array_equal(segmenter(crop_margin=3).segment(exam).labels, segmenter().segment(exam).labels)


def test_all_options_together() -> None:
    labels = heart()
    labels[2:6, 2:6] = Label.SCAR
    found = segmenter(confine_scar=True, rotations=True, crop_margin=64).segment(painted(labels)[None])
    assert np.array_equal(found.labels[0], expected_frame(heart()))
