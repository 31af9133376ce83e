"""Wall, then scar inside the wall: two networks as one, in training, out of fold, averaged, written and read back."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from lge_sweep.config import Cell, load_sweep
from lge_sweep.config.data import Intensity
from lge_sweep.config.pipelines import Cleaning, Pipeline, TrainingChanges, Window
from lge_sweep.config.schema import Fit, Training
from lge_sweep.config.segmenter import Composed, Frame, SegmenterSettings
from lge_sweep.data import NEIGHBOURS, REPEATED, load_arrays
from lge_sweep.data.module import SliceDataset
from lge_sweep.errors import ConfigError, ModelError
from lge_sweep.labels import WALL, Label
from lge_sweep.models import Segmenter, build_module
from lge_sweep.pipeline.compose import describe_pipeline, plan_pipelines
from lge_sweep.pipeline.parts import cell_name, member_names, parts_of
from lge_sweep.segmenter.cascade import Cascade, wall_then_scar
from lge_sweep.segmenter.folder import find_loader, load_folder
from lge_sweep.segmenter.heart import HeartSegmenter
from lge_sweep.segmenter.runtime import torch_network
from lge_sweep.segmenter.save import write_segmenter
from lge_sweep.segmenter.views import Ensemble
from lge_sweep.study import Plan, prepare_data

S = 64
FRAME = Frame(size=S, intensity=Intensity(clip_percentiles=(0, 100)))
CASCADE = Pipeline(finds="wall_then_scar", window=Window(pixels=64), neighbours=True)
Array = NDArray[Any]


def random_network(classes: int, seed: int) -> Any:
    """Random probabilities that follow from the inputs, pixel by pixel, and from all three channels."""
    weights = np.random.default_rng(seed).normal(size=(classes, 3)) / 40

    def run(inputs: Array) -> NDArray[np.float32]:
        assert inputs.dtype == np.uint8
        scores = np.einsum("kc,bcyx->bkyx", weights, inputs.astype(np.float64) - 100)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
        return found

    return run


def slices(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 12, 12)).astype(np.uint8)


def decided(pixel: Array) -> int:
    """The class of a pixel, from its four probabilities: written anew."""
    background, cavity, myocardium, scar = (float(value) for value in pixel)
    if myocardium + scar > max(background, cavity):
        return 3 if scar > myocardium else 2
    return 0 if background >= cavity else 1


def by_hand(heart: Any, scar: Any, inputs: Array) -> tuple[Array, Array]:
    """What a cascade gives, pixel by pixel: probabilities in double precision, and the wall of its first network."""
    first = heart(inputs).astype(np.float64)
    wall = np.zeros((len(inputs), *inputs.shape[2:]), dtype=bool)
    shown = np.zeros_like(inputs)
    for b, y, x in np.ndindex(wall.shape):
        grey = inputs[b, 1, y, x]
        wall[b, y, x] = decided(first[b, :, y, x]) in (2, 3)
        shown[b, :, y, x] = (0, 255, grey) if wall[b, y, x] else (grey, 0, grey)
    second = scar(shown).astype(np.float64)
    for b, y, x in zip(*np.nonzero(wall), strict=True):
        _, myocardium, scarred = second[b, :, y, x]
        whole = first[b, 2, y, x] + first[b, 3, y, x]
        first[b, 2:, y, x] = whole * np.array([myocardium, scarred]) / (myocardium + scarred)
    return first, wall


# ------------------------------------------------------------------------------------------------------ two as one


def test_the_wall_is_decided_on_before_its_scar() -> None:
    shares = np.random.default_rng(1).dirichlet(np.ones(4), (2, 9, 9)).astype(np.float32)
    probabilities = np.moveaxis(shares, -1, 1)
    expected = np.array([[[decided(pixel) for pixel in row] for row in one] for one in shares])
    assert set(expected.ravel()) == {0, 1, 2, 3}
    assert (expected != probabilities.argmax(axis=1)).any()  # it is another question
    np.testing.assert_array_equal(wall_then_scar(probabilities), expected)
    np.testing.assert_array_equal(wall_then_scar(probabilities[0]), expected[0])
    assert wall_then_scar(np.array([0.4, 0.0, 0.3, 0.3], dtype=np.float32)[:, None, None]).item() == Label.MYOCARDIUM


def test_two_networks_are_one_as_by_hand() -> None:
    heart, scar, inputs = random_network(4, 4), random_network(3, 11), slices(3)
    expected, wall = by_hand(heart, scar, inputs)
    before = heart(inputs).argmax(axis=1)
    found = Cascade(heart, scar)(inputs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    labels = wall_then_scar(found)
    assert {0, 1, 2, 3} == set(labels.ravel().tolist())
    assert (labels != before).any()  # the second network has a say
    np.testing.assert_array_equal(np.isin(labels, WALL), wall)  # and none but in the wall
    assert not (labels == Label.SCAR)[~wall].any()


def test_where_the_second_network_finds_neither_nothing_is_divided_by_nothing() -> None:
    def background(inputs: Array) -> NDArray[np.float32]:
        found = np.zeros((len(inputs), 3, *inputs.shape[2:]), dtype=np.float32)
        found[:, 0] = 1
        return found

    found = Cascade(random_network(4, 4), background)(slices(2))
    assert np.isfinite(found).all()
    assert not (wall_then_scar(found) == Label.SCAR).any()


def test_the_second_network_sees_the_slice_itself_and_no_neighbour() -> None:
    seen: list[Array] = []

    def scar(inputs: Array) -> Any:
        seen.append(inputs)
        return random_network(3, 11)(inputs)

    heart, inputs = random_network(4, 4), slices(2)
    Cascade(heart, scar)(inputs)
    (shown,) = seen
    wall = shown[:, 1] == 255
    assert 0 < wall.mean() < 1
    np.testing.assert_array_equal(shown[:, 2], inputs[:, 1])
    np.testing.assert_array_equal(shown[:, 0], np.where(wall, 0, inputs[:, 1]))


@pytest.mark.parametrize("symmetries", [1, 4, 8])
def test_cascades_are_averaged_whole_and_a_member_is_one_in_one_view(symmetries: int) -> None:
    inputs, pairs = slices(2), [(random_network(4, k), random_network(3, (0, 11, 23, 26)[k])) for k in range(4)]
    cascades = [Cascade(*pair) for pair in pairs]
    ensemble = Ensemble(((cascades[0], cascades[1]), (cascades[2], cascades[3])), symmetries)
    seen = ensemble.see(inputs, decide=wall_then_scar)
    every = []
    for pair in pairs:
        for view in range(symmetries):
            turned = inputs[:, :, :, ::-1] if view >= 4 else inputs
            found, _ = by_hand(*pair, np.ascontiguousarray(np.rot90(turned, view % 4, (2, 3))))
            back = np.rot90(found, -(view % 4), (2, 3))
            every.append(back[:, :, :, ::-1] if view >= 4 else back)
    np.testing.assert_allclose(seen.mean, np.mean(every, axis=0), atol=1e-5)
    assert seen.members.shape == (4 * symmetries, 2, 12, 12)
    for member, found in zip(seen.members, every, strict=True):
        expected = [[[decided(found[b, :, y, x]) for x in range(12)] for y in range(12)] for b in range(2)]
        np.testing.assert_array_equal(member, expected)


@pytest.mark.parametrize("classes", [4, 2])
def test_a_second_network_of_other_classes_is_refused(classes: int) -> None:
    with pytest.raises(ModelError, match=r"stage 2's network must give probabilities .*= \(1, 3, 12, 12\)"):
        Cascade(random_network(4, 4), random_network(classes, 3))(slices(1))


# ------------------------------------------------------------------------------------------------------ of an exam


def reads_cavity(inputs: Array) -> NDArray[np.float32]:
    cavity = (inputs[:, 1] > 60) & (inputs[:, 1] < 140)
    return np.stack([~cavity, cavity], axis=1).astype(np.float32)


@pytest.mark.parametrize("window", [Window(pixels=64), Window(mm=90, size=64), None])
def test_nothing_outside_the_wall_of_an_exam_is_scar(window: Window | None) -> None:
    """At the exam's own size, too, where probabilities were resized."""
    pixels = np.random.default_rng(4).integers(0, 256, (3, 96, 80)).astype(float)
    heart, second = random_network(4, 4), random_network(3, 11)

    def only_wall(inputs: Array) -> Any:
        found = heart(inputs)
        found[:, 2] += found[:, 3]
        found[:, 3] = 0
        return found

    def whole(network: Any) -> Array:
        segmenter = HeartSegmenter(reads_cavity, network, FRAME, window, decide=wall_then_scar)
        segmented = segmenter.segment(pixels, (1.5, 1.25))
        assert segmented.found is not None
        np.testing.assert_array_equal(segmented.found.members[0], segmented.found.labels_seen)
        return segmented.labels

    labels, walls = whole(Cascade(heart, second)), whole(only_wall)
    assert 100 < (labels == Label.SCAR).sum() < np.isin(labels, WALL).sum()
    np.testing.assert_array_equal(np.where(labels == Label.SCAR, Label.MYOCARDIUM, labels), walls)


