"""How sure the choice is: a bootstrap over cases of every score and of the ranking, and rank tests on case means.

The bootstrap itself is in `lge_sweep.scoring.bootstrap`, the tests in `lge_sweep.scoring.paired`; here they become
standings, one sentence and notes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lge_sweep.choices import look_up
from lge_sweep.errors import ConfigError
from lge_sweep.scoring.bootstrap import (
    Resampled,
    check_range,
    fewest_cases,
    percentile_interval,
    rank_chances,
    resample,
)
from lge_sweep.scoring.paired import (
    DECIMALS,
    Friedman,
    WinnerTest,
    check_same_images,
    compare_with_others,
    friedman,
    over_classes,
    per_case,
    wide,
)
from lge_sweep.scoring.uncertainty_notes import uncertainty_notes
from lge_sweep.scoring.wording import chance

FEW_CASES = 10
"""Below so many cases nothing is proved, and the sentence says so."""


@dataclass(frozen=True)
class Candidate:
    """A configuration and what it scored on each image.

    Attributes:
        name: the configuration.
        tables: for each seed the table of `lge_sweep.metrics.evaluate`, all of the same images.
        collapsed: foreground classes that were never predicted where present; such a one is not ranked while another
            stands.
    """

    name: str
    tables: Sequence[pd.DataFrame]
    collapsed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """One configuration's score and rank, with their doubt. A None is a value that could not be had.

    Attributes:
        name: the configuration.
        score: on all cases, mean over its seeds; 0 to 1.
        low, high: percentile interval of the score.
        best: probability of rank 1, shared by equal scores, and no higher than so many cases can show
            (`lge_sweep.scoring.bootstrap.rank_chances`); 0 if collapsed and not ranked.
        expected_rank: mean rank over the resamples; None if not ranked.
        ranks: probability of each rank, the best first, among the ranked; empty if not ranked.
        difference: score minus the winner's.
        difference_low, difference_high: its percentile interval, from the same resamples of cases for both.
        alike: whether these cases tell its score from the winner's: False if that interval leaves 0 out (no correction
            for the number of configurations) and there are as many cases as it takes at that level; True for the
            winner. Who could stand in for the winner is `Uncertainty.alike`, which leaves collapsed ones out.
        collapsed: as in `Candidate`.
    """

    name: str
    score: float
    low: float | None
    high: float | None
    best: float | None
    expected_rank: float | None
    ranks: tuple[float, ...]
    difference: float
    difference_low: float | None
    difference_high: float | None
    alike: bool | None
    collapsed: tuple[str, ...]


@dataclass(frozen=True)
class Uncertainty:
    """What is uncertain about a selection.

    Attributes:
        sentence: the whole in plain English.
        winner: the configuration selected.
        level: of every interval, such as 0.95.
        standings: highest score first, equal ones in the order given.
        comparisons: the winner against every other configuration, per metric, on case means.
        friedman: all configurations at once, per metric; empty with fewer than 3.
        cases, images: how many were measured.
        resamples: how many resamples the intervals are made of.
        left_out: resamples not used, because a class had no value in them that it has on all cases.
        notes: what to keep in mind, one sentence each.
    """

    sentence: str
    winner: str
    level: float
    standings: tuple[Standing, ...]
    comparisons: tuple[WinnerTest, ...]
    friedman: tuple[Friedman, ...]
    cases: int
    images: int
    resamples: int
    left_out: int
    notes: tuple[str, ...]

    @property
    def alike(self) -> tuple[str, ...]:
        """The other configurations that cannot be told apart from the winner, by `alike_rule`; highest score first."""
        return tuple(entry.name for entry in _alike(self.standings, self.winner))


def assess_uncertainty(
    candidates: Sequence[Candidate],
    winner: str,
    rule: str,
    emphasis: Mapping[str, float] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    names: Mapping[str, str] | None = None,
) -> Uncertainty:
    """Say how sure it is that the winner is the best of the candidates.

    In each resample as many cases as there are, drawn with replacement and the same for all candidates, are scored as
    the whole table is: per class the mean over images, the mean of that over classes, the weighted sum over metrics. A
    candidate with S > 1 seeds is scored by the mean of S of its seeds, drawn with replacement anew in each resample.
    Equal scores in a resample share the ranks that they take.

    Args:
        candidates: at least one, with different names, all measured on the same images.
        winner: name of the candidate selected, whatever selected it.
        rule: "mean" or "weighted".
        emphasis: class -> weight in the global metrics, as in `lge_sweep.scoring.scores.global_metrics`.
        resamples: how many, >= 1.
        seed: of the random numbers; the same arguments give the same result.
        level: of the intervals, between 0 and 1.
        names: name -> what to call it in the sentence; the name itself where not given.

    Raises:
        ConfigError: an argument is out of range, the winner is unknown or collapsed while another stands, or the
            candidates were not measured on the same images.
        SelectionError: a candidate has no metric to score.
        ValueError: a table is not one of `lge_sweep.metrics.evaluate`.

    Source: cluster bootstrap with percentile intervals (Efron and Tibshirani 1993, sections 8 and 13); rank tests over
        data sets (Demsar, JMLR 7, 2006).
    """
    known = _by_name(candidates, winner)
    check_range(resamples, level)
    spreads = _spreads(candidates)
    drawn = resample(spreads, rule, emphasis, resamples, seed)
    standings = _standings(candidates, list(known).index(winner), drawn, level)
    standings.sort(key=lambda entry: -entry.score)
    means = {name: _case_means(seeds, emphasis) for name, seeds in zip(known, spreads, strict=True)}
    return Uncertainty(
        sentence=_sentence(standings, winner, names or {}, drawn.cases),
        winner=winner,
        level=level,
        standings=tuple(standings),
        comparisons=tuple(compare_with_others(winner, means)),
        friedman=tuple(friedman(means)),
        cases=drawn.cases,
        images=drawn.images,
        resamples=len(drawn.scores),
        left_out=drawn.left_out,
        notes=tuple(uncertainty_notes(drawn, _ranked(candidates), [len(one.tables) for one in candidates], level)),
    )


def _by_name(candidates: Sequence[Candidate], winner: str) -> dict[str, Candidate]:
    """Return the candidates by name, checked: names differ, and the winner is one that could win."""
    known = {candidate.name: candidate for candidate in candidates}
    if len(known) < len(candidates):
        raise ConfigError("candidates must have different names, got one twice")
    if look_up("configuration", winner, known).collapsed and not all(candidate.collapsed for candidate in candidates):
        raise ConfigError(f"winner must not have collapsed while another configuration stands, got {winner}")
    return known


def score_difference(
    a: Candidate,
    b: Candidate,
    rule: str,
    emphasis: Mapping[str, float] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Standing:
    """Compare the scores of two configurations by the paired bootstrap of `assess_uncertainty`, collapsed or not.

    Args:
        a: one configuration.
        b: the other.
        rule: name of the rule that scores are by.
        emphasis: class -> weight; None: all alike.
        resamples: number of resamples of the cases.
        seed: of the resamples.
        level: of the interval, 0 to 1.

    Returns:
        The standing of `a` against `b`: `difference` is a - b, `best` the probability that a scores higher,
        a tie half counted.

    Raises:
        ConfigError, SelectionError, ValueError: as `assess_uncertainty`.
    """
    check_range(resamples, level)
    pair = [replace(a, collapsed=()), replace(b, collapsed=())]
    return _standings(pair, 1, resample(_spreads(pair), rule, emphasis, resamples, seed), level)[0]


def _spreads(candidates: Sequence[Candidate]) -> list[list[pd.DataFrame]]:
    """Tables of every candidate as `wide` gives them; ConfigError unless all are of the same images."""
    if empty := [candidate.name for candidate in candidates if not candidate.tables]:
        raise ConfigError(f"each candidate must have a table for each seed, got none for {', '.join(empty)}")
    labels = [
        candidate.name if len(candidate.tables) == 1 else f"{candidate.name} (table {number})"
        for candidate in candidates
        for number in range(1, len(candidate.tables) + 1)
    ]
    spreads = [[wide(table) for table in candidate.tables] for candidate in candidates]
    check_same_images([spread for seeds in spreads for spread in seeds], labels)
    return spreads


def _case_means(seeds: Sequence[pd.DataFrame], emphasis: Mapping[str, float] | None) -> pd.DataFrame:
    """Mean over seeds of the global metrics per case."""
    return pd.concat([per_case(over_classes(spread, emphasis)) for spread in seeds]).groupby(level="case").mean()


def _standings(candidates: Sequence[Candidate], winner: int, drawn: Resampled, level: float) -> list[Standing]:
    """Intervals and ranks of every candidate, in their order; `winner` is a place in it."""
    ranked = _ranked(candidates)
    used = drawn.scores[:, ranked]
    chances = dict(zip(ranked, rank_chances(used, drawn.cases), strict=True)) if len(used) else {}
    too_few = drawn.cases < fewest_cases(level)
    found = []
    for place, candidate in enumerate(candidates):
        ranks = tuple(float(chance) for chance in chances.get(place, ()))
        low, high = percentile_interval(drawn.scores[:, place], level)
        differences = np.round(drawn.scores[:, place] - drawn.scores[:, winner], DECIMALS)
        below, above = percentile_interval(differences, level)
        alike = place == winner or (None if below is None or above is None else too_few or below <= 0 <= above)
        found.append(
            Standing(
                name=candidate.name,
                score=float(drawn.point[place]),
                low=low,
                high=high,
                best=ranks[0] if ranks else 0.0 if chances else None,
                expected_rank=sum(rank * chance for rank, chance in enumerate(ranks, start=1)) if ranks else None,
                ranks=ranks,
                difference=round(float(drawn.point[place] - drawn.point[winner]), DECIMALS),
                difference_low=below,
                difference_high=above,
                alike=alike,
                collapsed=candidate.collapsed,
            )
        )
    return found


def _ranked(candidates: Sequence[Candidate]) -> list[int]:
    """Places of the candidates that did not collapse; of all if all did."""
    standing = [place for place, candidate in enumerate(candidates) if not candidate.collapsed]
    return standing or list(range(len(candidates)))


def _sentence(standings: Sequence[Standing], winner: str, names: Mapping[str, str], cases: int) -> str:
    """The doubt in one plain sentence."""
    called = {entry.name: names.get(entry.name, entry.name) for entry in standings}
    name = called[winner]
    prefix = "Every configuration collapsed, so the choice is moot; " if all(x.collapsed for x in standings) else ""
    if len(standings) == 1:
        return f"{prefix}{name} is the only configuration: there is nothing to compare it with"
    chosen = next(entry for entry in standings if entry.name == winner)
    if chosen.best is None:
        reason = "there is only 1 case" if cases == 1 else "no resample of the cases gave every class a value"
        return f"{prefix}{name} is selected, but how sure that is cannot be said: {reason}"
    ranked = [entry for entry in standings if entry.ranks]
    if len(ranked) == 1:
        return f"{name} is the only one of {len(standings)} configurations that did not collapse"
    top = max(ranked, key=lambda entry: entry.best or 0.0)
    lead = f"{name} is best with probability {chance(chosen.best)}"
    beaten = chance(top.best) != chance(chosen.best)  # what is printed: no ".43 only, another with .43"
    if beaten:
        lead += f" only, {called[top.name]} with {chance(top.best)}"
    few = f" (from {cases} cases: no proof)" if cases < FEW_CASES else ""
    return f"{prefix}{lead}; {_told_apart(ranked, winner, name if beaten else 'it')}{few}"


def describe_friedman(tests: Sequence[Friedman]) -> list[str]:
    """Say in a sentence what Friedman's test found, if it was made: metric by metric, over all configurations."""
    found = [f"{test.metric} {test.p:.3g}" for test in tests if test.p is not None]
    return [f"Friedman's test that all configurations are alike, p: {', '.join(found)}"] if found else []


