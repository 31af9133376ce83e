"""Phase 2's figures: grids of losses, optimizers, models and seeds, and the ranking with its doubt."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from test_report import STAGE2, assert_legible, assert_tidy, cell_tables, make_history, make_table, words

from lge_sweep.labels import SCORED, class_names
from lge_sweep.metrics.summary import aggregate
from lge_sweep.report import CellTables, RankLine, SweepTables, write_sweep_figures
from lge_sweep.report.distribution import figure_dice_heatmap
from lge_sweep.report.grid_curves import figure_grid_curves, loss_units, mean_curve, missing_notes, relative_curve
from lge_sweep.report.ranks import figure_rank_probability, is_best, rank_order, rank_values
from lge_sweep.report.spread import MEAN, figure_metric_spread, spread_table
from lge_sweep.report.style import VERMILLION
from lge_sweep.report.tables import Curve, metric_spread, short_models, shorten_title
from lge_sweep.report.violins import figure_dice_violin
from lge_sweep.scoring import Standing

pytestmark = pytest.mark.filterwarnings("error")
NAN = float("nan")
MODELS = ("deeplabv3plus_xception", "deeplabv3plus_resnet50")
LOSSES = ("weighted_ce", "dice", "focal", "dice_ce", "dice_focal")
TITLE = "phase 2, emidec, laptop, val subset"


def scaled(factor: float, **settings: int) -> pd.DataFrame:
    """A history with all losses times a factor."""
    history = make_history(**settings)
    return history.assign(train_loss=history["train_loss"] * factor, val_loss=history["val_loss"] * factor)


def make_grid(
    models: Sequence[str] = MODELS, seeds: int = 1, images: int = 8, classes: Sequence[str] = STAGE2
) -> list[CellTables]:
    """All losses and optimizers for each model and seed; focal + sgdm collapsed."""
    cells = []
    rng = np.random.default_rng(0)
    for model in models:
        for place, loss in enumerate(LOSSES):
            for optimizer in ("sgdm", "adam"):
                for seed in range(seeds):
                    dice = rng.uniform(0.3, 0.95, (images, len(classes)))
                    gone = loss == "focal" and optimizer == "sgdm"
                    dice[:, -1] = 0 if gone else dice[:, -1]
                    names = [model, loss, optimizer, *([f"seed {seed}"] if seeds > 1 else [])]
                    cells.append(
                        CellTables(
                            name=f"{model}-{loss}-{optimizer}-seed{seed}",
                            title=" ".join(names),
                            history=scaled(10.0**-place, seed=seed),
                            per_image=make_table(dice.tolist(), classes),
                            collapsed=tuple(classes[-1:]) if gone else (),
                            loss=loss,
                            model=model,
                            optimizer=optimizer,
                            seed=seed,
                        )
                    )
    return cells


def rank_line(
    name: str,
    title: str,
    score: float,
    low: float | None,
    high: float | None,
    best: float,
    expected_rank: float | None,
    ranks: tuple[float, ...],
    collapsed: bool,
) -> RankLine:
    """A line of the ranking; what its figure does not show is left out."""
    return RankLine(
        title,
        Standing(
            name=name,
            score=score,
            low=low,
            high=high,
            best=best,
            expected_rank=expected_rank,
            ranks=ranks,
            difference=NAN,
            difference_low=None,
            difference_high=None,
            alike=None,
            collapsed=("scar",) if collapsed else (),
        ),
    )


def make_ranks(cells: Sequence[CellTables]) -> list[RankLine]:
    """Made-up doubt: neighbours in the order given may change places."""
    ranked = [cell.name for cell in cells if not cell.collapsed]
    chances = 0.6 * np.eye(len(ranked)) + 0.4 * np.roll(np.eye(len(ranked)), 1, axis=1)
    lines = []
    for number, cell in enumerate(cells):
        score = 0.7 - 0.01 * number
        if cell.collapsed:
            lines.append(rank_line(cell.name, cell.title, 0.33, 0.31, 0.35, 0.0, None, (), True))
            continue
        row = chances[ranked.index(cell.name)]
        rank = float(row @ np.arange(1, len(ranked) + 1))
        lines.append(
            rank_line(cell.name, cell.title, score, score - 0.02, score + 0.03, row[0], rank, tuple(row), False)
        )
    return lines


def curves_of(ax: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The cells' lines in a panel: name -> iterations and heights."""
    return {
        str(line.get_gid()): (list(np.asarray(line.get_xdata())), list(np.asarray(line.get_ydata())))
        for line in ax.lines
        if line.get_gid()
    }


