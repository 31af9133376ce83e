"""The statistics of doubt: the bootstrap against scipy and by enumeration, the tests against scipy and by hand."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from lge_sweep.errors import ConfigError
from lge_sweep.labels import SCORED
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.scoring.bootstrap import case_sums, coverage, rank_chances
from lge_sweep.scoring.paired import (
    compare_tables,
    compare_with_others,
    friedman,
    holm,
    over_classes,
    per_case,
    wide,
    wilcoxon,
)
from lge_sweep.scoring.scores import RULES, global_metrics, score
from lge_sweep.scoring.uncertainty import Candidate, Standing, Uncertainty, assess_uncertainty, score_difference
from lge_sweep.scoring.uncertainty_notes import alike_rule

CLASSES = ("background", "myocardium", "scar")


def table(values: Mapping[str, Sequence[Sequence[float]]], classes: Sequence[str] = CLASSES) -> pd.DataFrame:
    """Case -> images -> value of each class, the same for all six metrics."""
    rows = [
        {"image": f"{case}-{number}", "case": case, "class": name, **dict.fromkeys(SCORED, value)}
        for case, images in values.items()
        for number, image in enumerate(images)
        for name, value in zip(classes, image, strict=True)
    ]
    return pd.DataFrame(rows)


def simple(*per_case: float) -> pd.DataFrame:
    """One image a case, one class."""
    return table({f"c{number:02}": [[value]] for number, value in enumerate(per_case)}, ("background",))


def noisy(seed: int, cases: int = 12, shift: float = 0.0, scarless: int = 4) -> pd.DataFrame:
    """1 to 4 images a case, every metric different; the last `scarless` cases have no scar."""
    random = np.random.default_rng(seed)
    counts = np.random.default_rng(7).integers(1, 5, size=cases)
    found = table({f"c{case:02}": [[0.9, 0.5, 0.2]] * int(counts[case]) for case in range(cases)})
    noise = random.normal(shift, 0.05, size=(len(found), len(SCORED)))
    found[list(SCORED)] += noise + 0.1 * random.normal(size=cases)[found["case"].str[1:].astype(int), None]
    without = (found["class"] == "scar") & (found["case"].str[1:].astype(int) >= cases - scarless)
    found.loc[without, ["dice", "iou", "f1", "bf", "sensitivity"]] = np.nan
    return found


def direct(found: pd.DataFrame, rule: str, emphasis: dict[str, float] | None = None) -> float:
    """The score as selection has it: image means by class, global metrics, score."""
    means = found.groupby("class", sort=False)[list(SCORED)].mean()
    by_class = {m: {str(c): None if np.isnan(v) else float(v) for c, v in means[m].items()} for m in SCORED}
    return score(global_metrics(by_class, emphasis), rule).value


def repeated(found: pd.DataFrame, draw: Sequence[str]) -> pd.DataFrame:
    """The images of the cases drawn, as often as they were drawn."""
    return pd.concat([found[found["case"] == case] for case in draw])


def standing(result: Uncertainty, name: str) -> Standing:
    return next(entry for entry in result.standings if entry.name == name)


def known(value: float | None) -> float:
    assert value is not None
    return value


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("emphasis", [None, {"background": 0.0, "scar": 2.0}])
def test_the_score_of_all_cases_is_that_of_selection(rule: str, emphasis: dict[str, float] | None) -> None:
    found = noisy(1).sample(frac=1, random_state=0)
    result = assess_uncertainty([Candidate("a", [found])], "a", rule, emphasis, resamples=2)
    assert result.standings[0].score == pytest.approx(direct(found, rule, emphasis), abs=1e-12)


def test_the_score_agrees_with_evaluate_and_aggregate() -> None:
    random = np.random.default_rng(3)
    truth, prediction = random.integers(0, 3, size=(2, 6, 16, 16))
    truth[4:] = 0
    measured = evaluate(prediction, truth, CLASSES, cases=[1, 1, 1, 2, 2, 3])
    expected = score(global_metrics(_without_global(measured)), "weighted").value
    result = assess_uncertainty([Candidate("a", [measured])], "a", "weighted", resamples=5)
    assert result.standings[0].score == pytest.approx(expected, abs=1e-12)
    assert (result.cases, result.images) == (3, 6)
    spread = over_classes(wide(measured)).std(ddof=1)
    assert {metric: pytest.approx(spread[metric]) for metric in SCORED} == {
        metric: aggregate(measured).std[metric] for metric in SCORED
    }


def _without_global(measured: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    means = aggregate(measured).image_mean
    return {metric: {name: means[metric][name] for name in CLASSES} for metric in SCORED}


def test_every_possible_resample_of_three_cases_is_scored_as_its_images_are() -> None:
    emphasis = {"scar": 3.0, "myocardium": 0.5}
    found = noisy(2, cases=3, scarless=2)
    names = sorted(found["case"].unique())
    draws = list(itertools.product(names, repeat=3))
    counts = np.array([[draw.count(name) for name in names] for draw in draws], dtype=float)
    scores = case_sums(wide(found), "weighted", emphasis).scores(counts)
    for draw, value in zip(draws, scores, strict=True):
        drawn = repeated(found, draw)
        if drawn["dice"].isna().groupby(drawn["class"]).all().any():
            assert np.isnan(value), draw
        else:
            assert value == pytest.approx(direct(drawn, "weighted", emphasis), abs=1e-12), draw
    assert np.isnan(scores).sum() == 2**3  # the two scarless cases alone


def test_intervals_and_chances_are_those_of_the_enumerated_distribution() -> None:
    a, b = [0.1, 0.5, 0.9], [0.4, 0.5, 0.5]
    draws = np.array(list(itertools.product(range(3), repeat=3)))
    means = np.stack([np.array(a)[draws].mean(1), np.array(b)[draws].mean(1)]).round(12)
    result = assess_uncertainty(
        [Candidate("a", [simple(*a)]), Candidate("b", [simple(*b)])], "a", "mean", resamples=20000
    )
    tied = (means[0] == means[1]).mean()
    assert tied > 0
    assert standing(result, "a").best == pytest.approx((means[0] > means[1]).mean() + tied / 2, abs=0.015)
    assert standing(result, "b").best == pytest.approx((means[0] < means[1]).mean() + tied / 2, abs=0.015)
    low, high = np.quantile(means[0], [0.025, 0.975], method="inverted_cdf")
    assert (standing(result, "a").low, standing(result, "a").high) == pytest.approx((low, high), abs=1e-9)
    low, high = np.quantile(means[1] - means[0], [0.025, 0.975], method="inverted_cdf")
    assert standing(result, "b").difference_low == pytest.approx(low, abs=1e-9)
    assert standing(result, "b").difference_high == pytest.approx(high, abs=1e-9)


def test_the_intervals_agree_with_scipys_bootstrap_over_cases() -> None:
    a, b = noisy(1, cases=15, scarless=0), noisy(2, cases=15, shift=0.03, scarless=0)
    names = sorted(a["case"].unique())
    groups = [dict(list(found.groupby("case"))) for found in (a, b)]
    sums = [np.array([g[c].groupby("class", sort=False)[list(SCORED)].sum() for c in names]) for g in groups]
    sizes = np.array([len(groups[0][case]) / 3 for case in names])
    weights = np.array([RULES["weighted"][metric] for metric in SCORED])

    def statistic(which: Callable[[list[float]], float]) -> Callable[[np.ndarray], float]:
        def of(places: np.ndarray) -> float:
            drawn = places.astype(int)
            scores = [float((s[drawn].sum(0) / sizes[drawn].sum()).mean(0) @ weights) for s in sums]
            return which(scores)

        return of

    result = assess_uncertainty([Candidate("a", [a]), Candidate("b", [b])], "a", "weighted", resamples=4000)
    b_standing = standing(result, "b")
    expected = {
        (standing(result, "a").low, standing(result, "a").high): lambda scores: scores[0],
        (b_standing.low, b_standing.high): lambda scores: scores[1],
        (b_standing.difference_low, b_standing.difference_high): lambda scores: scores[1] - scores[0],
    }
    for (low, high), which in expected.items():
        reference = stats.bootstrap(
            (np.arange(15.0),), statistic(which), n_resamples=4000, vectorized=False, method="percentile", rng=5
        ).confidence_interval
        width = reference.high - reference.low
        assert low == pytest.approx(reference.low, abs=0.06 * width)
        assert high == pytest.approx(reference.high, abs=0.06 * width)


def test_cases_are_drawn_whole() -> None:
    one_each = table({f"c{case:02}": [[0.01 * case]] for case in range(12)}, ("background",))
    ten_each = table({f"c{case:02}": [[0.01 * case]] * 10 for case in range(12)}, ("background",))
    first, second = (
        assess_uncertainty([Candidate("a", [found])], "a", "mean").standings[0] for found in (one_each, ten_each)
    )
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


@pytest.mark.parametrize("collapsed", [(), ("scar",)])
def test_rank_chances_sum_to_one_over_ranks_and_over_candidates(collapsed: tuple[str, ...]) -> None:
    candidates = [Candidate(f"m{seed}", [noisy(seed)]) for seed in range(5)]
    candidates.append(Candidate("last", [noisy(9, shift=0.2)], collapsed))
    result = assess_uncertainty(candidates, "m0", "mean", resamples=500)
    ranks = np.array([entry.ranks for entry in result.standings if entry.ranks])
    assert ranks.shape == ((5, 5) if collapsed else (6, 6))
    assert ranks.sum(axis=0) == pytest.approx(np.ones(len(ranks)))
    assert ranks.sum(axis=1) == pytest.approx(np.ones(len(ranks)))
    for entry in result.standings:
        if entry.ranks:
            assert entry.best == entry.ranks[0]
            assert entry.expected_rank == pytest.approx(np.arange(1, len(ranks) + 1) @ np.array(entry.ranks))
            assert known(entry.low) < entry.score < known(entry.high)
    assert [entry.score for entry in result.standings] == sorted((e.score for e in result.standings), reverse=True)


def test_a_collapsed_candidate_has_no_chance_and_no_rank() -> None:
    values = [0.5, 0.6, 0.4, 0.7]
    better = simple(*(value + 0.2 for value in values))
    result = assess_uncertainty([Candidate("a", [simple(*values)]), Candidate("b", [better], ("cavity",))], "a", "mean")
    assert (standing(result, "b").best, standing(result, "b").expected_rank, standing(result, "b").ranks) == (
        0.0, None, (),
    )  # fmt: skip
    assert standing(result, "a").best == 1.0
    assert standing(result, "b").difference == pytest.approx(0.2)
    assert result.sentence == "a is the only one of 2 configurations that did not collapse"
    with pytest.raises(ConfigError, match="must not have collapsed while another configuration stands, got b"):
        assess_uncertainty([Candidate("a", [simple(*values)]), Candidate("b", [better], ("cavity",))], "b", "mean")


def test_when_all_collapsed_all_are_ranked_and_it_is_said() -> None:
    tables = [simple(0.5, 0.6, 0.7), simple(0.1, 0.2, 0.3)]
    result = assess_uncertainty([Candidate(n, [t], ("scar",)) for n, t in zip("ab", tables, strict=True)], "a", "mean")
    assert [entry.best for entry in result.standings] == [0.875, 0.125]  # what 3 cases can show
    assert result.sentence.startswith("Every configuration collapsed, so the choice is moot; a is best with")


@pytest.mark.parametrize("cases", [3, 8])
@pytest.mark.parametrize("lost", ["", "d", "cd", "abcd"])
def test_who_is_alike_is_counted_once_for_sentence_and_list(cases: int, lost: str) -> None:
    """Of four that differ by noise, as many are alike as did not collapse, the winner left out."""
    noise = np.random.default_rng(3).normal(0, 0.05, size=(4, cases))
    pair = [
        Candidate(name, [simple(*(0.5 + row))], ("scar",) if name in lost else ())
        for name, row in zip("abcd", noise, strict=True)
    ]
    result = assess_uncertainty(pair, "a", "mean", resamples=400)
    assert all(entry.alike for entry in result.standings)  # the premise: no score is told from the winner's
    want = [name for name in "bcd" if lost == "abcd" or name not in lost]
    assert sorted(result.alike) == want
    assert f"; {len(want)} other configuration{'s' * (len(want) > 1)} cannot be told apart from" in result.sentence


def test_the_rule_names_the_fewest_cases() -> None:
    assert "95 % interval" in alike_rule(0.95)
    assert "fewer than 6 cases" in alike_rule(0.95)
    assert "fewer than 8 cases" in alike_rule(0.99)  # 2 * 2^-8 < .01 < 2 * 2^-7


def test_identical_candidates_share_the_ranks_and_are_listed_in_the_order_given() -> None:
    found = noisy(4)
    result = assess_uncertainty([Candidate(name, [found.copy()]) for name in "bca"], "b", "weighted", resamples=300)
    assert [entry.name for entry in result.standings] == ["b", "c", "a"]
    assert [entry.ranks for entry in result.standings] == [pytest.approx((1 / 3, 1 / 3, 1 / 3))] * 3
    assert [entry.expected_rank for entry in result.standings] == [pytest.approx(2)] * 3
    assert result.sentence == "b is best with probability .33; 2 other configurations cannot be told apart from it"
    assert len({entry.score for entry in result.standings}) == 1
    assert all(entry.alike and entry.difference_low == entry.difference_high == 0 for entry in result.standings)
    assert {comparison.p for comparison in result.comparisons} == {1.0}
    assert {(test.statistic, test.p) for test in result.friedman} == {(0.0, 1.0)}
    total = result.resamples
    assert any(note.startswith(f"in {total} of {total} resamples the best had equal scores") for note in result.notes)


def test_a_clearly_better_candidate_is_certain() -> None:
    values = np.linspace(0.2, 0.6, 12)
    wiggle = 0.01 * np.cos(np.arange(12))
    result = assess_uncertainty(
        [Candidate("bad", [simple(*values)]), Candidate("good", [simple(*(values + 0.1 + wiggle))])], "good", "mean"
    )
    assert [entry.name for entry in result.standings] == ["good", "bad"]
    assert [entry.best for entry in result.standings] == pytest.approx([1 - 2**-12, 2**-12])
    assert standing(result, "bad").alike is False
    assert known(standing(result, "bad").difference_high) < 0
    # only the paired interval can tell
    assert known(standing(result, "good").low) < known(standing(result, "bad").high)
    assert result.sentence == (
        "good is best with probability above .99; the other configuration can be told apart from it"
    )
    assert not any("Wilcoxon" in note or "few" in note for note in result.notes)


def test_seeds_enter_the_score_and_widen_the_interval() -> None:
    values = np.linspace(0.4, 0.6, 12)
    seeds = [simple(*(values + shift)) for shift in (-0.2, 0.0, 0.2)]
    one = assess_uncertainty([Candidate("a", [simple(*values)])], "a", "mean").standings[0]
    three = assess_uncertainty([Candidate("a", seeds)], "a", "mean").standings[0]
    assert three.score == pytest.approx(one.score)
    assert known(three.high) - known(three.low) > 3 * (known(one.high) - known(one.low))
    same = assess_uncertainty([Candidate("a", [simple(*values)] * 3)], "a", "mean").standings[0]
    assert (same.low, same.high) == pytest.approx((one.low, one.high))


def test_two_seeds_of_constant_cases_give_the_binomial() -> None:
    seeds = [simple(0.4, 0.4, 0.4), simple(0.6, 0.6, 0.6)]
    fixed = Candidate("b", [simple(0.5001, 0.5001, 0.5001)])
    result = assess_uncertainty([Candidate("a", seeds), fixed], "b", "mean", resamples=8000)
    assert standing(result, "a").best == pytest.approx(0.25, abs=0.02)
    assert standing(result, "b").best == pytest.approx(0.75, abs=0.02)
    assert any(note.startswith("some configurations were trained once") for note in result.notes)


def test_tests_on_seeds_use_their_mean_per_case() -> None:
    a, low, high = [0.5, 0.6, 0.7, 0.55], [0.1, 0.2, 0.5, 0.3], [0.3, 0.6, 0.7, 0.5]
    middle = [(x + y) / 2 for x, y in zip(low, high, strict=True)]
    seeds = assess_uncertainty(
        [Candidate("a", [simple(*a)]), Candidate("b", [simple(*low), simple(*high)])], "a", "mean", None, resamples=2
    )
    mean = assess_uncertainty(
        [Candidate("a", [simple(*a)]), Candidate("b", [simple(*middle)])], "a", "mean", None, resamples=2
    )
    assert seeds.comparisons == mean.comparisons
    assert seeds.comparisons[0].median_difference == pytest.approx(0.175)  # of .3, .2, .1 and .15


def test_resamples_without_a_class_are_left_out_for_all_and_counted() -> None:
    nan = np.nan
    with_scar = {"c1": [[0.9, 0.5, 0.1]], "c2": [[0.8, 0.4, nan]], "c3": [[0.7, 0.6, nan]]}
    full = {"c1": [[0.9, 0.5, 0.1]], "c2": [[0.8, 0.4, 0.0]], "c3": [[0.7, 0.6, 0.0]]}
    result = assess_uncertainty(
        [Candidate("a", [table(with_scar)]), Candidate("b", [table(full)])], "a", "mean", resamples=9000
    )
    assert result.left_out + result.resamples == 9000
    assert result.left_out / 9000 == pytest.approx((2 / 3) ** 3, abs=0.02)
    assert f"{result.left_out} of 9000 resamples left some class without a value and were not used" in result.notes


def test_a_class_that_does_not_count_costs_no_resample() -> None:
    found = noisy(6, cases=5)
    result = assess_uncertainty([Candidate("a", [found])], "a", "weighted", {"scar": 0.0}, resamples=200)
    assert (result.left_out, result.resamples) == (0, 200)
    assert result.standings[0].score == pytest.approx(direct(found, "weighted", {"scar": 0.0}), abs=1e-12)


def test_a_metric_missing_on_the_whole_table_gives_its_weight_away_and_costs_no_resample() -> None:
    found = noisy(5, scarless=0)
    found.loc[found["class"] == "scar", "bf"] = np.nan
    result = assess_uncertainty([Candidate("a", [found])], "a", "weighted", resamples=50)
    assert result.left_out == 0
    assert result.standings[0].score == pytest.approx(direct(found, "weighted"), abs=1e-12)


def test_one_case_gives_scores_but_no_intervals() -> None:
    found = [table({"c1": [[0.9, 0.5, 0.1], [0.8, 0.4, 0.2]]}), table({"c1": [[0.9, 0.4, 0.1], [0.8, 0.4, 0.1]]})]
    result = assess_uncertainty([Candidate(n, [t]) for n, t in zip("ab", found, strict=True)], "a", "mean")
    first, second = result.standings
    assert first.score > second.score
    assert (second.low, second.high, second.best, second.expected_rank, second.ranks) == (None, None, None, None, ())
    assert (second.difference_low, second.alike, first.alike, result.resamples) == (None, None, True, 0)
    assert result.sentence == "a is selected, but how sure that is cannot be said: there is only 1 case"
    assert "only 1 case: no interval and no probability can be had from it" in result.notes
    json.dumps(asdict(result), allow_nan=False)


def test_images_without_a_case_are_one_case() -> None:
    found = table({"x": [[0.9, 0.5, 0.1], [0.8, 0.4, 0.2]]}).assign(case=None)
    assert assess_uncertainty([Candidate("a", [found])], "a", "mean").cases == 1


@pytest.mark.parametrize(("names", "times"), [("a", 0), ("ab", 1), ("abc", 1)])
def test_the_winners_score_is_called_optimistic_once_where_there_was_a_choice(names: str, times: int) -> None:
    result = assess_uncertainty(
        [Candidate(name, [noisy(seed)]) for seed, name in enumerate(names)], "a", "mean", resamples=20
    )
    assert sum("optimistic" in note for note in result.notes) == times


def test_one_candidate_has_an_interval_and_nothing_to_compare() -> None:
    result = assess_uncertainty([Candidate("a", [noisy(1)])], "a", "mean")
    assert known(result.standings[0].low) < result.standings[0].score < known(result.standings[0].high)
    assert (result.standings[0].best, result.comparisons, result.friedman) == (1.0, (), ())
    assert result.sentence == "a is the only configuration: there is nothing to compare it with"


@pytest.mark.parametrize(("cases", "shown"), [(2, ".75"), (3, ".88"), (5, ".97"), (6, ".98"), (7, "above .99")])
def test_no_probability_is_above_what_so_many_cases_can_show(cases: int, shown: str) -> None:
    # Reference: the sign test. Its smallest one-sided p, with all cases on one side, is 2^-cases.
    least = stats.binomtest(cases, cases, alternative="greater").pvalue
    base = np.linspace(0.3, 0.6, cases)
    pair = [Candidate("a", [simple(*(base + 0.1 + 0.01 * base))]), Candidate("b", [simple(*base)])]
    result = assess_uncertainty(pair, "a", "mean", resamples=400)
    assert [entry.best for entry in result.standings] == pytest.approx([1 - least, least])
    difference = score_difference(pair[0], pair[1], "mean", resamples=400)
    assert difference.best == pytest.approx(1 - least)
    tells = cases >= 6  # two-sided p below .05, as for Wilcoxon's test
    assert bool(2 * least < 0.05) is tells
    assert [entry.alike for entry in result.standings] == [True, not tells]
    ending = "the other configuration can" if tells else "1 other configuration cannot"
    assert result.sentence == (
        f"a is best with probability {shown}; {ending} be told apart from it (from {cases} cases: no proof)"
    )
    note = f"{cases} cases tell no two configurations apart at 95 %: it takes 6"
    assert (note in result.notes) is not tells


def test_what_few_cases_cannot_show_is_spread_over_all_ranks() -> None:
    # c is last in every resample; 1 may only be .75, so the whole is drawn towards 1/3 by w with 1 - w + w/3 = .75.
    scores = np.array([[0.5, 0.4, 0.1], [0.4, 0.5, 0.1]])
    w = 0.375
    want = [[0.5 * (1 - w) + w / 3] * 2 + [w / 3]] * 2 + [[w / 3] * 2 + [0.75]]
    np.testing.assert_allclose(rank_chances(scores, 2), want, atol=1e-12)
    np.testing.assert_allclose(
        rank_chances(scores, 60), [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], atol=1e-12
    )


def test_equal_scores_share_the_ranks_that_they_take() -> None:
    scores = np.array([[0.5, 0.5, 0.5, 0.1], [0.9, 0.5, 0.5, 0.5 + 1e-15]])  # the last: rounding noise is no lead
    want = [[1 / 3 + 1, 1 / 3, 1 / 3, 0], *[[1 / 3, 2 / 3, 2 / 3, 1 / 3]] * 2, [0, 1 / 3, 1 / 3, 4 / 3]]
    np.testing.assert_allclose(rank_chances(scores, 60), np.array(want) / 2, atol=1e-12)


def test_a_tie_of_the_best_is_never_called_certain_and_no_other_is_called_better() -> None:
    base = np.linspace(0.3, 0.6, 12)
    worse = Candidate("c", [simple(*(base - 0.1))])
    result = assess_uncertainty(
        [*(Candidate(name, [simple(*base)]) for name in "ab"), worse], "b", "mean", resamples=300
    )
    assert [entry.best for entry in result.standings] == pytest.approx([0.5, 0.5, 0], abs=2**-11)
    assert result.sentence == "b is best with probability .50; 1 other configuration cannot be told apart from it"
    assert "in 300 of 300 resamples the best had equal scores and share their ranks" in result.notes


def level_case(count: int) -> list[float]:
    return [0.5 + 0.1 * np.sin(3 * case) for case in range(count)]


@pytest.mark.parametrize(
    ("others", "ending"),
    [
        (["far"], "the other configuration can be told apart"),
        (["far", "farther"], "every other configuration can be told apart"),
        (["near", "far"], "1 other configuration cannot be told apart"),
        (["near", "near2", "far"], "2 other configurations cannot be told apart"),
    ],
)
def test_the_sentence_counts_those_that_cannot_be_told_apart(others: list[str], ending: str) -> None:
    base, jitter = np.array(level_case(12)), 0.05 * (-1) ** np.arange(12)
    tables = {
        "a": base,
        "near": base + jitter - 0.004,
        "near2": base + jitter - 0.008,
        "far": base - 0.2,
        "farther": base - 0.3,
    }
    result = assess_uncertainty(
        [Candidate(name, [simple(*tables[name])]) for name in ("a", *others)], "a", "mean", names={"a": "A"}
    )
    chance = known(standing(result, "a").best)
    assert chance == max(known(entry.best) for entry in result.standings)
    shown = f"{chance:.2f}"[1:] if chance < 0.99 else "above .99"
    assert result.sentence == f"A is best with probability {shown}; {ending} from it"


def test_the_sentence_says_when_another_is_more_often_best() -> None:
    base = level_case(12)
    better = Candidate("b", [simple(*(value + 0.1 for value in base))])
    result = assess_uncertainty([Candidate("a", [simple(*base)]), better], "a", "mean", names={"b": "B"})
    assert result.sentence == (
        "a is best with probability below .01 only, B with above .99; "
        "the other configuration can be told apart from a (1 clearly scores higher)"
    )


@pytest.mark.parametrize(
    ("cases", "others", "warned"), [(5, 1, True), (6, 1, False), (6, 2, True), (9, 12, False), (9, 13, True)]
)
def test_it_is_said_when_no_wilcoxon_test_can_be_significant(cases: int, others: int, warned: bool) -> None:
    base = np.linspace(0.3, 0.5, cases)
    worse = [Candidate(f"w{i}", [simple(*(base - 0.1 - 0.01 * base))]) for i in range(others)]
    result = assess_uncertainty([Candidate("a", [simple(*base)]), *worse], "a", "mean", resamples=2)
    assert any("no Wilcoxon test can reach .05" in note for note in result.notes) is warned
    assert (min(known(comparison.p_holm) for comparison in result.comparisons) >= 0.05) is warned
    limit, student = 1.959964 * (1 - 1 / cases) ** 0.5, stats.t(cases - 1)
    held = round(100 * float(student.cdf(limit) - student.cdf(-limit)))
    expected = f"such an interval from {cases} cases holds the truth in about {held} of 100"
    assert f"95 % intervals are too narrow: {expected}" in result.notes


def test_how_often_a_bootstrap_interval_of_few_cases_holds_the_truth() -> None:
    random = np.random.default_rng(0)
    samples, draws = random.normal(size=(3000, 10)), random.integers(0, 10, (500, 10))
    low, high = np.quantile(samples[:, draws].mean(axis=2), [0.025, 0.975], axis=1)
    assert ((low < 0) & (high > 0)).mean() == pytest.approx(coverage(10), abs=0.02)


def test_wilcoxon_is_scipys_with_degenerate_input_defined() -> None:
    differences = np.array([0.1, -0.2, 0.35, 0.4, 0.5, -0.05, 0.7])
    assert wilcoxon(differences) == stats.wilcoxon(differences).pvalue
    assert wilcoxon(np.append(differences, 0.0)) == pytest.approx(stats.wilcoxon(np.append(differences, 0.0)).pvalue)
    for tied in ([0.1, 0.1, -0.1, 0.3, 0.2], [0.1] * 6, [0.1, 0.1, -0.2, 0.2, -0.4, 0.5, 0.6, 0.6]):
        assert wilcoxon(np.array(tied)) == pytest.approx(stats.wilcoxon(tied).pvalue, abs=1e-12)
    many = np.random.default_rng(0).normal(0.2, 1, 80)
    assert wilcoxon(many) == stats.wilcoxon(many).pvalue
    assert wilcoxon(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 2**3)
    assert wilcoxon(np.zeros(4)) == 1.0
    assert wilcoxon(np.array([])) is None


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04: 4 x .01, 3 x .02, then 2 x .03 = .06 and 1 x .04, raised to .06
    assert holm([0.03, None, 0.01, 0.04, 0.02]) == [
        pytest.approx(x) if x else None for x in (0.06, None, 0.04, 0.06, 0.06)
    ]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_holm_is_that_of_statsmodels(count: int) -> None:
    p = np.random.default_rng(count).random(count) ** 3
    p[: count // 3] = p[-1]
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist(), abs=1e-15)


def hand_made() -> dict[str, list[float]]:
    return {
        "a": [0.70, 0.65, 0.80, 0.75, 0.60, 0.72, 0.68, 0.81],
        "b": [0.60, 0.66, 0.71, 0.63, 0.49, 0.60, 0.55, 0.67],
        "c": [0.72, 0.61, 0.79, 0.77, 0.55, 0.73, 0.70, 0.76],
        "d": [0.30, 0.41, 0.52, 0.33, 0.24, 0.45, 0.36, 0.37],
    }


def test_the_winner_is_tested_against_each_other_with_holm_within_each_metric() -> None:
    values = hand_made()
    tables = {name: per_case(over_classes(wide(simple(*row)))) for name, row in values.items()}
    tables["c"].loc["c03":"c04", "bf"] = np.nan
    found = compare_with_others("a", tables)
    assert [(entry.metric, entry.other) for entry in found] == [(m, o) for m in SCORED for o in "bcd"]
    for metric in SCORED:
        entries = [entry for entry in found if entry.metric == metric]
        kept = {
            other: [i for i in range(8) if not (metric == "bf" and other == "c" and i in (3, 4))] for other in "bcd"
        }
        differences = {o: np.array([values["a"][i] - values[o][i] for i in kept[o]]).round(12) for o in "bcd"}
        raw = [stats.wilcoxon(differences[other]).pvalue for other in "bcd"]
        assert [entry.p for entry in entries] == pytest.approx(raw)
        assert [entry.pairs for entry in entries] == [len(kept[other]) for other in "bcd"]
        assert [entry.median_difference for entry in entries] == pytest.approx(
            [np.median(differences[o]) for o in "bcd"]
        )
        order = np.argsort(raw, kind="stable")
        expected, floor = {}, 0.0
        for place, which in enumerate(order):
            floor = max(floor, min(1.0, raw[which] * (3 - place)))
            expected[which] = floor
        assert [entry.p_holm for entry in entries] == pytest.approx([expected[which] for which in range(3)])


def test_friedman_is_scipys_over_the_complete_cases() -> None:
    tables = {name: per_case(over_classes(wide(simple(*row)))) for name, row in hand_made().items()}
    tables["b"].loc["c07", "bf"] = np.nan
    tables["d"].loc["c00":"c06", "iou"] = np.nan
    found = {test.metric: test for test in friedman(tables)}
    assert set(found) == set(SCORED) - {"iou"}  # one complete case is not enough
    for metric, cases in (("dice", 8), ("bf", 7)):
        expected = stats.friedmanchisquare(*(row[:cases] for row in hand_made().values()))
        assert (found[metric].statistic, found[metric].p) == pytest.approx((expected.statistic, expected.pvalue))
        assert found[metric].cases == cases
    assert friedman({name: tables[name] for name in "ab"}) == []


def test_compare_reports_every_metric_and_class_per_image_and_per_case() -> None:
    nan = np.nan
    a = table({"c1": [[0.9, 0.5, 0.1], [0.8, 0.4, nan]], "c2": [[0.7, 0.6, nan]]})
    b = table({"c1": [[0.6, 0.5, 0.1], [0.9, 0.2, nan]], "c2": [[0.1, 0.6, 0.2]]}).sample(frac=1, random_state=1)
    found = {(entry.unit, entry.metric): entry for entry in compare_tables(a, b)}
    columns = [*SCORED, "dice/background", "dice/myocardium", "dice/scar"]
    assert list(found) == [(unit, metric) for unit in ("image", "case") for metric in columns]
    dice = found["image", "dice"]
    assert (dice.pairs, dice.better, dice.worse) == (3, 3, 0)
    assert dice.mean_a == pytest.approx((0.5 + 0.6 + 0.65) / 3)
    assert dice.mean_b == pytest.approx((0.4 + 0.55 + 0.3) / 3)
    assert (dice.median_difference, dice.p) == pytest.approx((0.1, 0.25))
    case = found["case", "dice"]
    assert (case.pairs, case.mean_a, case.mean_b) == pytest.approx((2, (0.55 + 0.65) / 2, (0.475 + 0.3) / 2))
    background = found["image", "dice/background"]
    assert (background.better, background.worse, background.p) == (2, 1, 0.5)
    scar = found["image", "dice/scar"]
    assert (scar.pairs, scar.better, scar.worse, scar.p, scar.mean_b) == (1, 0, 0, 1.0, 0.1)
    family = [found["image", metric] for metric in columns]
    assert [entry.p_holm for entry in family] == holm([entry.p for entry in family])
    assert compare_tables(a, b, {"background": 0.0, "scar": 0.0})[0].mean_a == pytest.approx((0.5 + 0.4 + 0.6) / 3)


def test_a_case_is_the_mean_of_its_images_that_have_a_value() -> None:
    found = table({"c2": [[0.1], [0.2], [0.9], [np.nan]], "c1": [[0.5]]}, ("background",))
    assert per_case(over_classes(wide(found)))["iou"].to_dict() == {"c1": 0.5, "c2": pytest.approx(0.4)}


def test_a_table_from_memory_meets_its_csv_file(tmp_path: Path) -> None:
    found = table({"c": [[0.9, 0.5, 0.1], [0.8, 0.4, 0.2]]})
    found["image"], found["case"] = [1, 1, 1, 2, 2, 2], None
    found.to_csv(tmp_path / "per_image.csv", index=False)
    read = pd.read_csv(tmp_path / "per_image.csv", dtype={"image": str, "case": str})
    assert {entry.p for entry in compare_tables(found, read)} == {1.0}


def test_a_class_without_a_common_value_has_no_test() -> None:
    a, b = table({"c": [[0.9, 0.5, np.nan]]}), table({"c": [[0.9, 0.5, 0.1]]})
    scar = next(entry for entry in compare_tables(a, b) if entry.metric == "dice/scar")
    assert (scar.pairs, scar.mean_a, scar.mean_b, scar.median_difference, scar.p, scar.p_holm) == (0, *[None] * 5)


def test_other_images_or_classes_are_refused_by_name() -> None:
    a, b = simple(0.1, 0.2, 0.3), simple(0.1, 0.2)
    with pytest.raises(ConfigError, match=r"x and y were not .*: y lacks 1 image \(c02/c02-0\)\. Compare"):
        compare_tables(a, b, names=("x", "y"))
    with pytest.raises(ConfigError, match=r"b and a \(table 2\) were not .*: b lacks 1 image"):
        assess_uncertainty([Candidate("b", [b]), Candidate("a", [b, a])], "a", "mean")
    with pytest.raises(ConfigError, match="b lacks class scar"):
        compare_tables(table({"c": [[0.1, 0.2, 0.3]]}), table({"c": [[0.1, 0.2]]}, CLASSES[:2]))


def test_a_table_that_is_not_one_of_evaluate_is_refused() -> None:
    found = table({"c": [[0.1, 0.2, 0.3]] * 2})
    for wrong in (found.iloc[1:], pd.concat([found, found.iloc[:1]])):
        with pytest.raises(ValueError, match="each class once"):
            wide(wrong)
    with pytest.raises(ValueError, match="none called bf"):
        wide(found.drop(columns="bf"))
    with pytest.raises(ValueError, match="no rows"):
        wide(found.iloc[:0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"winner": "m"}, "unknown configuration 'm'"),
        ({"resamples": 0}, "resamples must be at least 1, got 0"),
        ({"level": 95}, "between 0 and 1, such as 0.95, got 95"),
        ({"candidates": [Candidate("a", [simple(1)]), Candidate("a", [simple(1)])]}, "different names"),
        ({"candidates": [Candidate("a", [simple(1)]), Candidate("b", [])]}, "got none for b"),
        ({"rule": "weigthed"}, "did you mean 'weighted'"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assess_uncertainty(
            **{"candidates": [Candidate("a", [simple(1, 0)])], "winner": "a", "rule": "mean", **arguments}
        )


def test_the_same_seed_gives_the_same_doubt_whatever_the_order_of_rows() -> None:
    tables = [noisy(1), noisy(2), noisy(3)]
    seeds = Candidate("b", tables[1:])
    first = assess_uncertainty([Candidate("a", tables[:1]), seeds], "a", "mean", resamples=200)
    shuffled = tables[0].sample(frac=1, random_state=3)
    assert assess_uncertainty([Candidate("a", tables[:1]), seeds], "a", "mean", resamples=200) == first
    assert assess_uncertainty([Candidate("a", tables[:1]), seeds], "a", "mean", resamples=200, seed=1) != first
    again = assess_uncertainty([Candidate("a", [shuffled]), seeds], "a", "mean", resamples=200)
    assert again.standings[0].low == pytest.approx(first.standings[0].low, abs=1e-12)
    assert json.loads(json.dumps(asdict(first), allow_nan=False))["standings"][0]["name"] in "ab"


def test_the_difference_of_two_scores_is_that_of_their_doubt() -> None:
    a, b = Candidate("a", [noisy(1)], ("scar",)), Candidate("b", [noisy(2)])
    pair = score_difference(a, b, "mean", resamples=300)
    whole = standing(assess_uncertainty([Candidate("a", a.tables), b], "b", "mean", resamples=300), "a")
    assert pair == whole
    assert pair.difference == pytest.approx(direct(a.tables[0], "mean") - direct(b.tables[0], "mean"), abs=1e-11)
    assert known(pair.difference_low) < pair.difference < known(pair.difference_high)