def outcome_notes(own: Sequence[str], uncertainty: Uncertainty) -> tuple[str, ...]:
    """Return what to keep in mind of a sweep's outcome, a sentence each; what may change a decision comes first.

    Args:
        own: notes of the selection.
        uncertainty: how sure it is; of a single configuration there is nothing to say.
    """
    if len(uncertainty.standings) < 2:
        return tuple(own)
    return (*own, *uncertainty.notes, *describe_friedman(uncertainty.friedman))


def _alike(standings: Sequence[Standing], winner: str) -> list[Standing]:
    """Those that `alike_rule` calls alike: the one place that says which."""
    return [entry for entry in standings if entry.ranks and entry.alike and entry.name != winner]


def _told_apart(ranked: Sequence[Standing], winner: str, called: str) -> str:
    """How many of the ranked configurations beside the winner, at least one, are alike or better beyond doubt."""
    others = [entry for entry in ranked if entry.name != winner]
    alike = len(_alike(ranked, winner))
    better = sum(not entry.alike and entry.difference > 0 for entry in others)
    subject = "the other configuration" if len(others) == 1 else "every other configuration"
    if alike:
        said = f"{alike} other configuration{'s' if alike > 1 else ''} cannot be told apart from {called}"
    else:
        said = f"{subject} can be told apart from {called}"
    return f"{said} ({better} clearly score{'s' if better == 1 else ''} higher)" if better else said
