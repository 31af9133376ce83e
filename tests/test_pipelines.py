"""Pipelines past the paper: the window around the heart, what cleans up, folds, the choice, and what is shipped."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage
from skimage.measure import label as label_pieces
from statsmodels.stats.power import TTestPower

from lge_sweep.config import Cell, load_sweep
from lge_sweep.config.data import Intensity
from lge_sweep.config.pipelines import Cleaning, Pipeline, TrainingChanges, Window
from lge_sweep.config.schema import Fit, Shipped, Training
from lge_sweep.config.segmenter import Frame
from lge_sweep.data.module import IntervalSampler
from lge_sweep.data.schedule import make_schedule
from lge_sweep.errors import DataError, ModelError
from lge_sweep.labels import Label
from lge_sweep.models import build_module
from lge_sweep.models.architectures import residual_unet
from lge_sweep.pipeline.compose import describe_pipeline, network_training
from lge_sweep.pipeline.evaluate import is_of
from lge_sweep.pipeline.exams import group_exams
from lge_sweep.pipeline.fit import TwoStage, read_choice
from lge_sweep.pipeline.parts import cell_name, composition_digest
from lge_sweep.pipeline.records import ChoiceRecord, EvaluationRecord, PipelineChoice
from lge_sweep.scoring.nested import choose_nested
from lge_sweep.scoring.patients import patients_needed
from lge_sweep.scoring.subgroups import ratio_of_sums
from lge_sweep.segmenter.cleaning import clean, largest_piece, scar_share, without_specks
from lge_sweep.segmenter.heart import (
    HeartSegmenter,
    Square,
    cut_image,
    cut_labels,
    paste,
    place_window,
)
from lge_sweep.segmenter.views import Ensemble, seen_from_all_sides

S = 64
FRAME = Frame(size=S, intensity=Intensity(clip_percentiles=(0, 100)))
GREY = np.array([0, 100, 50, 255], dtype=np.uint8)
"""An exam painted so that the intensity is the class."""


def one_hot(classes: NDArray[Any], count: int) -> NDArray[np.float32]:
    """[B, H, W] -> [B, K, H, W]"""
    return np.moveaxis(np.eye(count, dtype=np.float32)[classes], -1, 1)


def reads_cavity(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    return one_hot((np.abs(inputs[:, 1].astype(int) - 100) < 25).astype(int), 2)


def reads_all(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    nearest = np.abs(inputs[:, 1, :, :, None].astype(int) - GREY.astype(int)).argmin(axis=-1)
    return one_hot(nearest, 4)


def exam(rows: int = 96, columns: int = 128, slices: int = 3) -> NDArray[np.uint8]:
    """Labels [N, H, W]: a cavity in a wall with a scar, off centre."""
    y, x = np.mgrid[:rows, :columns]
    radius = np.hypot(y - 40, x - 80)
    labels = np.zeros((rows, columns), dtype=np.uint8)
    labels[radius < 20] = Label.MYOCARDIUM
    labels[(radius < 20) & (x > 88) & (y > 40)] = Label.SCAR
    labels[radius < 12] = Label.CAVITY
    return np.stack([labels] * slices)


# ---------------------------------------------------------------------------------------------------------- the window


@pytest.mark.parametrize("window", [Window(pixels=64), Window(pixels=96), Window(mm=90, size=64), None])
def test_a_window_is_put_back_where_it_was_cut(window: Window | None) -> None:
    labels = exam()
    found = HeartSegmenter(reads_cavity, reads_all, FRAME, window).segment(GREY[labels], (1.5, 1.25)).labels
    assert found.shape == labels.shape
    if window is not None and window.mm is None:
        np.testing.assert_array_equal(found, labels)  # the exam's own pixels: nothing is resized
    else:  # pixels are mixed at edges, and between background and cavity there is the grey of myocardium
        inside = np.stack([ndimage.minimum_filter(a, 7) == ndimage.maximum_filter(a, 7) for a in labels])
        np.testing.assert_array_equal(found[inside], labels[inside])


def test_a_window_is_one_square_in_all_slices_about_the_centre_of_the_cavity() -> None:
    cavity = np.zeros((3, S, S), dtype=bool)
    cavity[0, 10:20, 30:40] = cavity[2, 12:22, 30:40] = True
    centre_row, centre_column = 16 / S * 96, 35 / S * 128
    square = place_window(cavity, (96, 128), Window(pixels=64), None)
    assert square == Square(round(centre_row - 32), round(centre_column - 32), 64, 64)
    assert place_window(cavity, (96, 128), Window(mm=120, size=64), (2.0, 1.5)) == Square(-6, 30, 60, 80)
    assert place_window(np.zeros_like(cavity), (96, 128), Window(pixels=64), None) == Square(16, 32, 64, 64)
    assert place_window(cavity, (96, 128), None, None) == Square(0, 0, 96, 128)
    with pytest.raises(DataError, match="the window around the heart is 120 mm, and the pixels' size unknown"):
        place_window(cavity, (96, 128), Window(mm=120, size=64), None)


@pytest.mark.parametrize("square", [Square(-10, 100, 64, 64), Square(60, -20, 64, 64), Square(10, 20, 64, 64)])
def test_what_sticks_out_of_a_slice_is_black_and_nothing_is_found_there(square: Square) -> None:
    image = np.random.default_rng(0).integers(1, 256, (96, 128)).astype(np.uint8)
    padded = np.pad(image, 128)
    expected = padded[128 + square.top : 192 + square.top, 128 + square.left : 192 + square.left]
    np.testing.assert_array_equal(cut_image(image, square, 64), expected)
    np.testing.assert_array_equal(cut_labels(image, square, 64), expected)
    pasted = paste(one_hot(np.full((1, 64, 64), 3), 4)[0], square, image.shape)
    there = np.zeros((96, 128), dtype=bool)
    there[max(square.top, 0) : square.top + 64, max(square.left, 0) : square.left + 64] = True
    np.testing.assert_array_equal(pasted, np.where(there, 3, 0))


def test_neighbours_are_the_slices_above_and_below() -> None:
    seen = []

    def network(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(inputs)
        return reads_all(inputs)

    pixels = np.stack([np.full((S, S), grey, dtype=np.uint8) for grey in (0, 100, 200)])
    pixels[:, 0, 0], pixels[:, 0, 1] = 0, 255  # so that intensities stay as they are
    HeartSegmenter(reads_cavity, network, FRAME, neighbours=True).segment(pixels)
    assert np.concatenate(seen)[:, :, 5, 5].tolist() == [[0, 0, 100], [0, 100, 200], [100, 200, 200]]


@pytest.mark.parametrize("symmetries", [1, 4, 8])
def test_views_are_turned_back_before_they_are_averaged(symmetries: int) -> None:
    inputs = np.random.default_rng(1).integers(0, 256, (2, 3, S, S)).astype(np.uint8)
    np.testing.assert_allclose(seen_from_all_sides(reads_all, symmetries)(inputs), reads_all(inputs))
    seen: list[bytes] = []

    def corner(views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Not alike from all sides: it looks at one corner alone."""
        seen.append(views.tobytes())
        marked = np.zeros((len(views), S, S), dtype=int)
        marked[:, :8, :4] = 3
        return one_hot(marked, 4)

    share = seen_from_all_sides(corner, symmetries)(inputs)[0, 3]
    assert len(set(seen)) == symmetries
    assert share.sum() == pytest.approx(32)  # each view marks as many pixels, in its own corner
    corners = {1: 1, 4: 4, 8: 4}[symmetries]
    assert sum(bool(np.rot90(share, turns)[:8, :8].any()) for turns in range(4)) == corners


