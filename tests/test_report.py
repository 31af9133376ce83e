"""Figures: what they show is what the tables say, on hard tables too; and the files are whole."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase, RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.transforms import Bbox

from lge_sweep.labels import class_names
from lge_sweep.metrics import METRICS
from lge_sweep.report import CellImages, CellTables, SweepTables, write_cell_figures, write_sweep_figures
from lge_sweep.report.bars import figure_class_bars
from lge_sweep.report.curves import figure_loss_curve, figure_training_curves, loss_limits
from lge_sweep.report.distribution import figure_dice_boxplot, figure_dice_heatmap, heat_rows
from lge_sweep.report.files import save_png
from lge_sweep.report.outlines import zoom_box
from lge_sweep.report.overlays import figure_overlays
from lge_sweep.report.style import drawable
from lge_sweep.report.tables import best_validation, by_class, image_means, moving_mean, pick_slices

pytestmark = pytest.mark.filterwarnings("error")
STAGE2 = class_names(2)
NAN = float("nan")


def make_history(steps: int = 120, every: int = 20, seed: int = 0) -> pd.DataFrame:
    """A falling noisy loss; `every` 0 means never validated."""
    rng = np.random.default_rng(seed)
    step = np.arange(1, steps + 1)
    train = (np.exp(-step / 40) + 0.1) * rng.lognormal(0, 0.2, steps)
    validation = np.full(steps, NAN)
    if every:
        validation[every - 1 :: every] = (np.exp(-step / 40) + 0.15)[every - 1 :: every]
    return pd.DataFrame({"step": step, "epoch": (step - 1) // 10, "train_loss": train, "val_loss": validation})


def make_table(dice: Sequence[Sequence[float]], classes: Sequence[str] = STAGE2, per_case: int = 2) -> pd.DataFrame:
    """A per-image table from Dice values [images][classes]; all other metrics equal Dice."""
    rows = [
        {"image": f"secret{number}", "case": f"C{number // per_case}", "class": name}
        | dict.fromkeys(("tp", "fp", "fn", "tn"), 1)
        | dict.fromkeys(METRICS, value)
        for number, values in enumerate(dice)
        for name, value in zip(classes, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["image", "case", "class", "tp", "fp", "fn", "tn", *METRICS])


def cell_tables(
    name: str,
    title: str,
    history: pd.DataFrame,
    per_image: pd.DataFrame,
    collapsed: tuple[str, ...] = (),
    loss: str = "cross_entropy",
) -> CellTables:
    """A cell's tables; model, optimizer and seed are those of all."""
    return CellTables(name, title, history, per_image, collapsed, loss, model="unet", optimizer="adam", seed=0)


def make_cell(
    name: str, images: int = 6, classes: Sequence[str] = STAGE2, collapsed: tuple[str, ...] = ()
) -> CellTables:
    """A cell with random results."""
    rng = np.random.default_rng(len(name))
    return cell_tables(
        name=f"{name}-cross_entropy-adam",
        title=name,
        history=make_history(),
        per_image=make_table(rng.uniform(0.3, 0.95, (images, len(classes))).tolist(), classes),
        collapsed=collapsed,
    )


