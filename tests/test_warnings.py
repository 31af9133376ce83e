"""Warnings of an exam: members that disagree, exams unlike those of training, and what that meant out of fold."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deliveries import MODEL, classes, exam_of, rows_of
from numpy.typing import NDArray
from scipy import ndimage, signal, stats
from scipy.spatial import distance
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score
from synthetic_dicom import grey

from lge_sweep.config import load_sweep
from lge_sweep.config.doubt import DISAGREEMENT, UNLIKENESS, Doubt, Spread, WarningNumber
from lge_sweep.config.pipelines import Cleaning, Pipeline
from lge_sweep.config.segmenter import Composed
from lge_sweep.data import resize_labels
from lge_sweep.deliver import ExamDoubt, deliver, read_delivery
from lge_sweep.deliver.result import Result
from lge_sweep.deliver.sr import report_comments
from lge_sweep.labels import WALL, Label, class_names, stage_target
from lge_sweep.pipeline import out_of_fold
from lge_sweep.pipeline.doubt import FLAGGED, LabelledExams, describe_doubt, measure_doubt
from lge_sweep.pipeline.kept import ExamWriter, KeptExam, keep_exam, read_kept
from lge_sweep.pipeline.probabilities import calibration_frame, calibration_markdown, measure_probabilities
from lge_sweep.pipeline.records import ChoiceRecord
from lge_sweep.quantify import contrast_to_noise
from lge_sweep.scoring import measure_warning
from lge_sweep.segmenter import TRAITS, Ensemble, Found, disagreement, exam_traits, trait_spreads, unlikeness
from lge_sweep.segmenter.cleaning import clean
from lge_sweep.segmenter.doubt import assess_exam
from lge_sweep.segmenter.views import see

Array = NDArray[Any]
T = 48


def heart(scar: float = 0.0, shift: int = 0) -> Array:
    """Labels [T, T]: a cavity in a wall, of which a share is scar."""
    y, x = np.mgrid[:T, :T] - T // 2
    radius, angle = np.hypot(y, x - shift), (np.arctan2(y, x - shift) / (2 * np.pi)) % 1
    labels = np.select([radius < 8, radius < 14], [Label.CAVITY, Label.MYOCARDIUM], Label.BACKGROUND)
    return np.where((labels == Label.MYOCARDIUM) & (angle < scar), Label.SCAR, labels).astype(np.uint8)


def image_of(labels: Array, rng: np.random.Generator, sd: float = 6.0) -> Array:
    """What an exam with these labels looks like: [N, T, T] grey levels."""
    levels = np.array([70, 160, 50, 210])[labels] + rng.normal(0, sd, labels.shape)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def found_in(labels: Array, seen: Array, members: Array) -> Found:
    probabilities = np.moveaxis(np.eye(4, dtype=np.float32)[labels], -1, 1)
    return Found(labels, seen, labels, probabilities, members, 1.0, np.ones(len(labels), dtype=bool))


def known_disagreement(members: Array, cleaning: Cleaning, scale: float = 1.0) -> float:
    """`disagreement` of a fold that has several members."""
    found = disagreement(members, cleaning, scale)
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------------------- members disagree


@pytest.mark.parametrize("cleaning", [Cleaning(), Cleaning(largest_heart=True, least_scar_share=0.1)])
def test_disagreement_is_the_mean_dice_of_all_pairs(cleaning: Cleaning) -> None:
    rng = np.random.default_rng(0)
    members = np.stack([np.stack([heart(rng.random() / 2, int(rng.integers(4)))] * 3) for _ in range(6)])
    expected = []
    for fold in range(2):
        own = [clean(labels, cleaning) for labels in members[3 * fold : 3 * fold + 3]]
        for first, second in combinations(own, 2):
            for classes_ in ([1], [2, 3], [3]):
                masks = [np.isin(labels, classes_).ravel() for labels in (first, second)]
                expected.append(distance.dice(*masks) if any(mask.any() for mask in masks) else 0.0)
    assert disagreement(members, cleaning, 1.0, folds=2) == pytest.approx(np.mean(expected), abs=1e-9)
    assert np.mean(expected) > 0.05


def test_disagreement_is_none_of_those_that_agree_and_unknown_of_one() -> None:
    same = np.stack([heart(0.3)[None]] * 4)
    assert disagreement(same, Cleaning(), 1.0) == 0
    assert disagreement(same, Cleaning(), 1.0, folds=4) is None
    empty = np.zeros_like(same)
    assert disagreement(empty, Cleaning(), 1.0) == 0  # a Dice of 1, as EMIDEC counts
    half = np.concatenate([same[:2], empty[:2]])
    assert disagreement(half, Cleaning(), 1.0) == pytest.approx(4 / 6)  # 4 of 6 pairs have nothing in common


def test_disagreement_does_not_grow_with_the_number_of_folds() -> None:
    """What is shipped has all folds' members, of which those of one fold alone label an exam out of fold."""
    rng = np.random.default_rng(1)
    folds = [
        np.stack([heart(0.2 + 0.1 * rng.random(), int(rng.integers(3)))[None] for _ in range(8)]) for _ in range(5)
    ]
    alone = [known_disagreement(members, Cleaning()) for members in folds]
    assert disagreement(np.concatenate(folds), Cleaning(), 1.0, folds=5) == pytest.approx(np.mean(alone))