# ------------------------------------------------------------------------------------------------------ the settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"finds": "wall_then_scar", "guided": False}, "guided is of a network that finds the wall"),
        ({"finds": "everything", "scar_training": {"max_steps": 9}}, "needs finds: wall_then_scar, .* got everything"),
        ({"scar_training": {"max_steps": 9}}, "scar_training needs finds: wall_then_scar, .* got wall"),
        ({"neighbours": True}, "window and neighbours need finds: everything or wall_then_scar, got wall"),
        ({"finds": "scar"}, "Input should be 'wall', 'everything' or 'wall_then_scar'"),
    ],
)
def test_a_cascade_that_makes_no_sense_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Pipeline.model_validate(settings)


def test_a_cascade_is_described_in_words() -> None:
    pipeline = Pipeline(
        finds="wall_then_scar",
        window=Window(pixels=80),
        training=TrainingChanges(max_steps=3000),
        scar_training=TrainingChanges(max_steps=700, keep="last"),
        symmetries=8,
    )
    assert describe_pipeline(pipeline) == (
        "finds cavity and wall, then scar in that wall, a square of 80 pixels around the heart, max steps 3000, "
        "for scar max steps 700, for scar keep last, mean of 8 views"
    )


def test_the_first_network_is_that_of_the_pipeline_that_finds_everything() -> None:
    heart = CASCADE.model_copy(update={"finds": "everything", "seeds": 2, "symmetries": 8})
    both = {"heart": heart, "cascade": CASCADE}
    assert member_names(both, "heart", 1, 0) == (cell_name("heart", heart, 1, 0),)  # as it was called before
    first, second = member_names(both, "cascade", 1, 0)
    assert first == cell_name("heart", heart, 1, 0)
    assert second.startswith("cascade-scar-")
    assert second.endswith("-fold2-seed0")
    assert member_names({"cascade": CASCADE, "heart": heart}, "cascade", 1, 0) == (first, second)
    own, same = member_names({"cascade": CASCADE}, "cascade", 1, 0)
    assert (own, same) == (first.replace("heart", "cascade"), second)
    other = CASCADE.model_copy(update={"scar_training": TrainingChanges(max_steps=7)})
    names = {name: member_names({"a": CASCADE, "b": other}, name, 0, 0) for name in "ab"}
    assert names["a"][0] == names["b"][0]  # two cascades share it, too
    assert len({*names["a"], *names["b"]}) == 3
    wider = {"heart": heart.model_copy(update={"neighbours": False}), "cascade": CASCADE}
    assert member_names(wider, "cascade", 1, 0)[0].startswith("cascade-")  # that network would be another