def texts(ax: Axes) -> list[str]:
    """What is written inside axes."""
    return [text.get_text() for text in ax.texts]


def y_labels(figure: Figure) -> list[Text]:
    """The row labels of the first axes."""
    return list(figure.axes[0].get_yticklabels())


# ---- the sums


def test_spread_is_that_of_the_metrics_summary() -> None:
    table = make_table([[1, 0.2, NAN], [0.9, 0.5, 0.4], [NAN, NAN, NAN], [0.8, 0.1, 0.3]])
    table["specificity"] = table["dice"] ** 2
    table["bf"] = NAN
    expected = aggregate(table.assign(image="same", case=table["image"])).std
    found = metric_spread(table)
    assert list(found.index) == list(SCORED)
    for metric in SCORED:
        assert found[metric] == pytest.approx(NAN if expected[metric] is None else expected[metric], nan_ok=True)
    assert found["dice"] == pytest.approx(np.std([0.6, 0.6, 0.4], ddof=1))
    assert metric_spread(table.iloc[:3]).isna().all()
    assert metric_spread(pd.DataFrame()).isna().all()


def test_a_losss_unit_is_the_median_of_its_cells_first_validations() -> None:
    cells = [
        cell_tables(str(place), "", scaled(factor), pd.DataFrame(), loss=loss)
        for place, (factor, loss) in enumerate([(1, "dice"), (2, "dice"), (9, "dice"), (5, "focal"), (0, "zero")])
    ]
    cells.append(cell_tables("never", "", make_history(every=0), pd.DataFrame(), loss="none"))
    first = make_history()["val_loss"].dropna().iloc[0]
    units = loss_units(cells)
    assert units == pytest.approx({"dice": 2 * first, "focal": 5 * first})
    assert relative_curve(cells[2], units).loss[0] == pytest.approx(4.5)
    assert not len(relative_curve(cells[4], units).step)
    assert not len(relative_curve(cells[5], units).step)


def test_mean_over_seeds_goes_as_far_as_all_of_them() -> None:
    long, short = Curve(np.array([5.0, 10, 15]), np.array([1.0, 2, 3])), Curve(np.array([5.0, 10]), np.array([3.0, 6]))
    step, loss = mean_curve([long, short])
    assert (list(step), list(loss)) == ([5, 10], [2, 4])


def test_gaps_name_losses_and_seeds_that_other_panels_have() -> None:
    cells = make_grid(MODELS[:1], seeds=2)
    adam = [cell for cell in cells if cell.optimizer == "adam"]
    here = [cell for cell in adam if cell.loss != "focal" and (cell.loss, cell.seed) != ("dice", 1)]
    here[0] = replace(here[0], history=make_history(every=0))
    notes = missing_notes(cells, here, loss_units(cells))
    assert notes == ["no result: dice seed 1, focal", "no validation to draw: weighted_ce seed 0"]
    assert missing_notes(cells, adam, loss_units(cells)) == []


def test_only_long_titles_have_their_models_shortened() -> None:
    cells = make_grid()
    short = short_models(cells)
    assert shorten_title(cells[0].title, short) == "xception weighted_ce sgdm"
    assert short_models([replace(cell, title="dice adam") for cell in cells]) == {}
    alike = [replace(cells[0], model="a_net"), replace(cells[1], model="b_net")]
    assert short_models(alike) == {}
    assert short_models([replace(cell, model="") for cell in cells]) == {}


def test_ranks_are_sorted_by_expectation_with_the_unranked_below() -> None:
    lines = [
        rank_line("gone", "gone", 0.9, None, None, 0.0, None, (), True),
        rank_line("low", "low", 0.1, None, None, 0.0, None, (), False),
        rank_line("nan", "nan", NAN, None, None, 0.0, None, (), False),
        rank_line("second", "second", 0.5, 0.4, 0.6, 0.3, 1.7, (0.3, 0.7), False),
        rank_line("first", "first", 0.4, 0.4, 0.6, 0.7, 1.3, (0.7, 0.3), False),
    ]
    ordered = rank_order(lines)
    assert [line.standing.name for line in ordered] == ["first", "second", "low", "nan", "gone"]
    np.testing.assert_array_equal(
        rank_values([line.standing for line in ordered]), [[0.7, 0.3], [0.3, 0.7], [NAN, NAN], [NAN, NAN], [NAN, NAN]]
    )