def test_specks_are_cleaned_by_the_exams_own_pixels() -> None:
    members = np.stack([heart(0.0)[None]] * 2)
    members[0, 0, 10:12, 22:26] = Label.SCAR  # 8 pixels of the view
    eight = Cleaning(least_scar_pixels=8)
    assert known_disagreement(members, eight, 1.0) > 0.3
    assert known_disagreement(members, eight, 4.0) < 0.1  # of the exam's own they are 2


def test_an_ensemble_knows_its_members() -> None:
    rng = np.random.default_rng(2)
    inputs = rng.integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)

    def network(weight: float) -> Any:
        def run(views: Array) -> Array:
            logits = np.stack([views[:, k % 3] * weight * (k + 1) / 300 for k in range(4)], axis=1)
            logits[:, :, :4] += np.arange(4)[:, None, None]  # not alike from all sides
            powers = np.exp(logits)
            shares: Array = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
            return shares

        return run

    one, two = network(1.0), network(-2.0)
    seen = Ensemble(((one,), (two,)), 8).see(inputs)
    assert seen.members.shape == (16, 2, 8, 8)
    np.testing.assert_array_equal(seen.members[0], one(inputs).argmax(axis=1))
    np.testing.assert_array_equal(seen.members[8], two(inputs).argmax(axis=1))
    turned = np.rot90(one(np.rot90(inputs, 1, axes=(2, 3))), -1, axes=(2, 3))
    np.testing.assert_array_equal(seen.members[1], turned.argmax(axis=1))
    parts = [Ensemble(((each,),), 8)(inputs) for each in (one, two)]
    np.testing.assert_allclose(seen.mean, np.mean(parts, axis=0), atol=1e-6)
    alone = see(one, inputs)
    np.testing.assert_array_equal(alone.mean, one(inputs))
    np.testing.assert_array_equal(alone.members, one(inputs).argmax(axis=1)[None])


# --------------------------------------------------------------------------------------------- unlike those of training


def test_traits_are_what_they_are_called() -> None:
    rng = np.random.default_rng(3)
    labels = np.stack([heart(), heart(), np.zeros((T, T), dtype=np.uint8)])
    seen = image_of(labels, rng)
    traits = exam_traits(seen, labels)
    assert traits.keys() == TRAITS.keys()
    assert traits["brightness"] == pytest.approx(seen.mean())
    assert traits["spread"] == pytest.approx(np.mean([image.std() for image in seen]))
    assert traits["contrast"] == pytest.approx(
        np.median([value for k in range(2) if (value := contrast_to_noise(seen[k], labels[k])) is not None])
    )
    assert traits["size"] == pytest.approx(28 / T, rel=0.02)
    assert exam_traits(seen, np.zeros_like(labels)).keys() == TRAITS.keys() - {"contrast", "size"}


