"""Intervals of every aggregate: against a loop over the same resamples, and against scipy's bootstrap."""

import math
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lge_sweep.errors import ConfigError
from lge_sweep.labels import Label
from lge_sweep.metrics import Summary, aggregate, evaluate
from lge_sweep.scoring.aggregate_intervals import (
    Estimate,
    Intervals,
    interval_differences,
    intervals,
    resample_table,
)
from lge_sweep.scoring.bootstrap import draw_cases, resampled_means

CLASSES = tuple(label.title for label in Label)
CASES = ("p1", "p1", "p2", "p3", "p3", "p3", "p4", "p5", "p5", "p6", "p7")


def measured(seed: int, cases: tuple[str, ...] = CASES, side: int = 12, empty: str = "nan") -> pd.DataFrame:
    """A table of random labels: scar in the truth of the first cases only, found or not, and false alarms."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, size=(len(cases), side, side))
    scarred = [number for number, case in enumerate(cases) if case <= "p3"]
    truth[scarred, :4, :4] = 3
    noise = np.random.default_rng(seed)
    prediction = np.where(noise.random(truth.shape) < 0.7, truth, noise.integers(0, 3, truth.shape))
    prediction[-1, 0, 0] = 3
    names = [f"s{number}" for number in range(len(cases))]
    return evaluate(prediction, truth, CLASSES, images=names, cases=cases, empty=empty)


def flat(summary: Summary) -> dict[tuple[str, str, str], float]:
    """Every aggregate as (form, metric, class) -> value, NaN where there is none."""
    found = {
        (form, metric, name): value
        for form in ("image_mean", "pooled", "present_only")
        for metric, by_class in getattr(summary, form).items()
        for name, value in by_class.items()
    }
    found["pooled", "global_accuracy", "global"] = summary.global_accuracy
    found["pooled", "mean_accuracy", "global"] = summary.mean_accuracy
    return {key: math.nan if value is None else value for key, value in found.items()}


def brute_force(table: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Aggregate each resample by copying the images of the cases drawn: a row a resample, a column an aggregate."""
    names = sorted(table["case"].unique())
    draws = draw_cases(len(names), resamples, np.random.default_rng(seed))
    rows = []
    for draw in draws.astype(int):
        copies = [
            table[table["case"] == name].assign(case=f"{name}-{copy}")
            for name, times in zip(names, draw, strict=True)
            for copy in range(times)
        ]
        rows.append(flat(aggregate(pd.concat(copies))))
    return pd.DataFrame(rows)


def width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


def assert_like(found: Intervals, points: dict[tuple[str, str, str], float], loop: pd.DataFrame, level: float) -> None:
    """Every estimate has the value, the percentiles and the number left out that the loop says."""
    assert len(found.estimates) == len(points) == len(loop.columns)
    for estimate in found.estimates:
        key = (estimate.aggregate, estimate.metric, estimate.name)
        values = loop[key].dropna()
        assert estimate.left_out == len(loop) - len(values), key
        if math.isnan(points[key]):
            assert (estimate.value, estimate.low, estimate.high) == (None, None, None), key
            continue
        assert estimate.value == pytest.approx(points[key], abs=1e-12), key
        low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-12), key


@pytest.mark.parametrize("empty", ["nan", "zero"])
def test_every_interval_is_that_of_a_loop_over_the_same_resamples(empty: str) -> None:
    table = measured(1, empty=empty)
    shuffled = table.sample(frac=1, random_state=0)
    found = intervals(resample_table(shuffled, resamples=40, seed=4, level=0.9))
    assert (found.level, found.cases, found.images, found.resamples) == (0.9, 7, 11, 40)
    assert_like(found, flat(aggregate(table)), brute_force(table, 40, 4), 0.9)


def test_resamples_without_a_class_are_left_out_of_its_intervals_only() -> None:
    found = intervals(resample_table(measured(1), resamples=400))
    positive = found.find("present_only", "dice", "scar")
    assert 0 < positive.left_out < 50  # (4/7)^7, the three scarred cases not drawn: .02
    assert found.find("present_only", "dice", "global").left_out == positive.left_out
    assert found.find("present_only", "dice", "cavity").left_out == 0
    assert found.find("pooled", "dice", "cavity").left_out == 0


def test_a_class_that_is_nowhere_has_no_value_and_no_interval() -> None:
    labels = np.zeros((3, 4, 4), dtype=int)
    labels[:, 0] = 1
    table = evaluate(labels, labels, ("background", "cavity", "scar"), cases=[1, 2, 3])
    found = intervals(resample_table(table, resamples=10))
    for form, name in (("image_mean", "scar"), ("pooled", "scar"), ("present_only", "scar"), ("image_mean", "global")):
        estimate = found.find(form, "dice", name)
        assert (estimate.value, estimate.low, estimate.high, estimate.left_out) == (None, None, None, 10)
    assert found.find("pooled", "dice", "cavity").low == 1