def test_the_cascade_that_is_shipped_shares_its_networks_with_heart() -> None:
    """YAML of settings has no aliases: `heart` stands in both files, and an edit of one alone would train all anew."""
    cascade, heart = (
        dict(load_sweep("phase3", 2, "phantom", "laptop", pipelines=name).fitting.pipelines)
        for name in ("cascade", "heart")
    )
    assert cascade["heart"] == heart["heart"]
    for fold in range(5):
        assert member_names(cascade, "cascade", fold, 1)[0] == member_names(heart, "heart", fold, 1)[0]


def test_a_network_for_scar_is_trained_anew_only_where_it_would_be_another() -> None:
    def scar(changes: dict[str, Any]) -> str:
        return member_names({"one": CASCADE.model_copy(update=changes)}, "one", 0, 0)[1]

    for same in ({"seeds": 3}, {"symmetries": 8}, {"cleaning": (Cleaning(largest_heart=True),)}, {"neighbours": False}):
        assert scar(same) == scar({})
    steps = TrainingChanges(max_steps=7)
    others: list[dict[str, Any]] = [
        {"model": "segnet"},
        {"window": None},
        {"training": steps},
        {"scar_training": TrainingChanges(ema=0.9)},
    ]
    assert len({scar({}), *map(scar, others)}) == 5
    assert scar({"training": steps}) == scar({"scar_training": steps})  # the same network, said otherwise
    both = CASCADE.model_copy(update={"training": TrainingChanges(max_steps=9, ema=0.5), "scar_training": steps})
    first, second = parts_of(both)
    assert (first.training.max_steps, second.training.max_steps, second.training.ema) == (9, 7, 0.5)