@pytest.mark.parametrize("sd", [3.0, 10.0, 20.0])
def test_noise_is_the_standard_deviation_that_was_added(sd: float) -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:128, :128]
    smooth = 90 + 30 * np.sin(x / 20) + 20 * np.cos(y / 30)
    seen = np.clip(np.rint(smooth + rng.normal(0, sd, (3, 128, 128))), 0, 255).astype(np.uint8)
    noise = exam_traits(seen, np.zeros_like(seen))["noise"]
    assert noise == pytest.approx(sd, rel=0.05)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    filtered = [np.abs(signal.convolve2d(image.astype(float), kernel, mode="valid")).mean() for image in seen]
    assert noise == pytest.approx(np.sqrt(np.pi / 2) / 6 * np.mean(filtered), rel=1e-5)


def test_spreads_are_robust() -> None:
    values = np.random.default_rng(5).normal(50, 4, 400)
    exams = [{"noise": value, "brightness": 7.0, "size": float(k == 0)} for k, value in enumerate(values)]
    exams[0]["noise"] = 1e6  # one odd exam changes nothing
    spreads = trait_spreads(exams)
    noise = [exam["noise"] for exam in exams]
    assert spreads.keys() == {"noise", "size"}  # of what is one number in all nothing can be unlike
    assert spreads["noise"].median == pytest.approx(np.median(noise))
    assert spreads["noise"].scale == pytest.approx(stats.median_abs_deviation(noise, scale="normal"), rel=1e-4)
    assert spreads["size"].scale == pytest.approx(np.std([exam["size"] for exam in exams]))
    known = {"noise": Spread(median=50, scale=4), "contrast": Spread(median=1, scale=1)}
    assert unlikeness({"noise": 62.0, "spread": 3.0}, known) == {"noise": 3.0}


# ---------------------------------------------------------------------------------------------------- what it means


def test_a_warning_ranks_as_sklearn_and_scipy_say() -> None:
    rng = np.random.default_rng(6)
    worth = rng.random(53)
    numbers = -worth + rng.normal(0, 0.3, 53)
    known = measure_warning(numbers, worth, [f"case{k}" for k in range(53)], 0.2)
    worst = stats.rankdata(worth) <= 13
    assert known.worst == 13
    assert known.auc is not None
    assert known.auc == pytest.approx(roc_auc_score(worst, numbers))
    assert known.spearman == pytest.approx(stats.spearmanr(numbers, worth).statistic)
    above = numbers > known.threshold
    assert known.flagged == above.sum() == 10  # a fifth of 53, rounded down
    assert known.caught == (above & worst).sum()
    assert known.dice_above == pytest.approx(worth[above].mean())
    assert known.dice_below == pytest.approx(worth[~above].mean())
    assert known.auc_low is not None
    assert known.auc_high is not None
    assert 0.5 < known.auc_low < known.auc < known.auc_high < 1
    pairs = rng.integers(0, 53, (1000, 53))
    drawn = [stats.spearmanr(numbers[pair], worth[pair]).statistic for pair in pairs]
    assert (known.spearman_low, known.spearman_high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.05)