# ---- the figures


def test_curves_stand_by_model_and_optimizer_in_their_losss_unit() -> None:
    cells = make_grid()
    figure = figure_grid_curves(SweepTables(TITLE, cells, [cells[1].name], STAGE2, 2))
    assert [ax.get_title() for ax in figure.axes] == [
        f"{model} + {optimizer}" for model in MODELS for optimizer in ("sgdm", "adam")
    ]
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes}) == 1
    units = loss_units(cells)
    for ax, (model, optimizer) in zip(figure.axes, [(m, o) for m in MODELS for o in ("sgdm", "adam")], strict=True):
        mine = [cell for cell in cells if (cell.model, cell.optimizer) == (model, optimizer)]
        drawn = curves_of(ax)
        assert list(drawn) == [cell.name for cell in mine]
        for cell in mine:
            rows = cell.history.dropna()
            assert drawn[cell.name][0] == rows["step"].tolist()
            assert drawn[cell.name][1] == pytest.approx((rows["val_loss"] / units[cell.loss]).tolist())
    stars = [[line for line in ax.lines if line.get_marker() == "*"] for ax in figure.axes]
    assert [len(panel) for panel in stars] == [0, 1, 0, 0]
    assert np.asarray(stars[1][0].get_ydata())[0] == min(curves_of(figure.axes[1])[cells[1].name][1])
    dashed = {line.get_gid() for ax in figure.axes for line in ax.lines if line.get_linestyle() == "--"}
    assert dashed == {cell.name for cell in cells if cell.collapsed}
    assert "different colours compare only in shape" in words(figure)


def test_seeds_are_thin_and_their_mean_thick() -> None:
    cells = make_grid(MODELS[:1], seeds=3)
    figure = figure_grid_curves(SweepTables(TITLE, cells, [], STAGE2, 2))
    for ax in figure.axes:
        thin = [line for line in ax.lines if line.get_linewidth() < 1]
        thick = [line for line in ax.lines if line.get_linewidth() == 2]
        assert (len(thin), len(thick)) == (15, 5)
        heights = np.mean([np.asarray(line.get_ydata()) for line in thin[:3]], axis=0)
        np.testing.assert_allclose(np.asarray(thick[0].get_ydata()), heights)
    assert "thin: a seed" in words(figure)


def test_curves_say_what_is_missing() -> None:
    cells = [cell for cell in make_grid() if cell.model == MODELS[0] or cell.optimizer == "sgdm"]
    cells[0] = replace(cells[0], history=pd.DataFrame())
    cells[2] = replace(cells[2], history=cells[2].history.assign(val_loss=np.inf, train_loss=NAN))
    del cells[4]
    figure = figure_grid_curves(SweepTables(TITLE, cells, ["failed"], STAGE2, 2))
    lacks = f"{MODELS[0]} + sgdm\nno result: focal\nno validation to draw: weighted_ce, dice"
    assert figure.axes[0].get_title() == lacks
    assert texts(figure.axes[3]) == ["no cell with results"]
    assert figure.axes[3].get_title().split("\n", 1)[1].replace("\n", " ") == f"no result: {', '.join(LOSSES)}"
    assert f"training loss not finite on some iterations: {cells[2].title}" in words(figure)
    assert "failed: among the best, but without results here" in words(figure)


def test_relative_losses_turn_logarithmic_when_they_span_much() -> None:
    cells = make_grid(MODELS[:1])
    cells[0] = replace(cells[0], history=scaled(100.0))
    figure = figure_grid_curves(SweepTables(TITLE, cells, [], STAGE2, 2))
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}
    assert "log scale" in words(figure)