def test_the_interval_of_a_mean_is_scipy_s() -> None:
    random = np.random.default_rng(2)
    truth = np.ones((40, 1, 20), dtype=int)
    prediction = (random.random(truth.shape) < 0.6).astype(int)
    table = evaluate(prediction, truth, ("background", "cavity"), cases=list(range(40)))
    dice = table.loc[table["class"] == "cavity", "sensitivity"].to_numpy()
    scipy = stats.bootstrap((dice,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(0))
    found = intervals(resample_table(table, resamples=20000)).find("image_mean", "sensitivity", "cavity")
    assert found.value == pytest.approx(dice.mean())
    width = scipy.confidence_interval.high - scipy.confidence_interval.low
    assert (found.low, found.high) == pytest.approx(scipy.confidence_interval, abs=0.03 * width)


def test_images_of_a_case_are_drawn_together() -> None:
    """With a case's images all alike, the interval is that of the cases, not the narrower one of the images."""
    random = np.random.default_rng(3)
    truth = np.ones((200, 1, 20), dtype=int)
    prediction = np.repeat((random.random((20, 1, 20)) < random.random((20, 1, 1))).astype(int), 10, axis=0)
    tables = (
        evaluate(prediction, truth, ("background", "cavity"), cases=cases)
        for cases in (list(np.arange(200) // 10), list(range(200)))
    )
    together, apart = (intervals(resample_table(table)).find("pooled", "dice", "cavity") for table in tables)
    assert together.value == apart.value
    assert width(together) / width(apart) == pytest.approx(math.sqrt(10), rel=0.15)


def test_a_difference_is_paired_and_that_of_a_loop() -> None:
    a, b = measured(1), measured(2)
    shuffled = b.sample(frac=1, random_state=1)
    one, other = (resample_table(table, resamples=20, seed=3) for table in (a, shuffled))
    found = interval_differences(one, other)
    points = {key: value - flat(aggregate(b))[key] for key, value in flat(aggregate(a)).items()}
    assert_like(found, points, brute_force(a, 20, 3) - brute_force(b, 20, 3), 0.95)
    drawn, worse = (resample_table(table, resamples=500) for table in (a, a.assign(bf=a["bf"] * 0.999)))
    alone = intervals(drawn).find("image_mean", "bf", "cavity")
    paired = interval_differences(drawn, worse).find("image_mean", "bf", "cavity")
    assert paired.low is not None and paired.high is not None and alone.low is not None and alone.high is not None  # noqa: PT018
    assert paired.high - paired.low < 0.01 * (alone.high - alone.low)


def test_no_difference_is_exactly_none() -> None:
    drawn = resample_table(measured(1), resamples=50)
    found = interval_differences(drawn, resample_table(measured(1), resamples=50))
    with_value = [(e.value, e.low, e.high) for e in found.estimates if e.value is not None]
    assert set(with_value) == {(0.0, 0.0, 0.0)}


def test_pipelines_on_other_images_are_refused() -> None:
    one, two = (resample_table(table) for table in (measured(1), measured(2, CASES[:-1])))
    with pytest.raises(ConfigError, match="two-stage lacks 1 image"):
        interval_differences(one, two, ("one-stage", "two-stage"))
    with pytest.raises(ConfigError, match="resamples must be at least 1"):
        resample_table(measured(1), resamples=0)
    with pytest.raises(ConfigError, match="level must be between 0 and 1"):
        resample_table(measured(1), level=95)
    with pytest.raises(ValueError, match="columns that evaluate returns"):
        resample_table(pd.DataFrame({"image": []}))
    with pytest.raises(KeyError, match="no estimate of pooled bf of scar"):
        intervals(resample_table(measured(1), resamples=2)).find("pooled", "bf", "scar")


def test_a_single_case_has_values_but_no_intervals() -> None:
    found = intervals(resample_table(measured(1, ("p1", "p1"))))
    assert found.resamples == 0
    assert found.find("image_mean", "dice", "cavity").value is not None
    assert {(e.low, e.high, e.left_out) for e in found.estimates} == {(None, None, 0)}


def test_a_mean_says_over_how_many_images_it_is() -> None:
    truth = np.zeros((4, 1, 6), dtype=int)
    truth[:2, 0, :3] = 1  # the class is on two images, and found on one of them and one other
    prediction = np.zeros_like(truth)
    prediction[1:3, 0, :2] = 1
    table = evaluate(prediction, truth, ("background", "scar"), cases=[1, 2, 3, 4])
    found = intervals(resample_table(table, resamples=10))
    counts = {
        (form, metric): found.find(form, metric, "scar").images
        for form in ("image_mean", "present_only", "pooled")
        for metric in ("dice", "sensitivity", "specificity")
    }
    assert counts == {
        ("image_mean", "dice"): 3, ("image_mean", "sensitivity"): 2, ("image_mean", "specificity"): 4,
        ("present_only", "dice"): 2, ("present_only", "sensitivity"): 2, ("present_only", "specificity"): 2,
        ("pooled", "dice"): None, ("pooled", "sensitivity"): None, ("pooled", "specificity"): None,
    }  # fmt: skip
    assert found.find("image_mean", "dice", "global").images is None


def test_the_frame_has_a_row_an_estimate_and_survives_csv() -> None:
    found = intervals(resample_table(measured(1), resamples=20))
    frame = found.to_frame()
    assert list(frame.columns) == ["aggregate", "metric", "name", "value", "low", "high", "left_out", "images"]
    assert len(frame) == (12 + 6 + 12) * 5 + 2
    row = frame[(frame["aggregate"] == "pooled") & (frame["metric"] == "mean_accuracy")].iloc[0]
    assert row["value"] == found.find("pooled", "sensitivity", "global").value
    assert intervals(resample_table(measured(1), resamples=20)) == found


def test_means_of_a_resample_by_hand() -> None:
    sums, counts = np.array([[4.0, 0.0], [1.0, 3.0]]), np.array([[2.0, 0.0], [1.0, 1.0]])
    found = resampled_means(np.array([[2.0, 0.0], [1.0, 1.0]]), sums, counts)
    assert found[0, 0] == 2
    assert math.isnan(found[0, 1])
    assert found[1].tolist() == [5 / 3, 3]


def test_a_test_part_of_130_images_takes_about_a_second() -> None:
    table = measured(1, tuple(f"p{number // 4}" for number in range(130)), side=8)
    start = perf_counter()
    intervals(resample_table(table, resamples=2000))
    assert perf_counter() - start < 5  # measured .1 s; a busy machine is slower