# ------------------------------------------------------------------------------------------------------ the training


class Planned(NamedTuple):
    """A plan on the phantom of which nothing is trained."""

    plan: Plan
    pipelines: dict[str, Pipeline]
    guidance: Array
    data: Any


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    runs = tmp_path_factory.mktemp("planned") / "runs"
    file = runs.parent / "mine.yaml"
    file.write_text(
        "folds: 3\npipelines:\n"
        "  heart: {finds: everything, window: {pixels: 80}, neighbours: true, seeds: 2}\n"
        "  cascade: {finds: wall_then_scar, window: {pixels: 80}, neighbours: true, scar_training: {keep: last}}\n"
        "  slices: {finds: wall_then_scar}\n"
    )
    config = load_sweep("phase3", 2, "phantom", "smoke", pipelines=str(file))
    data = prepare_data(config, None, runs)
    guidance = load_arrays(data.arrays).refined
    champions: Any = {1: SimpleNamespace(digest="x"), 2: SimpleNamespace(cell=Cell(2, "unet", "dice", "adam", 0))}
    plan = plan_pipelines(config, data, runs, champions, guidance)
    assert plan is not None
    return Planned(plan, dict(config.fitting.pipelines), guidance, data)


def test_neither_network_of_a_fold_sees_its_cases(planned: Planned) -> None:
    plan = planned.plan
    cases, used = plan.manifest["case"].to_numpy(), sorted(plan.rows("train") + plan.rows("val"))
    measured: dict[str, list[int]] = {}
    for cell in plan.cells:
        rows = plan.inputs_of(cell).rows
        own = set(cases[list(rows["out_of_fold"])])
        assert own
        assert not own & set(cases[list(rows["train"])])
        stops = plan.inputs_of(cell).training.keep == "best"
        assert bool(own & set(cases[list(rows["val"])])) is not stops  # what stops by no loss needs no cases for it
        assert not set(cases[list(rows["val"])]) & set(cases[list(rows["train"])])
        measured.setdefault(cell.name.split("-fold")[0], []).extend(rows["out_of_fold"])
    assert len(measured) == 5  # paper, heart, that of cascade for scar, both of slices
    assert all(sorted(set(rows)) == used for rows in measured.values())


def test_networks_that_pipelines_share_are_trained_once(planned: Planned) -> None:
    names = [cell.name for cell in planned.plan.cells]
    assert len(set(names)) == len(names) == 3 * (1 + 2 + 1 + 2)
    for fold in range(3):
        heart, cascade = (member_names(planned.pipelines, name, fold, 0) for name in ("heart", "cascade"))
        assert heart == cascade[:1]
        assert {*heart, *cascade} <= set(names)


def test_the_network_for_scar_is_trained_on_the_true_wall_of_what_the_first_one_sees(planned: Planned) -> None:
    plan, by_name = planned.plan, {cell.name: cell for cell in planned.plan.cells}
    for name, pipeline in planned.pipelines.items():
        if pipeline.finds != "wall_then_scar":
            continue
        first, second = (by_name[own] for own in member_names(planned.pipelines, name, 0, 0))
        seen, shown = plan.inputs_of(first), plan.inputs_of(second)
        whole, walls = load_arrays(seen.arrays), load_arrays(shown.arrays)
        assert (first.stage, second.stage) == (0, 2)
        assert (seen.offsets, shown.offsets) == (NEIGHBOURS if pipeline.neighbours else REPEATED, REPEATED)
        np.testing.assert_array_equal(whole.images, walls.images)
        np.testing.assert_array_equal(whole.labels, walls.labels)
        np.testing.assert_array_equal(walls.refined, (whole.labels == 2) | (whole.labels == 3))
        assert seen.training.image_size == shown.training.image_size == walls.images.shape[1]
        assert seen.shares == shown.shares
        rows = list(shown.rows["train"])
        batch = SliceDataset(shown.arrays, rows, 2, "rich")[3, 8]
        wall = batch["image"][1].numpy() == 255  # guidance and truth are turned and scaled together
        np.testing.assert_array_equal(wall, batch["target"].numpy() > 0)
        assert wall.any()