def test_violins_show_each_cell_and_class_with_values() -> None:
    some = [[1, 0.1 * k, NAN] for k in range(1, 9)]
    cells = [
        cell_tables("a", "a", make_history(), make_table(some), loss="dice"),
        cell_tables("b", "b", make_history(), make_table([[1, 0.5, 0.0]] * 6), ("scar",), loss="focal"),
        cell_tables("c", "c", make_history(), make_table([[1, 0.2, 0.7], [1, 0.3, 0.9]]), loss="ce"),
        cell_tables("d", "d", make_history(), pd.DataFrame(), loss="other"),
    ]
    myocardium, scar = figure_dice_violin(SweepTables("p", cells, ["a"], STAGE2, 2)).axes
    (violin,) = (body for body in myocardium.collections if isinstance(body, PolyCollection))
    heights = np.asarray(violin.get_paths()[0].vertices)[:, 0]
    assert (heights.min(), heights.max()) == pytest.approx((0.1, 0.8))
    assert not [body for body in scar.collections if isinstance(body, PolyCollection)]
    assert texts(myocardium) == ["n=8", "n=6", "n=2", "no result"]
    assert texts(scar) == ["n/a (no image has it)", "n=6", "n=2", "no result"]
    medians = [np.asarray(line.get_xdata())[0] for line in myocardium.lines if line.get_linewidth() == 2.2]
    assert medians == pytest.approx([0.45, 0.5, 0.25])


def test_spread_bars_are_the_tables_values_steadiest_first() -> None:
    steady, lively = make_table([[1, 0.5, 0.5], [1, 0.5, 0.8]]), make_table([[1, 0.1, 0.1], [1, 0.9, 0.9]])
    cells = [
        cell_tables("none", "none", make_history(), pd.DataFrame()),
        cell_tables("lively", "lively", make_history(), lively, ("scar",)),
        cell_tables("nobf", "nobf", make_history(), steady.assign(bf=NAN)),
        cell_tables("steady", "steady", make_history(), steady),
    ]
    table = spread_table(cells)
    assert list(table.index) == [3, 1, 0, 2]
    assert table[MEAN].isna().tolist() == [False, False, True, True]
    figure = figure_metric_spread(SweepTables("p", cells, ["steady"], STAGE2, 2))
    assert [label.get_text() for label in y_labels(figure)] == ["steady", "lively", "none", "nobf"]
    assert y_labels(figure)[1].get_color() == VERMILLION
    for ax, column in zip(figure.axes, table.columns, strict=True):
        bars = {round(bar.get_y() + 0.35): bar.get_width() for bar in ax.patches if isinstance(bar, Rectangle)}
        present = {row: value for row, value in enumerate(table[column]) if np.isfinite(value)}
        assert bars == pytest.approx(present)
        assert texts(ax).count("n/a") == 4 - len(present)
        assert "0.000" not in texts(ax)
        assert ax.get_xlim()[0] == 0


def test_rank_plot_shows_scores_intervals_and_probabilities() -> None:
    cells = make_grid(MODELS[:1])
    lines = make_ranks(cells)
    lines[0] = replace(lines[0], standing=replace(lines[0].standing, low=None, high=None))
    lines[1] = replace(lines[1], standing=replace(lines[1].standing, score=NAN, low=None))
    figure = figure_rank_probability(SweepTables(TITLE, cells, [cells[1].name], STAGE2, 2, lines[::-1]))
    ordered = rank_order(lines)
    standings = [line.standing for line in ordered]
    score, numbers, heat = figure.axes[:3]
    assert [label.get_text() for label in y_labels(figure)] == [line.title for line in ordered]
    assert [label.get_color() == VERMILLION for label in y_labels(figure)] == [False] * 9 + [True]
    dots = {
        np.asarray(line.get_ydata())[0]: np.asarray(line.get_xdata())[0]
        for line in score.lines
        if line.get_marker() == "o"
    }
    whiskers = {
        np.asarray(line.get_ydata())[0]: tuple(np.asarray(line.get_xdata()))
        for line in score.lines
        if line.get_marker() != "o"
    }
    assert dots == {row: found.score for row, found in enumerate(standings) if np.isfinite(found.score)}
    assert whiskers == {row: (found.low, found.high) for row, found in enumerate(standings) if found.low is not None}
    assert texts(score) == ["n/a"]
    np.testing.assert_array_equal(np.ma.asarray(heat.images[0].get_array()).filled(NAN), rank_values(standings))
    assert texts(heat) == ["collapsed: no rank"]
    assert texts(numbers)[-2:] == ["-", "-"]
    first = standings[0]
    assert texts(numbers)[:2] == [f"{first.best:.2f}"[1:], f"{first.expected_rank:.1f}"]
    assert "no whisker: no interval" in words(figure)
    bold = [label.get_text() for label in y_labels(figure) if label.get_fontweight() == "bold"]
    assert bold == [cells[1].title]


