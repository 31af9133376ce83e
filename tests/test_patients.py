"""Statistics over patients: proportions, AUC, ICC, means, differences, power, each against another way."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lge_sweep.errors import ConfigError
from lge_sweep.metrics import ExamGrid, measure_exam
from lge_sweep.quantify import intraclass_correlation
from lge_sweep.report import patient_report, patients_markdown, print_tables
from lge_sweep.report.clinical_tables import QUANTITIES, agreement_frame
from lge_sweep.scoring import (
    MEASURES,
    clustered_auc,
    clustered_proportion,
    delong_auc,
    expected_presence,
    patient_differences,
    patient_presence,
    patient_summary,
    patients_needed,
    presence_frame,
    proportion,
    slice_presence,
    wilson,
)
from lge_sweep.scoring.bootstrap import draw_cases
from lge_sweep.scoring.patients import patient_values

# ---------------------------------------------------------------------------------------------------------- proportions


@pytest.mark.parametrize(("hits", "of"), [(0, 7), (7, 7), (1, 7), (33, 60), (27, 1000)])
def test_wilsons_interval_agrees_with_statsmodels(hits: int, of: int) -> None:
    other = pytest.importorskip("statsmodels.stats.proportion")
    found = proportion(hits, of)
    assert (found.low, found.high) == pytest.approx(other.proportion_confint(hits, of, method="wilson"), abs=1e-12)
    assert found.value == hits / of


def test_none_of_none_has_no_share() -> None:
    assert proportion(0, 0).value is None
    assert clustered_proportion([0, 0], [0, 0]).value is None


def test_slices_of_a_case_count_for_less_the_more_alike_they_are() -> None:
    mixed = clustered_proportion([2, 2, 2, 2, 2, 2], [4] * 6)  # no case differs from another
    assert (mixed.low, mixed.high) == pytest.approx(wilson(12, 24))
    apart = clustered_proportion([4, 4, 4, 0, 0, 0], [4] * 6)  # slices of a case are one
    variance = 6 / 5 * 6 * 2**2 / 24**2  # of the share, by hand
    assert (apart.low, apart.high) == pytest.approx(wilson(0.5 * 0.25 / variance, 0.25 / variance))
    assert apart.value == mixed.value == 0.5
    assert 0.25 / variance == pytest.approx(5)  # of 24 slices
    certain = clustered_proportion([4, 3, 5], [4, 3, 5])
    assert (certain.value, certain.low, certain.high) == (1, *wilson(3, 3))
    assert (clustered_proportion([3], [4]).low, clustered_proportion([3], [4]).of) == (wilson(0.75, 1)[0], 4)


# ------------------------------------------------------------------------------------------------------------------ AUC


def drawn_scores(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    has = random.random(40) < 0.6
    scores = random.normal(has * 1.0, 1.0)
    return (np.round(scores) if ties else scores), has


def delong_by_loops(scores: np.ndarray, has: np.ndarray) -> tuple[float, float]:
    """AUC and DeLong's variance, by placement values written as ranks (Sun and Xu 2014)."""
    positives, negatives = scores[has], scores[~has]
    m, n = len(positives), len(negatives)
    whole = stats.rankdata(np.concatenate([positives, negatives]))
    auc = (whole[:m].sum() / m - (m + 1) / 2) / n
    v01 = (whole[:m] - stats.rankdata(positives)) / n
    v10 = 1 - (whole[m:] - stats.rankdata(negatives)) / m
    return float(auc), float(np.cov(v01) / m + np.cov(v10) / n)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_auc_agrees_with_scikit_learn_and_its_interval_with_delongs_ranks(seed: int, ties: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores, has = drawn_scores(seed, ties)
    found = delong_auc(scores.tolist(), has.tolist())
    assert found.value == pytest.approx(metrics.roc_auc_score(has, scores))
    auc, variance = delong_by_loops(scores, has)
    half = 1.959963985 * math.sqrt(variance) / (auc * (1 - auc))
    assert (found.low, found.high) == pytest.approx(
        tuple(1 / (1 + math.exp(-(math.log(auc / (1 - auc)) + sign * half))) for sign in (-1, 1))
    )
    assert (found.positives, found.negatives) == (has.sum(), (~has).sum())


@pytest.mark.parametrize(("scores", "value"), [([3, 4, 5, 1, 2], 1.0), ([1, 1, 1, 2, 2], 0.0), ([0, 0, 0, 0, 0], 0.5)])
def test_an_auc_without_a_variance_has_an_interval_all_the_same(scores: list[float], value: float) -> None:
    """Newcombe's ends are where his equation says, found here by looking at a million places."""
    found = delong_auc(scores, [True, True, True, False, False])
    places = np.linspace(0, 1, 1_000_001)[1:-1]
    spread = 1 + 1.5 * ((1 - places) / (2 - places) + places / (1 + places))
    inside = places[(value - places) ** 2 <= 1.959963985**2 * places * (1 - places) * spread / 6]
    assert found.value == value
    assert found.low == pytest.approx(inside.min() if value > 0 else 0, abs=2e-6)
    assert found.high == pytest.approx(inside.max() if value < 1 else 1, abs=2e-6)


def test_an_auc_needs_both_kinds() -> None:
    assert delong_auc([1.0, 2.0], [True, True]).value is None
    assert clustered_auc([1.0], [False], ["a"]).value is None
    with pytest.raises(ValueError, match="scores must be finite"):
        delong_auc([math.nan, 1.0], [True, False])


def test_the_interval_of_slices_is_what_copying_the_cases_drawn_gives() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(3)
    cases = np.repeat([f"c{k}" for k in range(7)], [2, 5, 3, 4, 1, 6, 4])
    has = random.random(len(cases)) < 0.5
    scores = np.round(random.normal(has, 1.0), 1)
    found = clustered_auc(scores.tolist(), has.tolist(), cases.tolist(), resamples=200, seed=1)
    loop = []
    for draw in draw_cases(7, 200, np.random.default_rng(1)).astype(int):
        rows = np.concatenate([np.flatnonzero(cases == f"c{k}") for k, times in enumerate(draw) for _ in range(times)])
        if has[rows].any() and not has[rows].all():
            loop.append(metrics.roc_auc_score(has[rows], scores[rows]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(loop, [0.025, 0.975])))
    assert found.value == pytest.approx(metrics.roc_auc_score(has, scores))


def test_slices_that_are_all_ranked_right_have_the_interval_of_so_many_cases() -> None:
    found = clustered_auc([3.0, 4.0, 1.0, 5.0, 2.0], [True, True, False, True, False], list("aabbc"))
    cases = delong_auc([3.0, 4.0, 1.0, 2.0], [True, True, False, False])  # a and b have some, b and c have none
    assert (found.value, found.positives, found.negatives) == (1, 3, 2)
    assert (found.low, found.high) == pytest.approx((cases.low, cases.high))


# ------------------------------------------------------------------------------------------------------------- presence


def slices_of(**cases: list[tuple[int, int]]) -> pd.DataFrame:
    """A table of slices: case -> (true, predicted) pixels of each, a mL a pixel."""
    rows = [
        {"case": case, "slice": f"{case}{k}", "true_pixels": true, "predicted_pixels": found, "voxel_ml": 1.0}
        for case, slices in cases.items()
        for k, (true, found) in enumerate(slices)
    ]
    return pd.DataFrame(rows)


def test_presence_of_scar_by_hand() -> None:
    table = slices_of(hit=[(5, 3), (0, 2)], missed=[(4, 0), (2, 0)], alarm=[(0, 1), (0, 0)], clear=[(0, 0), (0, 0)])
    patients, slices = patient_presence(table), slice_presence(table)
    assert (patients.sensitivity.hits, patients.sensitivity.of) == (1, 2)
    assert (patients.specificity.hits, patients.specificity.of) == (1, 2)
    assert patients.auc.value == pytest.approx((1 + 1 + 0 + 0.5) / 4)  # 5 beats 1 and 0; 0 loses to 1, equals 0
    assert (slices.sensitivity.hits, slices.sensitivity.of) == (1, 3)
    assert (slices.specificity.hits, slices.specificity.of) == (3, 5)
    frame = presence_frame([patients, slices])
    assert frame["measure"].tolist() == ["sensitivity", "specificity", "auc"] * 2
    assert frame.loc[2, "score"] == "volume of scar found"
    given = patient_presence(table, [0.9, 0.8, 0.1, 0.2], "probability")
    assert (given.auc.value, given.score) == (1, "probability")


def test_the_presence_that_probabilities_expect_has_an_auc_of_its_own() -> None:
    rng = np.random.default_rng(31)
    true = rng.integers(0, 2, (12, 3)) * (np.arange(12) % 2)[:, None]
    table = slices_of(**{f"case{k}": [(5 * int(one), 0) for one in row] for k, row in enumerate(true)})
    assert expected_presence(table) == []  # not known
    expected = rng.random(36) + 0.4 * true.ravel()
    table = table.assign(expected_pixels=expected, voxel_ml=0.5)
    patients, slices = expected_presence(table)
    assert patients.auc.value == pytest.approx(roc_auc_score(true.any(axis=1), expected.reshape(12, 3).sum(axis=1)))
    assert slices.auc.value == pytest.approx(roc_auc_score(true.ravel(), expected))
    assert expected_presence(table.assign(expected_pixels=np.where(expected > 0.9, np.nan, expected))) == []
    frame = presence_frame([patient_presence(table), slice_presence(table)], expected_presence(table))
    own = frame[frame["measure"] == "auc_expected"]
    assert own["unit"].tolist() == ["patient", "slice"]
    assert own["value"].tolist() == [patients.auc.value, slices.auc.value]
    assert own["low"].notna().all()
    told = print_tables({"scar_presence": frame.assign(pipeline="ours")}, "here")
    assert "| AUC of probabilities, patients |" in told
    assert f"{slices.auc.value:.3f}" in told
    without = frame[frame["measure"] != "auc_expected"].assign(pipeline="a")
    assert "| AUC of probabilities" not in print_tables({"scar_presence": without}, "here")


@pytest.mark.parametrize("known", [True, False])
def test_agreement_of_volumes_is_left_out_where_no_spacing_is_known(known: bool) -> None:
    ml = {name for name, quantity in QUANTITIES.items() if quantity.unit == "mL"}
    columns = {f"{name}_{side}": [4.0, 6.0, 9.0] for name in QUANTITIES for side in ("predicted", "truth")}
    unknown = {
        name: np.nan for name in columns if name.removesuffix("_predicted").removesuffix("_truth") in ml and not known
    }
    frame = agreement_frame(pd.DataFrame({**columns, **unknown})).assign(pipeline="ours")
    told = print_tables({"patient_agreement": frame}, "here")
    assert ("| scar volume, mL |" in told) is known
    assert "| scar burden, % of wall |" in told


def test_without_a_spacing_of_all_the_score_is_pixels() -> None:
    table = slices_of(a=[(1, 4)], b=[(0, 3)]).assign(voxel_ml=[0.01, 9.0])
    assert patient_presence(table).auc.value == 0
    unknown = patient_presence(table.assign(voxel_ml=[0.01, np.nan]))
    assert (unknown.auc.value, unknown.score) == (1, "pixels of scar found")


# ------------------------------------------------------------------------------------------------------------------ ICC


def test_icc_of_shrout_and_fleiss_data() -> None:
    """The first two judges of their table 2, by statsmodels' analysis of variance and the formulas of the paper."""
    statsmodels = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    first, second = [9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2]
    long = pd.DataFrame({"y": [*first, *second], "case": [*range(6)] * 2, "rater": [0] * 6 + [1] * 6})
    table = anova.anova_lm(statsmodels.ols("y ~ C(case) + C(rater)", long).fit())
    r, c, e = (table["mean_sq"][name] for name in ("C(case)", "C(rater)", "Residual"))
    n, k = 6, 2
    value = (r - e) / (r + (k - 1) * e + k * (c - e) / n)
    found = intraclass_correlation(first, second)
    assert found.value == pytest.approx(value)
    # Shrout and Fleiss (1979), page 424, whose F ratio is of raters to error; the same interval in another form
    ratio = c / e
    freedom = ((k - 1) * (n - 1) * (k * value * ratio + n * (1 + (k - 1) * value) - k * value) ** 2) / (
        (n - 1) * k**2 * value**2 * ratio**2 + (n * (1 + (k - 1) * value) - k * value) ** 2
    )
    upper, lower = stats.f.ppf(0.975, n - 1, freedom), stats.f.ppf(0.975, freedom, n - 1)
    rest = k * c + (k * n - k - n) * e
    assert found.low == pytest.approx(n * (r - upper * e) / (upper * rest + n * r))
    assert found.high == pytest.approx(n * (lower * r - e) / (rest + n * lower * r))


def test_icc_is_lowered_by_an_offset_and_is_missing_where_it_means_nothing() -> None:
    truth = [1.0, 4.0, 6.0, 9.0, 12.0]
    assert vars(intraclass_correlation(truth, truth))["value"] == 1
    shifted = intraclass_correlation([value + 5 for value in truth], truth).value
    assert shifted is not None
    variance = np.var(truth, ddof=1)
    assert shifted == pytest.approx(2 * variance / (2 * variance + 25))  # R = 2 s^2, E = 0, C = n 25 / 2
    assert intraclass_correlation([1.0, 2.0, None], [1.0, 3.0, 4.0]).value is None  # two cases
    assert intraclass_correlation([2.0] * 4, [2.0] * 4).value is None
    assert intraclass_correlation([1.0, 2.0, 4.0, None], [1.0, 3.0, 4.0, 5.0]).missing == 1


@pytest.mark.parametrize(
    "pairs",
    [
        [(0.7, -0.6), (1.3, -1.2), (-0.1, 0.2)],  # no degree of freedom is left: quantiles of F are NaN
        [(0.0, -0.6), (1.2, -1.8), (1.6, -2.0)],  # few: one is infinite
    ],
)
def test_an_intraclass_correlation_of_three_cases_has_its_limit_as_interval(pairs: list[tuple[float, float]]) -> None:
    """A comparison of pipelines warned of an invalid division, and had an interval of NaN."""
    both = np.array(pairs)
    found = intraclass_correlation(both[:, 0].tolist(), both[:, 1].tolist())
    rows = both.mean(axis=1, keepdims=True)
    raters = 3 * ((both.mean(axis=0) - both.mean()) ** 2).sum()
    error = ((both - rows - both.mean(axis=0) + both.mean()) ** 2).sum() / 2
    limit = -3 * error / (2 * raters + error)
    assert found.value is not None
    assert (found.low, found.high) == pytest.approx((limit, limit))


@pytest.mark.parametrize(("count", "value"), [(3, -3), (4, -2), (6, -1.5)])
def test_an_intraclass_correlation_of_a_measurement_that_mirrors_the_truth_is_the_lowest(
    count: int, value: float
) -> None:
    """It ended in a division by zero: no variance between cases, none between raters."""
    truth = list(map(float, range(count)))
    found = intraclass_correlation(truth[::-1], truth)
    assert (found.value, found.low, found.high) == pytest.approx((value,) * 3)  # -n / (n - 2)


def test_an_intraclass_correlation_of_what_differs_by_a_rounding_error_is_1() -> None:
    """It ended in a division by zero."""
    found = intraclass_correlation([10.0, 20.0, 0.1 + 0.2], [10.0, 20.0, 0.3])
    assert (found.value, found.low, found.high) == (1, 1, 1)


# ----------------------------------------------------------------------------------------- means, differences and power


def patients(seed: int, count: int = 9) -> pd.DataFrame:
    """Patients measured: every third has no scar, and the prediction of the first finds some all the same."""
    random, truths = np.random.default_rng(seed), np.random.default_rng(0)
    tables = []
    for number in range(count):
        truth = truths.choice([0, 1, 2, 3], size=(3, 8, 8)).astype(np.uint8)
        truth = np.where((truth == 3) & (number % 3 == 0), 2, truth).astype(np.uint8)
        found = np.where(random.random(truth.shape) < 0.7, truth, random.permuted(truth)).astype(np.uint8)
        found[0, 0, 0] = 3 if number == 0 else found[0, 0, 0]
        grid = ExamGrid((1.5, 1.5, 8.0), (0, 1, 2))
        tables.append(measure_exam(found, truth, grid, 2.0).assign(case=f"p{number}"))
    return pd.concat(tables, ignore_index=True)


def test_a_mean_over_patients_and_its_interval_are_what_a_loop_gives() -> None:
    table = patients(1)
    found = patient_summary(table, resamples=300, seed=4).set_index("measure")
    scar = table[table["structure"] == "scar"].reset_index(drop=True)
    assert found.loc["scar_emidec_dice", "patients"] == 9
    assert found.loc["scar_emidec_dice", "mean"] == pytest.approx(scar["emidec_dice"].mean())
    assert scar["emidec_dice"].tolist()[:4:3] == [0, 1]  # a false alarm; nothing in either
    each = table.groupby("case", sort=False)["emidec_dice"].mean()
    assert found.loc["mean_emidec_dice", "mean"] == pytest.approx(each.mean())
    assert found.loc["mean_emidec_dice", "median"] == pytest.approx(each.median())
    assert found.loc["scar_dice", "patients"] == 6
    with_scar = scar[scar["true_voxels"] > 0]
    assert found.loc["scar_dice", "mean"] == pytest.approx(with_scar["dice"].mean())
    assert found.loc["scar_hd95_mm", "median"] == pytest.approx(with_scar["hd95_mm"].median())
    assert found.loc["scar_volume_ml", "mean"] == pytest.approx(scar["error_ml"].abs().mean())
    loop = []
    for draw in draw_cases(9, 300, np.random.default_rng(4)).astype(int):
        values = [
            v for v, t, times in zip(scar["dice"], scar["true_voxels"], draw, strict=True) if t for _ in range(times)
        ]
        loop.append(np.mean(values))
    low, high = np.quantile(loop, [0.025, 0.975])
    assert (found.loc["scar_dice", "low"], found.loc["scar_dice", "high"]) == pytest.approx((low, high))


def test_a_difference_is_paired_by_patient_whatever_the_order_of_rows() -> None:
    one, other = patients(1), patients(2)
    found = patient_differences(one, other.sample(frac=1, random_state=0), resamples=300).set_index("measure")
    walls = [table[table["structure"] == "wall"]["dice"].to_numpy() for table in (one, other)]
    differences = walls[0] - walls[1]
    wall = found.loc["wall_dice"]
    assert (wall["mean"], wall["sd"]) == pytest.approx((differences.mean(), differences.std(ddof=1)))
    draws = draw_cases(9, 300, np.random.default_rng(0))
    assert (wall["low"], wall["high"]) == pytest.approx(tuple(np.quantile(draws @ differences / 9, [0.025, 0.975])))
    assert wall["needed"] == patients_needed(float(differences.mean()), float(differences.std(ddof=1)))
    same = patient_differences(one, one).set_index("measure")
    assert (same["mean"] == 0).all()
    assert same["needed"].isna().all()
    with pytest.raises(ConfigError, match="not measured on the same patients: p8 in one of them only"):
        patient_differences(one, other[other["case"] != "p8"])


@pytest.mark.parametrize(("mean", "sd"), [(0.05, 0.05), (0.02, 0.1), (-0.3, 0.4), (0.1, 2.0)])
def test_the_patients_needed_agree_with_statsmodels(mean: float, sd: float) -> None:
    power = pytest.importorskip("statsmodels.stats.power")
    needed = patients_needed(mean, sd)
    assert needed is not None
    exact = power.TTestPower().solve_power(effect_size=abs(mean) / sd, power=0.8, alpha=0.05, alternative="two-sided")
    assert needed == math.ceil(float(exact))


@pytest.mark.parametrize(
    ("mean", "sd", "needed"), [(0.0, 1.0, None), (math.nan, 1.0, None), (1.0, 0.0, 2), (1e-6, 1.0, None)]
)
def test_the_patients_needed_at_the_edges(mean: float, sd: float, needed: Any) -> None:
    assert patients_needed(mean, sd) == needed


def test_the_tables_of_patients_say_what_was_compared_and_what_has_no_value() -> None:
    both = pd.concat([patients(1).assign(pipeline="a|b"), patients(2).assign(pipeline="ours")], ignore_index=True)
    cases = both["case"].drop_duplicates().tolist()
    table = slices_of(**{case: [(5 * (number % 3 > 0), number % 2), (0, 1)] for number, case in enumerate(cases)})
    slices = pd.concat([table.assign(pipeline=name) for name in ("a|b", "ours")], ignore_index=True)
    report = patient_report(both, slices, "ours")
    lines = {
        str(line["pipeline"]): line for line in report.summary.to_dict("records") if line["measure"] == "wall_dice"
    }
    differences = patient_differences(patients(1), patients(2)).to_dict("records")
    (want,) = [line for line in differences if line["measure"] == "wall_dice"]
    for column, name in (("difference", "mean"), ("difference_low", "low"), ("needed", "needed")):
        assert lines["a|b"][column] == want[name]
        assert np.isnan(lines["ours"][column])
    shares = report.agreement.query("pipeline == 'ours' and quantity == 'scar_percent'").iloc[0]
    scar = patients(2).query("structure == 'scar'")
    icc = intraclass_correlation(scar["predicted_percent"].tolist(), scar["true_percent"].tolist())
    assert (shares["icc"], shares["icc_low"]) == (icc.value, icc.low)
    assert shares["bias"] == pytest.approx(scar["share_error_percent"].mean())
    text = patients_markdown(report, both, "Test subset, n = 18 slices of 9 patients.")
    rows = [line for line in text.splitlines() if line.startswith(r"| a\|b |")]
    assert len(rows) == 4  # means, presence, two quantities
    assert f"{lines['a|b']['mean']:.3f} ({lines['a|b']['low']:.3f} to " in rows[0]
    assert text.count("Test subset, n = 18 slices of 9 patients.") == 3
    assert "have no known spacing" not in text
    lost = both.assign(**dict.fromkeys(("hd_mm", "hd95_mm", "assd_mm", "nsd", "true_ml", "error_ml"), np.nan))
    told = patients_markdown(patient_report(lost, slices, "ours"), lost, "Test subset.")
    assert "9 of 9 patients have no known spacing: they have no mm and no mL" in told
    first = next(line for line in told.splitlines() if line.startswith("| ours |"))
    assert first.split(" | ")[7] == "-"  # scar volume difference


def test_a_single_patient_has_no_interval() -> None:
    found = patient_summary(patients(1, count=1))
    assert found["low"].isna().all()
    assert set(patient_values(patients(1, count=1)).columns) == set(MEASURES)