def test_the_plan_says_on_what_the_networks_for_scar_are_measured(planned: Planned) -> None:
    (note,) = [note for note in planned.plan.notes if "for scar alone" in note]
    assert "of cascade, slices: by itself measured in the true wall" in note


def test_a_network_for_scar_that_stops_early_needs_a_third_fold(planned: Planned) -> None:
    last = TrainingChanges(keep="last")
    stops = Pipeline(finds="wall_then_scar", training=last, scar_training=TrainingChanges(keep="best"))
    config = planned.plan.config
    fit = Fit(folds=2, pipelines={"mine": stops})
    training = config.training.model_copy(update={"keep": "last"})
    champions: Any = {1: SimpleNamespace(digest="x"), 2: SimpleNamespace(cell=Cell(2, "unet", "dice", "adam", 0))}
    runs = planned.plan.folder.parent
    two = config.model_copy(update={"fit": fit, "training": training})
    with pytest.raises(
        ConfigError, match="at least 3 where networks of pipelines stop early, as those of mine do; got 2"
    ):
        plan_pipelines(two, planned.data, runs, champions, planned.guidance)


# ------------------------------------------------------------------------------------------------------ what is shipped


def tiny(stage: int, seed: int) -> Segmenter:
    """A network of one layer, whose answers differ from pixel to pixel."""
    network = Segmenter(
        build_module(Cell(stage, "unet", "dice", "adam", 0), Training(width=0.1, encoder_weights="none"))
    )
    torch.manual_seed(seed)
    layer = torch.nn.Conv2d(3, {0: 4, 1: 2, 2: 3}[stage], 3, padding=1)
    layer.weight.data.mul_(4)
    network.network = layer
    return network.eval()


class Shipped(NamedTuple):
    """A segmenter's folder, and the segmenter that was never written."""

    folder: Path
    segmenter: HeartSegmenter


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    stage1, hearts, scars = tiny(1, 0), [tiny(0, 1), tiny(0, 2)], [tiny(2, 11), tiny(2, 12)]
    composed = Composed(
        networks=2, seeds=2, finds="wall_then_scar", window=Window(pixels=64), neighbours=True, symmetries=4,
        cleaning=Cleaning(least_scar_pixels=2),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("shipped") / "made"
    networks = [stage1, hearts[0], scars[0], hearts[1], scars[1]]
    write_segmenter(folder, networks, SegmenterSettings(**dict(FRAME), composed=composed))
    cascades = tuple(Cascade(torch_network(one), torch_network(two)) for one, two in zip(hearts, scars, strict=True))
    segmenter = HeartSegmenter(
        torch_network(stage1), Ensemble((cascades,), 4), FRAME, Window(pixels=64), neighbours=True,
        cleaning=composed.cleaning, decide=wall_then_scar,
    )  # fmt: skip
    return Shipped(folder, segmenter)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_folder_of_a_cascade_gives_what_its_networks_give(runtime: str, shipped: Shipped) -> None:
    loaded = load_folder(shipped.folder, find_loader(runtime))
    assert isinstance(loaded, HeartSegmenter)
    pixels = np.random.default_rng(6).normal(size=(5, 90, 100)) * 300
    first, second = loaded.segment(pixels), shipped.segmenter.segment(pixels)
    assert set(np.unique(second.labels)) == {0, 1, 2, 3}
    assert first.found is not None
    assert second.found is not None
    np.testing.assert_allclose(first.found.probabilities, second.found.probabilities, atol=1e-4)
    assert (first.labels == second.labels).mean() > 0.999
    assert first.found.members.shape == (8, 5, 64, 64)
    assert (first.found.members == second.found.members).mean() > 0.999


def test_a_folder_that_lacks_a_network_for_scar_is_refused(shipped: Shipped, tmp_path: Path) -> None:
    shutil.copytree(shipped.folder, tmp_path / "copy")
    names = {path.name for path in shipped.folder.glob("*.onnx")}
    assert names == {"stage1.onnx", "stage2-1.onnx", "scar-1.onnx", "stage2-2.onnx", "scar-2.onnx"}
    (tmp_path / "copy" / "scar-2.onnx").unlink()
    with pytest.raises(ModelError, match=r"scar-2\.onnx: missing or not as it was written"):
        load_folder(tmp_path / "copy", find_loader("onnx"))