def make_images(count: int, side: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey images, truth and prediction: rings with a scar."""
    y, x = np.mgrid[:side, :side] - side // 2
    radius = np.hypot(y, x)
    truth = ((radius > 6) & (radius < 10)).astype(np.uint8)
    truth[(truth == 1) & (x > 5)] = 2
    truths = np.repeat(truth[None], count, axis=0)
    return (truths * 80).astype(np.uint8), truths, np.roll(truths, 1, axis=2)


def words(figure: Figure) -> str:
    """All text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def draw_all(canvas: FigureCanvasBase) -> None:
    """Draw a figure on its canvas; of the kinds of canvas, only the base is typed."""
    canvas.draw()


def drawn_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Bbox]]:
    """Draw a figure; return each text that was really drawn, and where."""
    drawn: list[tuple[str, Bbox]] = []
    draw = matplotlib.text.Text.draw

    def record(self: matplotlib.text.Text, renderer: RendererBase, *args: object, **settings: object) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn.append((self.get_text(), self.get_window_extent(renderer)))
        draw(self, renderer, *args, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(matplotlib.text.Text, "draw", record)
        draw_all(FigureCanvasAgg(figure))
    return drawn


def assert_legible(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text over another, none over the figure's edge."""
    texts = drawn_texts(figure, monkeypatch)
    assert texts
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in texts:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y1 <= height + 1, text
    for (one, first), (other, second) in itertools.combinations(texts, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), f"{one!r} over {other!r}"


def png_size(path: Path) -> tuple[int, int]:
    """Width and height from a PNG's header."""
    start = path.read_bytes()[:24]
    assert start[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")


def assert_tidy(folder: Path, written: Sequence[Path]) -> None:
    """Exactly these files are there, each a PNG of a sensible size."""
    assert sorted(folder.iterdir()) == sorted(written)
    for path in written:
        width, height = png_size(path)
        assert 500 <= width <= 1010, path
        assert 150 <= height <= 1500, path


# ---- the sums behind the figures


def test_best_validation_is_the_first_of_the_lowest() -> None:
    history = pd.DataFrame(
        {"step": [1, 2, 3, 4, 5], "epoch": [0, 0, 1, 1, 2], "train_loss": 1.0, "val_loss": [NAN, 0.5, 0.2, 0.2, 0.9]}
    )
    assert best_validation(history) == (3, 1, 0.2)
    assert best_validation(history.iloc[:1]) is None
    assert best_validation(pd.DataFrame()) is None


def test_smooth_is_the_centred_mean_of_what_there_is() -> None:
    np.testing.assert_allclose(moving_mean(np.array([0.0, 3.0, 6.0, 0.0]), 3), [1.5, 3.0, 3.0, 3.0])
    np.testing.assert_allclose(moving_mean(np.full(4, 2.0), 9), 2.0)
    assert len(moving_mean(np.empty(0), 3)) == 0


def test_smooth_keeps_a_single_value_and_window_one_changes_nothing() -> None:
    values = np.array([1.0, 5.0, 2.0])
    np.testing.assert_array_equal(moving_mean(values, 1), values)
    np.testing.assert_array_equal(moving_mean(values[:1], 5), values[:1])


def test_loss_limits_turn_logarithmic_only_for_wide_ranges() -> None:
    assert loss_limits([make_history()])[2] is False
    wide = make_history().assign(train_loss=np.geomspace(1, 1e-3, 120))
    assert loss_limits([wide])[2] is True
    assert loss_limits([pd.DataFrame()]) == (0.0, 1.0, False)


def test_slices_are_chosen_by_mean_dice_of_the_foreground() -> None:
    # mean over myocardium and scar, background (first) ignored: .5, .9, left out, .1, .4, .6
    dice = [[1, 0.4, 0.6], [0, 0.9, NAN], [1, NAN, NAN], [1, 0.2, 0.0], [1, 0.4, 0.4], [1, 0.7, 0.5]]
    picks = pick_slices(make_table(dice), STAGE2)
    assert [(pick.role, pick.image) for pick in picks] == [
        ("best", "secret1"), ("median", "secret0"), ("worst", "secret3"),
    ]  # fmt: skip
    assert [pick.score for pick in picks] == pytest.approx([0.9, 0.5, 0.1])


@pytest.mark.parametrize(
    ("dice", "roles"),
    [
        ([[1, NAN, NAN]], []),
        ([[1, 0.5, NAN]], [("only", "secret0")]),
        ([[1, 0.5, 0.5], [1, 0.6, 0.6]], [("best", "secret1"), ("worst", "secret0")]),
        ([[1, 0.5, 0.5]] * 3, [("best", "secret0"), ("median", "secret1"), ("worst", "secret2")]),
        ([[1, k / 10, k / 10] for k in range(4)], [("best", "secret3"), ("median", "secret1"), ("worst", "secret0")]),
    ],
)
def test_few_equal_or_evenly_many_slices(dice: list[list[float]], roles: list[tuple[str, str]]) -> None:
    assert [(pick.role, pick.image) for pick in pick_slices(make_table(dice), STAGE2)] == roles


def test_means_leave_missing_values_out_and_stay_missing() -> None:
    means = image_means(make_table([[1, 0.5, NAN], [1, NAN, NAN], [0.4, 0.7, NAN]]), STAGE2)
    assert list(means.index) == list(STAGE2)
    np.testing.assert_allclose(means["dice"], [0.8, 0.6, NAN])


def test_empty_tables_have_no_values() -> None:
    assert image_means(pd.DataFrame(), STAGE2).isna().all(axis=None)
    assert by_class(pd.DataFrame(), STAGE2).empty


def test_heat_rows_group_images_by_case() -> None:
    table = make_table([[1, 1, 1]] * 4)
    table["case"] = table["image"].map({"secret0": "B", "secret1": "A", "secret2": "B", "secret3": "A"})
    rows = heat_rows([cell_tables("x", "x", pd.DataFrame(), table)])
    assert list(rows.index) == ["secret0", "secret2", "secret1", "secret3"]


def test_zoom_holds_all_labels_and_stays_inside() -> None:
    mask = np.zeros((100, 80), dtype=np.uint8)
    assert zoom_box([mask, mask]) == (10, 0, 80)
    other = mask.copy()
    mask[90:100, 0:10] = 1
    other[60:65, 20] = 2
    top, left, side = zoom_box([mask, other])
    assert (left, top + side) == (0, 100)
    assert top <= 60
    assert side == 52


@pytest.mark.parametrize("text", ["a$b$", "$", "a\nb", "中文", "x" * 500, "100 % _{}^\\", "\x07", 7])
def test_any_text_can_be_drawn(text: object) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, drawable(text, 40))
    draw_all(FigureCanvasAgg(figure))
    assert len(drawable(text, 40)) <= 42


# ---- the figures


def test_loss_curve_marks_the_lowest_validation() -> None:
    cell = make_cell("unet")
    cell.history.loc[cell.history["step"] == 60, "val_loss"] = 0.01
    figure = figure_loss_curve(cell)
    (star,) = (line for line in figure.axes[0].lines if line.get_marker() == "*")
    assert (list(np.asarray(star.get_xdata())), list(np.asarray(star.get_ydata()))) == ([60], [0.01])
    assert "best validation loss 0.01 at iteration 60 (epoch 5); end: 120" in words(figure)
    marked = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert list(np.asarray(marked.get_xdata())) == [20, 40, 60, 80, 100, 120]


def test_loss_curve_says_what_is_missing() -> None:
    empty = cell_tables("a", "a", make_history(0), pd.DataFrame(), ("scar",))
    assert "no training history was recorded" in words(figure_loss_curve(empty))
    assert "collapsed: scar never predicted" in words(figure_loss_curve(empty))
    unvalidated = figure_loss_curve(cell_tables("a", "a", make_history(every=0), pd.DataFrame()))
    assert "no validation loss was recorded" in words(unvalidated)
    assert all(line.get_marker() != "*" for line in unvalidated.axes[0].lines)
    broken = make_history()
    broken.loc[100:, "train_loss"] = np.inf
    assert "20 iterations with a loss that is not a finite number" in words(
        figure_loss_curve(cell_tables("a", "a", broken, pd.DataFrame()))
    )
    first = make_history(1, 1).assign(step=0)
    assert "at iteration 0 (epoch 0)" in words(figure_loss_curve(cell_tables("a", "a", first, pd.DataFrame())))
    nothing = make_history().assign(train_loss=NAN, val_loss=NAN)
    assert "no finite loss" in words(figure_loss_curve(cell_tables("a", "a", nothing, pd.DataFrame())))


def test_training_curves_share_their_axes_and_flag_collapse() -> None:
    cells = [make_cell("unet"), make_cell("segnet", collapsed=("scar",)), make_cell("xception")]
    figure = figure_training_curves(SweepTables("p", cells, [cells[0].name], STAGE2, 2))
    panels = figure.axes
    assert len(panels) == 3
    assert len({panel.get_ylim() for panel in panels}) == len({panel.get_xlim() for panel in panels}) == 1
    assert [sum(line.get_marker() == "*" for line in panel.lines) for panel in panels] == [1, 1, 1]
    assert panels[1].get_title() == "segnet\ncollapsed: scar never predicted"
    assert [panel.title.get_fontweight() for panel in panels] == ["bold", "normal", "normal"]
    assert "different losses" not in words(figure)


def test_different_losses_do_not_share_the_loss_axis() -> None:
    high = make_history()
    high[["train_loss", "val_loss"]] *= 9
    cells = [
        cell_tables(f"m-{loss}-{number}", f"{loss} {number}", history, pd.DataFrame(), loss=loss)
        for loss, history in (("dice", make_history()), ("focal", high))
        for number in (1, 2)
    ]
    figure = figure_training_curves(SweepTables("p", cells, [], class_names(1), 1))
    tops = [panel.get_ylim()[1] for panel in figure.axes]
    assert tops[0] == tops[1]
    assert tops[2] == tops[3] == pytest.approx(9 * tops[0])
    assert "different losses: heights compare only" in words(figure)


def test_class_bars_say_na_and_draw_no_bar_for_missing_values() -> None:
    cell = cell_tables("a", "unet", make_history(), make_table([[1, 0.25, NAN], [1, 0.75, NAN]]))
    figure = figure_class_bars(SweepTables("p", [cell], ["a"], STAGE2, 2))
    (ax,) = figure.axes
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sorted(bar.get_height() for bar in bars) == [0.5] * 6 + [1.0] * 6
    labels = [text.get_text() for text in ax.texts]
    assert labels.count("n/a") == 6
    assert labels.count("0.50") == 6
    assert "0.00" not in labels
    heights = {text.get_text(): round(text.get_position()[1], 1) for text in ax.texts}
    assert heights == {"1.00": 1.0, "0.50": 0.5, "n/a": 0.0}


def test_class_bars_show_the_best_two_in_order() -> None:
    cells = [make_cell("unet"), make_cell("segnet"), make_cell("xception")]
    figure = figure_class_bars(SweepTables("p", cells, [cells[2].name, "failed", cells[0].name], STAGE2, 2))
    assert [panel.get_title() for panel in figure.axes] == ["xception", "unet"]
    assert "failed: among the best, but without results here" in words(figure)
    unnamed = figure_class_bars(SweepTables("p", cells, [], STAGE2, 2))
    assert [panel.get_title() for panel in unnamed.axes] == ["unet", "segnet"]
    assert "no best cell has results" in words(unnamed)


def test_boxplot_has_a_box_for_each_cell_and_class_with_values() -> None:
    gone = cell_tables("b", "segnet", make_history(), make_table([[1, 0.5, NAN], [1, 0.7, NAN]]), ("scar",))
    figure = figure_dice_boxplot(SweepTables("p", [make_cell("unet"), gone], ["b"], STAGE2, 2))
    boxes = [[patch for patch in ax.patches if isinstance(patch, PathPatch)] for ax in figure.axes]
    assert [len(panel) for panel in boxes] == [2, 2, 1]
    assert [len(np.asarray(points.get_offsets())) for points in figure.axes[1].collections] == [6, 2]
    assert [text.get_text() for text in figure.axes[2].texts] == ["n=6", "n/a (no image has it)"]
    weak, strong = (to_rgba(box.get_facecolor())[3] for box in boxes[1])
    assert weak < strong
    assert "segnet collapsed: scar never predicted" in words(figure)


def painted(ax: Axes) -> np.ndarray:
    """The values of a panel's picture, NaN where they are masked."""
    values = ax.images[0].get_array()
    assert values is not None
    return np.asarray(np.ma.filled(values, NAN))


def test_heatmap_shows_the_values_in_place_and_missing_ones_grey() -> None:
    one = cell_tables("a", "unet", make_history(), make_table([[1, 0.1, NAN], [1, 0.2, 0.9], [1, 0.3, 0.8]]))
    less = cell_tables("b", "segnet", make_history(), make_table([[1, 0.4, 0.7]]))
    figure = figure_dice_heatmap(SweepTables("p", [one, less], ["a"], STAGE2, 2))
    myocardium, scar = (painted(ax) for ax in figure.axes[:2])
    np.testing.assert_allclose(myocardium, [[0.1, 0.4], [0.2, NAN], [0.3, NAN]])
    np.testing.assert_allclose(scar, [[NAN, 0.7], [0.9, NAN], [0.8, NAN]])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["C0", "C1"]
    assert "class absent in truth and prediction" in words(figure)
    assert "no result" in words(figure)


def test_overlays_show_the_chosen_slices_without_image_names() -> None:
    table = make_table([[1, 0.4, 0.6], [1, 0.9, NAN], [1, NAN, NAN], [1, 0.2, 0.0]])
    images, truth, prediction = make_images(4)
    images += np.arange(4, dtype=np.uint8)[:, None, None]
    cell = cell_tables("unet", "unet", make_history(), table)
    figure = figure_overlays(CellImages(cell, images, truth, prediction, STAGE2))
    shown = [int(np.ma.asarray(ax.images[0].get_array())[0, 0]) for ax in figure.axes[::3]]
    assert shown == [1, 0, 3]
    text = words(figure)
    assert "best: case C0\nmean Dice 0.90" in text
    assert "Dice: myocardium 0.90, scar n/a" in text
    assert "Dice: myocardium 0.20, scar 0.00" in text
    assert "secret" not in text
    assert "secret" not in words(figure_dice_heatmap(SweepTables("p", [cell], [], STAGE2, 2)))


def test_overlays_without_prediction_or_value_say_so() -> None:
    images, truth, prediction = make_images(2)
    cell = cell_tables("a", "a", make_history(), make_table([[1, 0.0, 0.0]] * 2), ("myocardium", "scar"))
    figure = figure_overlays(CellImages(cell, images, truth, prediction * 0, STAGE2))
    outlines = [sum(isinstance(patch, PathPatch) for patch in ax.patches) for ax in figure.axes]
    assert outlines == [0, 2, 0] * 2
    assert "collapsed: myocardium, scar never predicted" in words(figure)
    none = cell_tables("a", "a", make_history(), make_table([[1, NAN, NAN]] * 2))
    assert "no slice has a value" in words(figure_overlays(CellImages(none, images, truth * 0, truth * 0, STAGE2)))
    short = cell_tables("a", "a", make_history(), make_table([[1, 1, 1]]))
    with pytest.raises(AssertionError, match="2 slices, but per_image has 1"):
        figure_overlays(CellImages(short, images, truth, truth, STAGE2))


# ---- the files


def test_cell_files(tmp_path: Path) -> None:
    cell = make_cell("unet")
    written = write_cell_figures(tmp_path / "new" / "folder", CellImages(cell, *make_images(6), STAGE2))
    assert [path.name for path in written] == ["loss_curve.png", "overlays.png"]
    assert_tidy(tmp_path / "new" / "folder", written)


def hard_sweeps() -> dict[str, list[CellTables]]:
    """Sweeps that have broken figures before they were drawn right."""
    missing = make_table([[1, 0.5, NAN]] * 3)
    return {
        "none": [],
        "one cell, one image": [make_cell("unet", 1)],
        "200 images": [make_cell("unet", 200), make_cell("segnet", 200)],
        "no value": [cell_tables("unet-cross_entropy-adam", "unet", make_history(), missing)],
        "nothing at all": [cell_tables("a", "a", pd.DataFrame(), pd.DataFrame(), ("scar",)), make_cell("unet")],
        "short histories": [
            cell_tables("a", "none", make_history(0), missing),
            cell_tables("b", "no validation", make_history(every=0), missing),
            cell_tables("c", "one step", make_history(1, 1), missing),
        ],
    }


@pytest.mark.parametrize("name", list(hard_sweeps()))
def test_sweep_files(name: str, tmp_path: Path) -> None:
    best = ["unet-cross_entropy-adam", "failed-cross_entropy-adam"]
    written = write_sweep_figures(tmp_path, SweepTables(f"phase 1: {name}", hard_sweeps()[name], best, STAGE2, 2))
    names = ["training_curves.png", "class_bars.png", "dice_boxplot.png", "dice_heatmap.png"]
    assert [path.name for path in written] == names
    assert_tidy(tmp_path, written)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_png(figure_loss_curve(make_cell("unet")), tmp_path / "a.png")
    before = path.read_bytes()

    def fail(self: FigureCanvasAgg, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(figure_loss_curve(make_cell("segnet")), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ---- legibility


LONG = "deeplabv3plus_mobilenetv2_with_a_very_long_name"
SWEEPS = {
    "phase 1": ["unet", "segnet", "deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50", "deeplabv3plus_xception"],
    "phase 2": [
        f"{loss} + {optimizer}"
        for loss in ("cross_entropy", "weighted_ce", "dice", "focal", "dice_ce", "dice_focal")
        for optimizer in ("adam", "sgdm")
    ],
    "phase1-stage2-emidec_public_2020-paper_profile_of_a_rather_long_name-ab12cd34 with $ and 中": [LONG, "unet"],
}


@pytest.mark.parametrize(
    ("title", "stage"), list(zip(SWEEPS, (1, 2, 2), strict=True)), ids=["phase1", "phase2", "long"]
)
def test_no_text_overlaps(title: str, stage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = class_names(stage)
    cells = [
        make_cell(name, 20, classes, classes[1:] if number == 1 else ()) for number, name in enumerate(SWEEPS[title])
    ]
    sweep = SweepTables(title, cells, [cells[0].name, cells[1].name], classes, stage)
    for figure in (
        figure_training_curves(sweep),
        figure_class_bars(sweep),
        figure_dice_boxplot(sweep),
        figure_dice_heatmap(sweep),
    ):
        assert_legible(figure, monkeypatch)


def test_no_text_overlaps_in_a_cells_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = make_cell(LONG, 5, collapsed=("myocardium", "scar"))
    cell.per_image["case"] = "a case identifier that is far too long for a figure " + cell.per_image["case"]
    assert_legible(figure_loss_curve(cell), monkeypatch)
    assert_legible(figure_overlays(CellImages(cell, *make_images(5), STAGE2)), monkeypatch)
    assert_legible(figure_dice_heatmap(SweepTables("t", [cell], [], STAGE2, 2)), monkeypatch)