def test_networks_are_averaged_by_their_probabilities() -> None:
    def constant(value: float) -> Any:
        return lambda inputs: np.full((len(inputs), 4, 2, 2), value, dtype=np.float32)

    ensemble = Ensemble(((constant(0.2),), (constant(0.4),), (constant(0.9),)))
    mean = ensemble(np.zeros((1, 3, 2, 2), dtype=np.uint8))
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, 0.5, rtol=1e-6)


def test_a_network_of_another_window_is_refused() -> None:
    segmenter = HeartSegmenter(reads_cavity, lambda inputs: reads_all(inputs)[:, :, ::2], FRAME, Window(pixels=64))
    with pytest.raises(ModelError, match=r"the network of all classes must give .* Is it the network of this stage"):
        segmenter.segment(GREY[exam()])


@pytest.mark.parametrize("wrong", [lambda found: found[:, [0, 1, 1]], lambda found: found * np.nan])
def test_what_says_where_the_heart_is_is_checked_too(wrong: Callable[[Any], Any]) -> None:
    segmenter = HeartSegmenter(lambda inputs: wrong(reads_cavity(inputs)), reads_all, FRAME, Window(pixels=64))
    with pytest.raises(ModelError, match="stage 1's network must give"):
        segmenter.segment(GREY[exam()])