def test_intervals_are_over_cases_and_not_over_exams() -> None:
    rng = np.random.default_rng(7)
    worth = rng.random(30)
    numbers = -worth + rng.normal(0, 0.3, 30)
    single = measure_warning(numbers, worth, [str(k) for k in range(30)], 0.2)
    twice = measure_warning(np.repeat(numbers, 2), np.repeat(worth, 2), [str(k // 2) for k in range(60)], 0.2)
    assert twice.spearman == pytest.approx(single.spearman)
    assert (twice.spearman_low, twice.spearman_high) == pytest.approx((single.spearman_low, single.spearman_high))


def test_a_number_that_is_one_for_all_warns_of_none() -> None:
    known = measure_warning(np.ones(12), np.linspace(0, 1, 12), [str(k) for k in range(12)], 0.2)
    assert (known.flagged, known.caught, known.dice_above, known.spearman) == (0, 0, None, None)
    assert known.auc == 0.5


# ------------------------------------------------------------------------------------------------ measured out of fold


def cohort(count: int, seed: int) -> tuple[list[KeptExam], LabelledExams]:
    """Exams of which some are hard: their members disagree, and their labels are worse."""
    rng = np.random.default_rng(seed)
    exams, worth = [], []
    for _ in range(count):
        hard = rng.random()
        labels = np.stack([heart(0.3, int(rng.integers(3)))] * 3)
        members = np.stack(
            [np.stack([heart(0.3 - 0.3 * hard * rng.random(), int(rng.integers(1, 3)))] * 3) for _ in range(4)]
        )
        seen = image_of(labels, rng, 5 + 2 * rng.random())
        exams.append(keep_exam(found_in(labels, seen, members), labels, labels))
        worth.append(0.9 - 0.5 * hard)
    folds = np.arange(count) % 3
    return exams, LabelledExams([f"case{k}" for k in range(count)], folds, [Cleaning()] * count, np.array(worth))


def test_what_is_doubted_is_measured_and_few_are_flagged() -> None:
    exams, labelled = cohort(41, 8)
    doubt, table = measure_doubt(exams, labelled)
    assert list(table["case"]) == list(labelled.cases)
    disagreeing = doubt.numbers[DISAGREEMENT]
    assert disagreeing.auc == pytest.approx(roc_auc_score(stats.rankdata(labelled.worth) <= 10, table[DISAGREEMENT]))
    assert disagreeing.auc_low is not None
    assert disagreeing.auc_low > 0.5
    for name, known in doubt.numbers.items():
        assert known.flagged == (table[name] > known.threshold).sum() <= FLAGGED[name] * 41
    assert doubt.flagged <= 0.2 * 41
    spread = doubt.traits["noise"]
    assert spread.median == pytest.approx(np.median([exam.traits["noise"] for exam in exams]))


def test_an_exam_is_compared_with_those_that_its_networks_saw() -> None:
    """Out of fold: whatever the exams of its own fold are like, its numbers are the same."""
    exams, labelled = cohort(24, 9)
    before = measure_doubt(exams, labelled).table
    for fold in range(3):
        rng = np.random.default_rng(10)
        changed = [
            keep_exam(found_in(exam.labels, image_of(exam.labels, rng, 60), exam.members), exam.labels, exam.truth)
            if other == fold and place >= 3
            else exam
            for place, (exam, other) in enumerate(zip(exams, labelled.folds, strict=True))
        ]
        after = measure_doubt(changed, labelled).table
        own = (labelled.folds == fold) & (np.arange(24) < 3)
        assert own.sum() == 1
        pd.testing.assert_frame_equal(after[own], before[own])
        others = (labelled.folds != fold) & (np.arange(24) < 3)
        assert (after.loc[others, UNLIKENESS] != before.loc[others, UNLIKENESS]).all()


def test_the_meaning_of_a_warning_holds_for_exams_that_had_no_say() -> None:
    """The threshold was chosen on some exams; of others as many are flagged, and those are the worse."""
    exams, labelled = cohort(60, 11)
    known = measure_doubt(exams, labelled).doubt.numbers[DISAGREEMENT]
    later, others = cohort(60, 12)
    numbers = np.array([known_disagreement(exam.members, Cleaning(), exam.scale) for exam in later])
    above = numbers > known.threshold
    assert abs(above.mean() - FLAGGED[DISAGREEMENT]) < 0.15
    assert above.any()
    assert others.worth[above].mean() < others.worth[~above].mean() - 0.1


def test_an_odd_exam_is_flagged_and_a_usual_one_is_not() -> None:
    exams, labelled = cohort(41, 13)
    doubt = measure_doubt(exams, labelled).doubt
    rng = np.random.default_rng(14)
    labels = np.stack([heart(0.3, 1)] * 3)
    agreeing = np.stack([labels] * 4)

    def assess(seen: Array) -> ExamDoubt:
        return assess_exam(found_in(labels, seen, agreeing), Cleaning(), 1, doubt)

    usual = assess(image_of(labels, rng, 6))
    assert usual.warnings == ()
    assert usual.numbers[DISAGREEMENT] == 0
    assert usual.numbers[UNLIKENESS] < doubt.numbers[UNLIKENESS].threshold
    inverted, noisy = assess(255 - image_of(labels, rng, 6)), assess(image_of(labels, rng, 40))
    blurred = assess(ndimage.gaussian_filter(image_of(labels, rng, 6), (0, 3, 3)))
    for odd in (inverted, noisy, blurred):
        (warning,) = odd.warnings
        assert warning.startswith(f"unlikeness {odd.numbers[UNLIKENESS]:.3g}, above")
        assert "of 41 exams that the networks had not seen, the" in warning
        assert ", usual " in warning
    split = np.stack([labels, np.zeros_like(labels), labels, np.zeros_like(labels)])
    torn = assess_exam(found_in(labels, image_of(labels, rng, 6), split), Cleaning(), 1, doubt)
    assert torn.warnings[0].startswith("disagreement 0.667, above")
    numbers = doubt.numbers[DISAGREEMENT].model_copy(update={"threshold": 0.66662})  # to three digits both are 0.667
    close = doubt.model_copy(update={"numbers": {**doubt.numbers, DISAGREEMENT: numbers}})
    torn = assess_exam(found_in(labels, image_of(labels, rng, 6), split), Cleaning(), 1, close)
    assert torn.warnings[0].startswith("disagreement 0.6667, above 0.6666: ")


# ------------------------------------------------------------------------------------------------------ what is kept


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    exams, _ = cohort(3, 15)
    writer = ExamWriter([4, 5, 6])
    for exam in exams:
        writer.add(exam)
    path = tmp_path / "there" / "kept.npz"
    writer.write(path)
    kept = read_kept(path, [4, 5, 6], 3)
    assert kept is not None
    for written, exam, labels in zip(exams, kept, kept.labels(), strict=True):
        for name, array in written._asdict().items():
            np.testing.assert_array_equal(getattr(exam, name), array)
        np.testing.assert_array_equal(labels, written.labels)
        assert exam.traits == written.traits
        np.testing.assert_allclose(exam.probabilities.sum(axis=1), 1, atol=1e-6)
    assert read_kept(path, [4, 5, 7], 3) is None
    assert read_kept(path, [4, 5, 6], 4) is None
    assert read_kept(tmp_path / "none.npz", [4], 1) is None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert read_kept(path, [4, 5, 6], 3) is None


def test_probabilities_are_kept_to_a_level() -> None:
    rng = np.random.default_rng(16)
    p = rng.dirichlet(np.ones(4) / 4, (2, 5, 5)).astype(np.float32)
    labels = np.zeros((2, 5, 5), dtype=np.uint8)
    found = replace(found_in(labels, labels, labels[None]), probabilities=np.moveaxis(p, -1, 1))
    kept = keep_exam(found, labels, labels)
    assert np.abs(kept.probabilities - found.probabilities).max() < 0.01
    assert np.isnan(kept.numbers).sum() == 2  # no heart: neither contrast nor size
    assert kept.traits.keys() == TRAITS.keys() - {"contrast", "size"}


@pytest.mark.parametrize("stage", [0, 2])
def test_probabilities_are_calibrated_where_there_is_a_heart(stage: int) -> None:
    rng = np.random.default_rng(18)
    exams, names = [], class_names(stage)
    for _ in range(3):
        truth = np.stack([heart(0.3)] * 2)
        p = rng.dirichlet(np.ones(len(names)), truth.shape).astype(np.float32)
        p[:, :10] = np.eye(len(names))[0]  # background, known to all
        found = replace(
            found_in(truth, image_of(truth, rng), truth[None]), probabilities=np.moveaxis(p, -1, 1), scale=4.0
        )
        exams.append(keep_exam(found, truth, truth))
    measured = measure_probabilities(exams, stage)
    kept = np.concatenate([np.moveaxis(exam.probabilities, 1, -1) for exam in exams])
    truth = stage_target(np.concatenate([exam.truth for exam in exams]), stage)
    counted = (truth > 0) | (kept.argmax(axis=-1) > 0)
    assert 0 < counted.sum() == measured.calibration.pixels < counted.size
    for channel, name in enumerate(names):
        hits, said = truth[counted] == channel, kept[counted][:, channel]
        frequency, confidence = calibration_curve(hits, said, n_bins=10)
        table = measured.calibration.table.query("`class` == @name")
        np.testing.assert_allclose(table["frequency"], frequency, atol=1e-6)
        np.testing.assert_allclose(table["confidence"], confidence, atol=1e-6)
        scores = measured.calibration.scores.set_index("class")
        assert scores.loc[name, "brier"] == pytest.approx(brier_score_loss(hits, said), rel=1e-6)
    expected = kept[..., -1].sum(axis=(1, 2)) / 4
    assert measured.expected == pytest.approx(expected, rel=1e-5)
    frame = calibration_frame("mine", measured.calibration)
    assert frame["class"].tolist() == [*names, "label", "all"]
    (row,) = [line for line in calibration_markdown(frame).splitlines() if line.startswith("| mine | scar |")]
    shown = frame.set_index("class").loc["scar"]
    interval = f"({shown['brier_low']:.4f} to {shown['brier_high']:.4f})"
    assert row.split(" | ")[2] == f"{float(scores['brier'].loc['scar']):.4f} {interval}"
    assert shown["brier_low"] < shown["brier"] < shown["brier_high"]


# ---------------------------------------------------------------------------------------------------- what is delivered

SAID = "disagreement 0.5, above 0.3: the networks and views whose mean the labels are disagree"


def test_a_warning_is_in_every_output_that_is_read(tmp_path: Path) -> None:
    exam = exam_of(tmp_path, grey(3))
    labels = classes()
    doubt = ExamDoubt({DISAGREEMENT: 0.5, UNLIKENESS: 2.0}, (SAID,))
    made = deliver(exam, labels, tmp_path / "out", ("csv", "html"), MODEL, doubt=doubt)
    assert made.warnings == (SAID,)
    assert read_delivery(tmp_path / "out", exam, ("csv", "html"), MODEL) == made
    (row,) = rows_of(made.folder / "burden.csv")
    assert (row["disagreement"], row["unlikeness"], row["warnings"]) == ("0.5", "2.0", SAID)
    page = (made.folder / "report.html").read_text()
    assert SAID in page
    assert "disagreement 0.5, unlikeness 2" in page
    assert f"Labels to be doubted: {SAID}." in report_comments(Result(exam, labels, MODEL, doubt))


def test_a_model_that_was_not_measured_says_nothing(tmp_path: Path) -> None:
    exam = exam_of(tmp_path, grey(3))
    made = deliver(exam, classes(), tmp_path / "out", ("csv", "html"), MODEL)
    assert made.warnings == ()
    (row,) = rows_of(made.folder / "burden.csv")
    assert (row["disagreement"], row["unlikeness"], row["warnings"]) == ("", "", "")
    assert "had not seen" not in (made.folder / "report.html").read_text()


def test_without_any_above_the_threshold_that_is_said() -> None:
    known = WarningNumber(threshold=1.0, exams=8, flagged=0, worst=2, caught=0, dice_below=0.8)
    doubt = Doubt(numbers={UNLIKENESS: known}, flagged=0, traits={"brightness": Spread(median=10, scale=1)})
    labels = np.stack([heart()] * 2)
    seen = image_of(labels, np.random.default_rng(17))
    (warning,) = assess_exam(found_in(labels, seen, labels[None]), Cleaning(), 1, doubt).warnings
    assert warning.endswith("none of 8 exams that the networks had not seen was above")


# ------------------------------------------------------------------------------------- from labelling to the choice


def greys(views: Array, classes_: list[int], weight: float, channel: int = 1) -> Array:
    """Probabilities by how near a pixel's grey level is to that of each class, in the exam of `image_of`."""
    distances = np.abs(
        views[:, channel, None].astype(np.float32) - np.array([70, 160, 50, 210])[classes_][:, None, None]
    )
    powers = np.exp(-distances / weight)
    shares: Array = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def test_cases_are_labelled_doubted_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As phase 3 does it, with networks that read grey levels: nothing is trained."""
    rng = np.random.default_rng(19)
    labels = [heart(0.3 * (case % 2), case % 3) for case in range(12) for _ in range(2)]
    manifest = pd.DataFrame(
        {"slice": [f"slice{k:02d}" for k in range(24)], "case": [f"case{k // 2:02d}" for k in range(24)]}
        | {"slot": [k % 2 for k in range(24)], "subset": "train", "height": T, "width": T}
        | {"has_scar": [bool((found == Label.SCAR).any()) for found in labels]}
        | dict.fromkeys(("spacing_row_mm", "spacing_column_mm", "spacing_slice_mm"), 1.5)
    )
    file = tmp_path / "mine.yaml"
    file.write_text(
        "folds: 3\npipelines:\n  heart: {finds: everything, seeds: 2, symmetries: 4, cleaning: [{}, "
        "{largest_heart: true}]}\n  wall: {symmetries: 4}\n  cascade: {finds: wall_then_scar, symmetries: 4}\n"
    )
    config = load_sweep("phase3", 2, "phantom", "smoke", pipelines=str(file))
    size = config.training.image_size
    cavity = np.stack([resize_labels((found == Label.CAVITY).astype(np.uint8), size, size) > 0 for found in labels])
    stage1 = SimpleNamespace(plan=None, cell=([0, 1], 10.0))
    two_stage: Any = SimpleNamespace(
        config=config, fit=config.fitting, fits=SimpleNamespace(manifest=manifest), labels=labels, cavity=cavity,
        images=[image_of(found, rng, 4 + k // 2).astype(float) for k, found in enumerate(labels)], stage1=stage1,
        composed=SimpleNamespace(),
    )  # fmt: skip

    def cells(two_stage: Any, name: str, pipeline: Pipeline) -> list[list[Any]]:
        known = [0, 2, 3] if pipeline.finds == "wall" else [0, 1, 2, 3]
        weights = [[10.0 + 20 * seed + fold for seed in range(pipeline.seeds)] for fold in range(3)]
        second = [([0, 2, 3], 5.0, 2)] if pipeline.finds == "wall_then_scar" else []  # sees the slice there
        return [[((known, weight), *second) for weight in of_fold] for of_fold in weights]

    monkeypatch.setattr(out_of_fold, "pipeline_cells", cells)
    monkeypatch.setattr(out_of_fold, "load_network", lambda plan, cell: lambda views: greys(views, *cell))
    monkeypatch.setattr(out_of_fold, "_kept_at", lambda two_stage, name, pipeline: tmp_path / f"{name}.npz")
    made = out_of_fold.label_out_of_fold(two_stage, lambda *_: None)
    assert {name: next(iter(kept)).members.shape[0] for name, kept in made.kept.items()} == {
        "paper": 1, "heart": 8, "wall": 4, "cascade": 4,
    }  # fmt: skip
    choice, table = out_of_fold.doubt_pipelines(made, out_of_fold.choose_pipeline(made))
    for name, found in choice.pipelines.items():
        own = table.query("pipeline == @name")
        assert own["dice"].mean() == pytest.approx(found.value)
        assert found.doubt is not None
        expected = {UNLIKENESS} if name == "paper" else {DISAGREEMENT, UNLIKENESS}
        assert set(found.doubt.numbers) == expected
        measured = measure_probabilities(made.kept[name], 0 if name in ("heart", "cascade") else 2)
        assert len(measured.expected) == 24
    assert ChoiceRecord.model_validate_json(choice.model_dump_json()) == choice
    assert describe_doubt(choice).startswith(f"Warnings of {choice.selected}, out of fold: disagreement above ")
    heart_doubt = choice.pipelines["heart"].doubt
    composed = Composed(networks=6, seeds=2, finds="everything", symmetries=4, doubt=heart_doubt)
    assert Composed.model_validate_json(composed.model_dump_json()) == composed
    assert composed.folds == 3
    for one, two in zip(made.kept["heart"], made.kept["cascade"], strict=True):  # the first network is the same
        assert np.isin(two.members, WALL)[np.isin(one.members[:4], WALL)].all()
    before = (tmp_path / "heart.npz").stat().st_mtime_ns
    again = out_of_fold.label_out_of_fold(two_stage, lambda *_: None)
    assert (tmp_path / "heart.npz").stat().st_mtime_ns == before  # nothing is labelled again
    assert again.kept == made.kept