def test_a_seeds_configuration_is_among_the_best() -> None:
    line = rank_line("unet-dice-adam", "dice adam", 0.5, None, None, 1.0, 1.0, (1.0,), False)
    assert is_best(line.standing, ["unet-dice-adam"])
    assert is_best(line.standing, ["unet-dice-adam-seed2"])
    assert not is_best(line.standing, ["unet-dice-adamw", "unet-dice_ce-adam-seed2"])


def test_heatmap_keeps_a_cell_without_images() -> None:
    cells = make_grid(MODELS[:1])[:2]
    cells[0] = replace(cells[0], per_image=pd.DataFrame())
    figure = figure_dice_heatmap(SweepTables("p", cells, [], STAGE2, 2))
    assert len(figure.axes[0].get_xticklabels()) == 2
    assert np.ma.asarray(figure.axes[0].images[0].get_array()).filled(NAN).shape == (8, 2)
    assert "no result" in words(figure)


# ---- the files


PHASE2 = ["training_curves.png", "class_bars.png", "dice_violin.png", "metric_spread.png", "dice_heatmap.png"]


def hard_grids() -> dict[str, list[CellTables]]:
    """Grids with much missing."""
    empty = [replace(cell, history=pd.DataFrame(), per_image=pd.DataFrame()) for cell in make_grid(MODELS[:1])]
    scarless = [replace(cell, per_image=make_table([[1, 0.5, NAN]])) for cell in make_grid(MODELS[:1])]
    return {
        "nothing in any": empty,
        "no scar, one image": scarless,
        "all collapsed": [replace(cell, collapsed=("scar",)) for cell in make_grid()[:4]],
    }


@pytest.mark.parametrize("name", list(hard_grids()))
def test_grid_files(name: str, tmp_path: Path) -> None:
    cells = hard_grids()[name]
    written = write_sweep_figures(tmp_path, SweepTables(TITLE, cells, [cells[0].name], STAGE2, 2, make_ranks(cells)))
    assert [path.name for path in written] == [*PHASE2, "rank_probability.png"]
    assert_tidy(tmp_path, written)


def test_one_configuration_is_drawn_as_in_phase_1(tmp_path: Path) -> None:
    cells = make_grid()[:1]
    written = write_sweep_figures(tmp_path, SweepTables(TITLE, cells, [], STAGE2, 2, make_ranks(cells)))
    phase1 = ["training_curves.png", "class_bars.png", "dice_boxplot.png", "dice_heatmap.png"]
    assert [path.name for path in written] == [*phase1, "rank_probability.png"]


# ---- legibility


@pytest.mark.parametrize(("stage", "seeds"), [(1, 1), (2, 1), (2, 3)], ids=["stage1", "stage2", "60 cells"])
def test_no_text_overlaps(stage: int, seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = class_names(stage)
    cells = make_grid(seeds=seeds, classes=classes)
    cells[1] = replace(cells[1], history=make_history(every=0), per_image=cells[1].per_image.assign(bf=NAN))
    best = [cells[0].name, cells[3].name]
    short = short_models(cells)
    cells = [replace(cell, title=shorten_title(cell.title, short)) for cell in cells if cell.name != cells[7].name]
    sweep = SweepTables(TITLE, cells, best, classes, stage, make_ranks(cells))
    figures = [figure_dice_heatmap(sweep)]
    if stage == 2:
        figures += [figure_grid_curves(sweep), figure_rank_probability(sweep)]
    if seeds == 1:
        figures += [figure_dice_violin(sweep), figure_metric_spread(sweep)]
    for figure in figures:
        assert figure.get_figwidth() * figure.dpi == pytest.approx(1001)
        assert figure.get_figheight() * figure.dpi < 1500
        assert_legible(figure, monkeypatch)