# ----------------------------------------------------------------------------------------------------- what cleans up


def test_the_largest_piece_is_that_of_skimage() -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(2).random((4, 40, 40)), (0.5, 1.5, 1.5)) > 0.53
    pieces = label_pieces(mask, connectivity=3)
    sizes = np.bincount(pieces.ravel())[1:]
    assert len(sizes) > 3
    np.testing.assert_array_equal(largest_piece(mask), pieces == 1 + sizes.argmax())
    empty = np.zeros_like(mask)
    np.testing.assert_array_equal(largest_piece(empty), empty)


def test_specks_of_scar_become_myocardium() -> None:
    labels = np.where(np.random.default_rng(3).random((60, 60)) < 0.2, 3, 2).astype(np.uint8)
    pieces = label_pieces(labels == 3, connectivity=2)
    sizes = np.bincount(pieces.ravel())
    expected = np.where((labels == 3) & (sizes[pieces] < 4), 2, labels)
    np.testing.assert_array_equal(without_specks(labels, 4), expected)
    assert (without_specks(np.full((9, 9), 3, dtype=np.uint8), 1000) == 2).all()


def test_what_cleans_up_is_done_in_order_and_nothing_else() -> None:
    labels = exam()
    assert clean(labels, Cleaning()) is labels
    stray = labels.copy()
    stray[1, 80:84, 5:9] = Label.SCAR  # touches no wall, and is a piece of its own
    np.testing.assert_array_equal(clean(stray, Cleaning(largest_heart=True)), labels)
    np.testing.assert_array_equal(clean(stray, Cleaning(confine_scar=True)), labels)
    share = scar_share(labels)
    assert share == (labels == 3).sum() / ((labels == 2) | (labels == 3)).sum()
    np.testing.assert_array_equal(clean(labels, Cleaning(least_scar_share=share)), labels)
    none = clean(labels, Cleaning(least_scar_share=share * 1.01))
    np.testing.assert_array_equal(none, np.where(labels == 3, 2, labels))
    assert scar_share(np.zeros((2, 3, 3), dtype=np.uint8)) == 0
    # specks go first: what is left of the scar is too little of the wall then
    spotted = np.where(labels == 3, 2, labels)
    spotted[:, 40, 62:64] = 3
    spotted[0, 50:55, 66:69] = 3
    both = clean(spotted, Cleaning(least_scar_pixels=3, least_scar_share=0.01))
    assert not (both == 3).any()


# ---------------------------------------------------------------------------------------------------------- the choice


def test_labels_of_noise_find_no_skill() -> None:
    """Of 40 candidates that guess, the best looks better than it is; the nested choice knows what it is worth."""
    rng = np.random.default_rng(5)
    optimistic, honest = [], []
    for _ in range(200):
        values = rng.normal(0.5, 0.1, (40, 52))
        chosen = choose_nested(values, np.arange(52) % 5)
        optimistic.append(values.mean(axis=1)[chosen.best])
        honest.append(chosen.values.mean())
    error = 0.1 / np.sqrt(52 * 200)
    assert np.mean(optimistic) > 0.5 + 15 * error
    assert abs(np.mean(honest) - 0.5) < 5 * error


def test_a_case_has_no_say_in_what_it_is_given() -> None:
    rng = np.random.default_rng(6)
    values, folds = rng.random((7, 30)), np.arange(30) % 3
    before = choose_nested(values, folds)
    for fold in range(3):
        changed = values.copy()
        changed[:, folds == fold] = rng.random((7, 10))
        assert choose_nested(changed, folds).by_fold[fold] == before.by_fold[fold]
    with pytest.raises(ValueError, match="at least two folds"):
        choose_nested(values, np.zeros(30, dtype=int))


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 3.0])
def test_cases_needed_are_those_of_statsmodels(effect: float) -> None:
    differences = np.random.default_rng(7).normal(size=40)
    differences = (differences - differences.mean()) / differences.std(ddof=1) + effect
    expected = TTestPower().solve_power(effect, power=0.8, alpha=0.05)
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    assert patients_needed(mean, sd) == int(np.ceil(np.squeeze(expected)))
    assert patients_needed(-mean, sd) == patients_needed(mean, sd)
    assert patients_needed(0.0, 1.0) is None


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(8).normal(0.7, 0.1, 400)
    _, low, high = ratio_of_sums(values, np.ones_like(values))
    assert (low, high) == pytest.approx((values.mean() - 1.96 * 0.005, values.mean() + 1.96 * 0.005), abs=0.001)


