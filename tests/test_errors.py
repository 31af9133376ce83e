"""Where a pipeline fails: levels, contrast, groups, calls, worst cases, against counts by hand or of others."""

import numpy as np
import pandas as pd
import pytest

from lge_sweep.quantify import contrast_to_noise, slice_levels
from lge_sweep.quantify.levels import split_in_thirds
from lge_sweep.report import DIVISIONS, SLICE_COLUMNS, calls_frame, groups_frame, print_frame, worst_frame
from lge_sweep.report.captions import CAPTIONS, print_tables
from lge_sweep.report.errors_by_group import MEASURES
from lge_sweep.report.printed import print_value
from lge_sweep.scoring import ratio_of_sums


def slices(cases: int = 9, each: int = 3, seed: int = 0) -> pd.DataFrame:
    """A row a slice, with made-up counts; every third case has no scar, one is called scar on all its slices."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(cases):
        for place in range(each):
            scarred = number % 3 > 0
            true, called = (
                int(random.integers(5, 60)) * scarred,
                int(random.integers(0, 60)) * (scarred or number == 0),
            )
            right = min(true, called) // 2
            wall = (int(random.integers(80, 120)), int(random.integers(5, 20)), int(random.integers(5, 20)))
            counts = {"cavity": (50, 5, 5), "wall": wall, "scar": (right, called - right, true - right)}
            row: dict[str, object] = {
                "slice": f"c{number}s{place}", "case": f"c{number}", "level": ("base", "mid", "apex")[place],
                "contrast": float(number) + 0.1 * place,
            }  # fmt: skip
            for name, (tp, fp, fn) in counts.items():
                row |= {f"{name}_tp": tp, f"{name}_fp": fp, f"{name}_fn": fn}
                row[f"{name}_dice"] = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan
            row["scar_percent_true"] = 100 * true / (wall[0] + wall[2])
            row["scar_percent_found"] = 100 * called / (wall[0] + wall[1])
            rows.append(row)
    return pd.DataFrame(rows)[list(SLICE_COLUMNS)]


# ---------------------------------------------------------------------------------------------------------- levels


def test_thirds_of_a_stack_count_what_is_missing() -> None:
    assert split_in_thirds([2, 3, 4, 5, 6, 7]).tolist() == [0, 0, 1, 1, 2, 2]
    assert split_in_thirds([0, 1, 2, 3, 4]).tolist() == [
        0,
        0,
        1,
        1,
        2,
    ]  # the first third, then the second, get one more
    assert split_in_thirds([0, 1, 8]).tolist() == [0, 0, 2]


@pytest.mark.parametrize("turned", [False, True])
def test_the_base_is_where_the_cavity_is_larger_whichever_way_the_stack_runs(turned: bool) -> None:
    cavity, wall = [0, 90, 80, 60, 50, 30, 10, 0], [0, 20, 30, 30, 30, 30, 30, 12]
    names = ["no wall", "base", "base", "mid", "mid", "apex", "apex", "apex"]
    step = -1 if turned else 1
    assert slice_levels(cavity[::step], wall[::step], list(range(8))) == names[::step]


@pytest.mark.parametrize(
    ("cavity", "wall", "positions"),
    [
        ([50, 40], [30, 30], [0, 1]),  # too few
        ([50, 40, 50], [30, 30, 30], [0, 1, 2]),  # both ends are alike
        ([50, 40, 30], [30, 30, 30], [0, 1, 9]),  # nothing in the middle
    ],
)
def test_a_level_that_cannot_be_told_is_not(cavity: list[int], wall: list[int], positions: list[int]) -> None:
    assert slice_levels(cavity, wall, positions) == ["not told"] * len(wall)


def test_wall_without_cavity_inside_the_stack_has_no_level() -> None:
    assert slice_levels([50, 0, 40, 30], [30, 30, 30, 30], [0, 1, 2, 3])[1] == "not told"


# -------------------------------------------------------------------------------------------------------- contrast


def test_contrast_is_the_distance_of_two_tissues_in_their_own_deviations() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4, dtype=np.uint8), 5000).reshape(4, 5000)
    image = random.normal([[0.0], [130.0], [100.0], [900.0]], [[50.0], [6.0], [8.0], [1.0]], (4, 5000))
    found = contrast_to_noise(image, labels)
    assert found is not None
    assert found == pytest.approx(30 / np.sqrt((36 + 64) / 2), rel=0.02)
    assert contrast_to_noise(7 * image - 3, labels) == pytest.approx(found)
    assert contrast_to_noise(-image, labels) == pytest.approx(-found)
    holed = image.copy()
    holed[1:, ::2] = np.nan
    assert contrast_to_noise(holed, labels) == pytest.approx(contrast_to_noise(image[:, 1::2], labels[:, 1::2]))


def test_contrast_needs_both_tissues_and_some_variation() -> None:
    image, labels = np.ones((2, 4)), np.array([[1, 1, 1, 1], [2, 2, 2, 2]], dtype=np.uint8)
    assert contrast_to_noise(image, labels) is None
    assert contrast_to_noise(np.arange(8.0).reshape(2, 4), np.where(labels == 1, np.uint8(0), labels)) is None


# --------------------------------------------------------------------------------------------------------- intervals


def test_a_ratio_of_sums_has_the_interval_of_a_bootstrap_written_out() -> None:
    random = np.random.default_rng(1)
    above, below = random.integers(0, 50, 8).astype(float), random.integers(50, 90, 8).astype(float)
    drawn = [above[pick].sum() / below[pick].sum() for pick in random.integers(0, 8, (20_000, 8))]
    found = ratio_of_sums(above, below)
    assert found.value == above.sum() / below.sum()
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


def test_a_ratio_without_a_case_or_of_one_has_no_interval() -> None:
    assert ratio_of_sums(np.array([1.0]), np.array([4.0])) == (0.25, None, None)
    assert ratio_of_sums(np.array([1.0, 1.0]), np.zeros(2)) == (None, None, None)


# ------------------------------------------------------------------------------------------------------------ groups


def test_groups_have_the_numbers_of_their_slices() -> None:
    table = slices()
    frame = groups_frame(table).set_index(["division", "group"])
    assert list(frame.index.get_level_values("division").unique()) == list(DIVISIONS)
    mid = table[table["level"] == "mid"]
    found = {str(column): float(frame.loc[("level", "mid"), column]) for column in frame.columns}  # type: ignore[arg-type]
    tp, fp, fn = (mid[f"scar_{count}"].sum() for count in ("tp", "fp", "fn"))
    assert found["scar_dice"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    with_scar = mid[mid["scar_tp"] + mid["scar_fn"] > 0]
    assert found["scar_dice_present"] == pytest.approx(with_scar["scar_dice"].mean())
    free = mid[mid["scar_tp"] + mid["scar_fn"] == 0]
    assert found["false_alarms"] == pytest.approx((free["scar_fp"] > 0).mean())
    assert (found["cases"], found["slices"], found["slices_with_scar"]) == (9, 9, 6)
    assert (frame["scar_dice_low"].dropna() <= frame["scar_dice"][frame["scar_dice_low"].notna()]).all()


def test_groups_part_all_cases_and_come_in_their_order() -> None:
    frame = groups_frame(slices())
    for name in ("scar_size", "contrast"):
        assert frame.loc[frame["division"] == name, "cases"].sum() == 9
    order = frame.loc[frame["division"] == "contrast", "group"].str.partition(",")[0].tolist()
    assert order == ["lowest third", "middle third", "highest third"]
    assert frame.loc[frame["division"] == "level", "group"].tolist() == ["base", "mid", "apex"]
    sizes = frame.loc[frame["division"] == "scar_size", "group"].tolist()
    assert sizes[0] == "no scar"
    assert sizes == sorted(
        sizes, key=["no scar", "scar up to 5 % of the wall", "above 5 up to 15 %", "above 15 %"].index
    )


def test_a_division_that_cannot_be_made_is_left_out() -> None:
    few = slices(cases=2)
    assert "contrast" not in groups_frame(few)["division"].tolist()
    assert "level" not in groups_frame(few.assign(level="not told"))["division"].tolist()


def test_false_alarms_and_misses_are_listed_each_once() -> None:
    table = slices()
    has, called = (table["scar_tp"] + table[f"scar_{side}"] > 0 for side in ("fn", "fp"))
    frame = calls_frame(table)
    listed = frame[frame["unit"] == "slice"]
    assert set(listed.loc[listed["error"] == "false alarm", "slice"]) == set(table.loc[~has & called, "slice"])
    assert set(listed.loc[listed["error"] == "miss", "slice"]) == set(table.loc[has & ~called, "slice"])
    patients = frame[frame["unit"] == "patient"]
    assert patients[["error", "case"]].to_numpy().tolist() == [["false alarm", "c0"]]
    for _, own in frame.groupby(["unit", "error"]):
        size = own[["scar_percent_true", "scar_percent_found"]].max(axis=1)
        assert size.is_monotonic_decreasing
    perfect = table.assign(scar_fp=0, scar_fn=0)
    assert calls_frame(perfect).empty


def test_the_worst_cases_come_first() -> None:
    table = slices()
    frame = worst_frame(table, most=4)
    assert len(frame) == 4
    assert frame["mean_dice"].is_monotonic_increasing
    of = table[table["case"] == frame["case"].iloc[0]]
    sums = {name: [of[f"{name}_{count}"].sum() for count in ("tp", "fp", "fn")] for name in ("cavity", "wall", "scar")}
    dice = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in sums.values() if tp + fp + fn]
    assert frame["mean_dice"].iloc[0] == pytest.approx(np.mean(dice))
    alone = worst_frame(table, most=9).set_index("case")["scar_dice"].to_dict()
    assert np.isnan(alone["c3"])  # none true, none found: the mean is of the two others
    assert alone["c0"] == 0


# ----------------------------------------------------------------------------------------------------------- in print


def test_an_interval_stands_behind_its_number() -> None:
    frame = pd.DataFrame(
        {"case": ["a", "b"], "value": [0.5, np.nan], "low": [0.25, np.nan], "high": [0.75, np.nan],
         "scar_ml": [1.26, 2.0], "scar_ml_low": [1.0, np.nan], "scar_ml_high": [3.0, np.nan], "n": [3, 4]}
    )  # fmt: skip
    assert print_frame(frame, {"n": "slices"}).to_dict("list") == {
        "case": ["a", "b"],
        "value": ["0.500 (0.250 to 0.750)", "-"],
        "scar ml": ["1.3 (1.0 to 3.0)", "2.0"],
        "slices": ["3", "4"],
    }


def test_a_case_that_looks_like_a_number_keeps_its_name() -> None:
    assert print_value("007") == "007"
    assert print_value("1e5") == "1e5"


def test_every_group_and_measure_is_in_the_caption_s_table() -> None:
    text = print_tables({"error_groups": groups_frame(slices())})
    assert all(measure.title in text for measure in MEASURES.values())
    assert all(division.title in text for division in DIVISIONS.values())
    assert CAPTIONS["error_groups"].text in text
    assert "There is none." in print_tables({"error_calls": calls_frame(slices()).head(0)})