# ------------------------------------------------------------------------------------------------------- the training


def test_the_learning_rate_warms_up_and_falls() -> None:
    training = Training(
        learning_rate=0.5, learning_rate_schedule="poly", warmup_steps=3, width=0.1, encoder_weights="none"
    )
    module = build_module(Cell(0, "residual_unet", "dice_ce", "sgdm", 0), training)
    module.total_steps = 10
    chosen = module.configure_optimizers()
    assert isinstance(chosen, dict)
    optimizer, schedule = chosen["optimizer"], chosen["lr_scheduler"]
    assert isinstance(schedule, dict)
    assert schedule["interval"] == "step"
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    expected = [0.5 * min(1, (step + 1) / 4) * (1 - step / 10) ** 0.9 for step in range(10)]
    assert rates == pytest.approx(expected)
    constant = build_module(Cell(0, "residual_unet", "dice_ce", "sgdm", 0), Training(width=0.1, encoder_weights="none"))
    assert isinstance(constant.configure_optimizers(), torch.optim.Optimizer)


def test_deep_supervision_counts_each_depth_half_of_the_one_before() -> None:
    module = build_module(Cell(0, "residual_unet", "dice_ce", "adam", 0), Training(width=0.1, encoder_weights="none"))
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (2, 3, 64, 64), generator=generator, dtype=torch.uint8)
    target = torch.randint(0, 4, (2, 64, 64), generator=generator)
    scores = module.train()(image).detach()
    assert scores.shape == (2, 3, 4, 64, 64)
    parts = [float(module.loss(scores[:, depth], target)) for depth in range(3)]
    loss = module.training_step({"image": image, "target": target}, 0).item()
    assert loss == pytest.approx((parts[0] + parts[1] / 2 + parts[2] / 4) / 1.75, rel=1e-5)
    assert module.eval()(image).shape == (2, 4, 64, 64)


def test_in_use_the_residual_network_gives_the_finest_scores_of_training() -> None:
    network = residual_unet(4, 0.1)
    image = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():  # instance norm has no running means: training and use differ in nothing else
        expected = network.train()(image)[:, 0]
        torch.testing.assert_close(network.eval()(image), expected)


def test_slices_with_scar_are_drawn_more_often() -> None:
    times = np.where(np.arange(40) < 10, 2.5, 1.0)
    schedule = make_schedule(40, Training(batch_size=4, max_epochs=300, validation_every=3000))
    drawn = [index for batch in IntervalSampler(times, 4, schedule, 0, 1) for index, _ in batch]
    counts = np.bincount(drawn, minlength=40)
    assert counts[:10].mean() / counts[10:].mean() == pytest.approx(2.5, rel=0.05)
    plain = [list(IntervalSampler(np.ones(40), 4, schedule, 0, 1)) for _ in range(2)]
    assert plain[0] == plain[1]
    epoch = [index for batch in plain[0][:10] for index, _ in batch]
    assert sorted(epoch) == list(range(40))


# -------------------------------------------------------------------------------------------------------- the settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"window": {"pixels": 96}}, "window and neighbours need finds: everything"),
        ({"finds": "everything", "guided": False}, "guided is of a network that finds the wall"),
        ({"finds": "everything", "window": {"pixels": 90}}, "give size, a multiple of 16"),
        ({"finds": "everything", "window": {"mm": 150}}, "give size, a multiple of 16"),
        ({"finds": "everything", "window": {"mm": 150, "pixels": 96}}, "in pixels or in mm, one of the two"),
        ({"symmetries": 2}, "Input should be 1, 4 or 8"),
        ({"cleaning": []}, "at least 1 item"),
    ],
)
def test_a_pipeline_that_makes_no_sense_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Pipeline.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pipelines": {"paper": {}}}, "no pipeline can be called paper"),
        ({"pipelines": {"cropped": {}}}, "no pipeline can be called cropped"),
        ({"pipelines": {"A b": {}}}, "String should match pattern"),
        ({"shipped": {"pipeline": "selected"}}, r"shipped\.pipeline selected must be among the pipelines"),
        ({"pipelines": {"one": {}}, "shipped": {"pipeline": "two"}}, r"must be among the pipelines \(one, selected\)"),
    ],
)
def test_pipelines_have_names_of_their_own(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Fit.model_validate(settings)


@pytest.mark.parametrize("name", [path.stem for path in Path("sweeps/pipelines").glob("*.yaml")])
def test_pipelines_that_are_shipped_with_the_program_can_be_sent_to_a_worker(name: str) -> None:
    """Workers read settings as JSON, and check them: a window of 112 pixels was none of their sizes."""
    config = load_sweep("phase3", 2, "phantom", "laptop", pipelines=name)
    for pipeline in config.fitting.pipelines.values():
        training = network_training(config, pipeline)
        assert Training.model_validate_json(training.model_dump_json()) == training
        assert pipeline.window is None or training.image_size == pipeline.window.rows
    odd = Pipeline(finds="everything").model_copy(update={"window": Window.model_construct(pixels=100, size=None)})
    with pytest.raises(ValidationError, match="multiple of 16"):
        network_training(config, odd)


def test_a_profile_may_say_how_long_pipelines_are_trained_at_most() -> None:
    """To try a file of pipelines with the profile `smoke` took ten trainings of 3000 steps."""
    config = load_sweep("phase3", 2, "phantom", "smoke", pipelines="heart")
    pipeline = config.fitting.pipelines["heart"]
    assert pipeline.training.max_steps == 3000
    assert network_training(config, pipeline).max_steps == config.fitting.pipeline_steps == 6
    assert network_training(config, Pipeline(training=TrainingChanges(max_steps=4))).max_steps == 4
    without = load_sweep("phase3", 2, "phantom", "smoke", ["fit.pipeline_steps=null"], pipelines="heart")
    assert network_training(without, pipeline).max_steps == 3000


def test_who_asks_for_the_best_asks_for_what_was_chosen() -> None:
    """Phase 4 with the file of pipelines and an option of what is shipped was refused: "selected" is not its name."""
    shipped = SimpleNamespace(shipped=Shipped(pipeline="heart"))
    fitted: Any = SimpleNamespace(choice=SimpleNamespace(selected="heart"), fit=shipped)
    assert TwoStage.ships(fitted, Shipped(pipeline="selected", stage2="predicted"))
    assert TwoStage.ships(fitted, Shipped(pipeline="heart"))
    assert not TwoStage.ships(fitted, Shipped(stage2="predicted"))


def test_a_choice_among_other_pipelines_is_no_choice(tmp_path: Path) -> None:
    """Phase 4 with pipelines=cascade, after phase 3 with it and then with heart alone, ended in a KeyError."""
    worth = PipelineChoice(
        cleaning=Cleaning(), cleaning_by_fold=(Cleaning(),) * 2, value=0.6, low=0.5, high=0.7, difference=0.1,
        difference_low=0.0, difference_high=0.2, cases_needed=31, dice={"cavity": 0.8, "wall": 0.7, "scar": 0.3},
    )  # fmt: skip
    choice = ChoiceRecord(
        selected="heart", cases=9, value=0.6, low=0.5, high=0.7, by_fold=("heart", "heart"),
        pipelines={"paper": worth, "heart": worth},
    )  # fmt: skip
    path = tmp_path / "choice.json"
    composed: Any = SimpleNamespace(unfinished=list, files=SimpleNamespace(choice=path))
    heart = Pipeline(finds="everything")
    assert read_choice(composed, {"heart": heart}) is None  # nothing was chosen yet
    path.write_text(choice.model_dump_json())
    assert read_choice(composed, {"heart": heart}) == choice  # an earlier version did not say what it was
    assert read_choice(composed, {"heart": heart, "cascade": Pipeline(finds="wall_then_scar")}) is None
    told = worth.model_copy(update={"composition": composition_digest(heart)})
    path.write_text(choice.model_copy(update={"pipelines": {"paper": worth, "heart": told}}).model_dump_json())
    assert read_choice(composed, {"heart": heart}) is not None
    cleanings = (Cleaning(), Cleaning(largest_heart=True))
    changes: list[dict[str, Any]] = [{"symmetries": 8}, {"seeds": 2}, {"loss": "dice"}, {"cleaning": cleanings}]
    for change in changes:
        assert read_choice(composed, {"heart": heart.model_copy(update=change)}) is None


CHANGED: dict[str, dict[str, Any]] = {
    "loss": {"loss": "focal"},
    "optimizer": {"optimizer": "sgdm"},
    "size": {"window": Window(pixels=96, size=192)},
    "views": {"symmetries": 8},
}


@pytest.mark.parametrize("change", ["nothing", *CHANGED, "cleaning"])
def test_an_evaluation_of_another_pipeline_of_the_same_name_is_not_shown_again(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phase 4 showed numbers of before as those of a pipeline whose loss, window or cleaning was another by then."""
    monkeypatch.setattr("lge_sweep.pipeline.evaluate.two_stage_variants", lambda _: {})
    before, shipped = Pipeline(finds="everything", window=Window(pixels=96)), Shipped(pipeline="heart")
    after = before.model_copy(update=CHANGED.get(change, {}))
    cleaning = Cleaning(least_scar_share=0.05 if change == "cleaning" else 0)
    record = EvaluationRecord(
        subset="test", summaries={}, scores={}, failed={}, meanings={"heart": describe_pipeline(before)},
        fits="phase3-x", shipped=shipped, test_access="", brief="",
        compositions={"heart": composition_digest(before, Cleaning())},
    )  # fmt: skip
    now: Any = SimpleNamespace(
        fit=Fit(pipelines={"heart": after}, shipped=shipped), failed={},
        compositions={"heart": composition_digest(after, cleaning)},
    )  # fmt: skip
    assert is_of(record, now) == (change == "nothing")
    of_before = record.model_copy(update={"compositions": {}})  # as an earlier version wrote it: words must do
    assert is_of(of_before, now) == (change != "views")


def test_what_was_fitted_before_there_were_cascades_is_found_again() -> None:
    """The names of its cells, as version b2aa011 made them."""
    heart = load_sweep("phase3", 2, "phantom", "laptop", pipelines="heart").fitting.pipelines["heart"]
    assert cell_name("heart", heart, 0, 0) == "heart-a5c178-fold1-seed0"
    assert cell_name("paper", Pipeline(), 4, 1) == "paper-44136f-fold5-seed1"


def test_a_network_is_trained_anew_only_where_it_would_be_another() -> None:
    plain = Pipeline(finds="everything")
    name = cell_name("one", plain, 0, 0)
    same = plain.model_copy(update={"seeds": 3, "symmetries": 8, "cleaning": (Cleaning(largest_heart=True),)})
    assert cell_name("one", same, 0, 0) == name
    others = [plain.model_copy(update={key: value}) for key, value in (("neighbours", True), ("loss", "dice"))]
    names = [name, *(cell_name("one", other, 0, 0) for other in others), cell_name("one", plain, 1, 0)]
    assert len({*names, cell_name("one", plain, 0, 1)}) == 5
    decides = set(Pipeline.model_fields) - {"seeds", "symmetries", "cleaning"}
    values = {
        "model": "segnet", "loss": "focal", "optimizer": "sgdm", "finds": "wall", "guided": False,
        "window": Window(pixels=96), "neighbours": True, "training": TrainingChanges(max_steps=3),
        "scar_training": TrainingChanges(max_steps=3),
    }  # fmt: skip
    assert values.keys() == decides
    assert name not in {cell_name("one", plain.model_copy(update={key: values[key]}), 0, 0) for key in decides}


def test_the_slices_of_a_case_are_an_exam_and_keep_their_places() -> None:
    manifest = pd.DataFrame(
        {
            "slice": list("pqrstu"), "case": ["a", "a", "other", "b", "b", "b"], "slot": [0, 3, 0, 1, 2, 5],
            "height": [9, 9, 7, 8, 8, 8], "width": [9, 9, 7, 6, 6, 6],
            "spacing_row_mm": [1.5, 1.5, 1, np.nan, np.nan, np.nan],
            "spacing_column_mm": [1.0, 1.0, 1, 2.0, 2.0, 2.0], "spacing_slice_mm": 10.0,
        }
    )  # fmt: skip
    rows = [0, 1, 3, 4, 5]
    exams = group_exams(manifest, rows)
    assert [exam.case for exam in exams] == ["a", "b"]
    assert [exam.rows for exam in exams] == [(0, 1), (3, 4, 5)]
    assert [exam.places for exam in exams] == [(0, 1), (2, 3, 4)]
    assert [exam.slices for exam in exams] == [("p", "q"), ("s", "t", "u")]
    assert [exam.grid.slots for exam in exams] == [(0, 3), (1, 2, 5)]
    assert [exam.size for exam in exams] == [(9, 9), (8, 6)]
    assert [exam.pixel_mm for exam in exams] == [(1.5, 1.0), None]
    assert exams[0].grid.voxel_ml == pytest.approx(0.015)
    assert not exams[1].grid.is_known
    own = [np.full(manifest.loc[row, ["height", "width"]].astype(int), row) for row in rows]
    assert exams[1].stack(own)[:, 0, 0].tolist() == [3, 4, 5]
