"""Rank configurations and choose which go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lge_sweep.choices import suggest
from lge_sweep.errors import ConfigError, SelectionError
from lge_sweep.scoring.scores import RULES, Score, Value, global_metrics, mean_of_all, score
from lge_sweep.text import shorten

ROUNDING = 1e-12
"""Scores that agree to so much are equal: a sum of weights and metrics is not exact."""


@dataclass(frozen=True)
class Result:
    """What is known of one finished configuration.

    Attributes:
        name: the cell.
        metrics: metric -> class -> image-mean value, None where there is none.
        collapsed: foreground classes that were never predicted on any image that has them.
        spread: mean over the global metrics of their standard deviation over images; None where there is none.
    """

    name: str
    metrics: Mapping[str, Mapping[str, Value]]
    collapsed: tuple[str, ...] = ()
    spread: Value = None


@dataclass(frozen=True)
class Ranked:
    """One line of a ranking: a configuration, its rank and its scores by every rule."""

    rank: int
    name: str
    score: float
    scores: Mapping[str, float | None]
    metrics: Mapping[str, Value]
    missing: tuple[str, ...]
    collapsed: tuple[str, ...]
    spread: Value
    selected: bool


@dataclass(frozen=True)
class Override:
    """A person's choice over the rule's.

    Attributes:
        name: the configuration chosen.
        reason: why, in the person's words.
        beat: what the rule had selected.
    """

    name: str
    reason: str
    beat: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The outcome of a sweep: what was chosen, and everything needed to judge the choice.

    Attributes:
        selected: names of the chosen configurations, best first.
        ranking: every finished configuration, best first.
        rule: name of the scoring rule.
        weights: metric -> weight of that rule.
        subset: the subset that was scored, "val" unless the paper's test-set selection was asked for.
        emphasis: class weights other than 1.
        margin: score of the last selected minus that of the best selectable one left out, None if there is none;
            negative where the tie rule or a person decided.
        notes: what decided, and what to doubt, one sentence each.
        tied: configurations within the tie margin of the top score, where the tie rule decided among several.
        override: a person's choice, if there was one.
    """

    selected: tuple[str, ...]
    ranking: tuple[Ranked, ...]
    rule: str
    weights: Mapping[str, float]
    subset: str
    emphasis: Mapping[str, float]
    margin: float | None
    notes: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    override: Override | None = None


def merge_seeds(name: str, repeats: Sequence[Result]) -> Result:
    """Average the results of one configuration trained with several seeds.

    Args:
        name: the configuration.
        repeats: a result a seed, at least one.

    Returns:
        Means over the seeds; a value that one of them lacks is missing. Collapsed if any of them is: a configuration
        that needs luck is none to choose.
    """
    metrics = {
        metric: {label: mean_of_all([result.metrics[metric][label] for result in repeats]) for label in by_class}
        for metric, by_class in repeats[0].metrics.items()
    }
    collapsed = tuple(dict.fromkeys(label for result in repeats for label in result.collapsed))
    return Result(name, metrics, collapsed, mean_of_all([result.spread for result in repeats]))


def score_result(result: Result, rule: str, emphasis: Mapping[str, float] | None = None) -> Score:
    """Score a configuration by one rule, over all classes.

    Args:
        result: its results.
        rule: name of the rule.
        emphasis: class -> weight; None: all alike.

    Raises:
        SelectionError: none of its metrics has a value.
    """
    return score(global_metrics(result.metrics, emphasis), rule)


def all_scores(result: Result, emphasis: Mapping[str, float] | None = None) -> dict[str, float | None]:
    """Score a configuration by every rule, over all classes and over the foreground classes alone.

    Returns:
        `mean`, `weighted`, `mean_foreground`, `weighted_foreground`; None where no metric has a value.
    """
    scores: dict[str, float | None] = {}
    for suffix, weights in (("", emphasis or {}), ("_foreground", {**(emphasis or {}), "background": 0.0})):
        metrics = global_metrics(result.metrics, weights)
        for rule in RULES:
            known = any(value is not None for value in metrics.values())
            scores[rule + suffix] = score(metrics, rule).value if known else None
    return scores


def select(
    results: Sequence[Result],
    rule: str,
    keep: int,
    subset: str = "val",
    *,
    emphasis: Mapping[str, float] | None = None,
    tie_margin: float | None = 0.0,
    unfinished: Mapping[str, str] | None = None,
    allow_incomplete: bool = False,
) -> Selection:
    """Rank configurations by score and keep the best that are not collapsed.

    Args:
        results: finished configurations, in grid order (which decides between equal scores).
        rule: "mean" or "weighted".
        keep: how many to select. What collapsed is selected only where nothing else stands, with a note: another loss,
            in the next phase, may mend it.
        subset: the subset the results were measured on, for the record.
        emphasis: class -> weight in the global metrics.
        tie_margin: where one is kept, configurations within so much of the top score are tied, and the one with the
            smallest spread wins. None: of equals the first is taken; results come by what they cost.
        unfinished: cell -> why it has no result.
        allow_incomplete: select although some cells have no result, and record it.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored.

    Source:
        Paper sections III.G and III.I; the tie rule is a reading of "overall consistency", which yields both of the
        paper's choices (section IV.A.2 and IV.B.2: its stage-2 winner scores .6348 against .6396).
    """
    if unfinished and not allow_incomplete:
        raise SelectionError(
            f"{len(unfinished)} of {len(results) + len(unfinished)} cells have no result:",
            *(f"  - {name}: {reason}" for name, reason in unfinished.items()),
            "Run the same command again to retry them, or add --allow-incomplete to select among the others.",
        )
    if not results:
        raise SelectionError("no cell has a result; nothing can be selected")
    entries = sorted(
        ((result, score_result(result, rule, emphasis)) for result in results),
        key=lambda entry: -round(entry[1].value / ROUNDING),
    )
    chosen, tied, notes = _pick(entries, keep, tie_margin)
    ranking = _ranking(entries, chosen, emphasis)
    margin = _margin(ranking, chosen[-1])
    order = "the order of the grid" if tie_margin is not None else "what it costs"
    by_order = [f"a tie at the border of the selection was decided by {order}"]
    notes = [
        *notes,
        *_notes(
            [points for _, points in entries], ranking, chosen, keep=keep, subset=subset, unfinished=unfinished or {}
        ),
        *by_order * (margin == 0 and not notes),
    ]
    return Selection(chosen, ranking, rule, RULES[rule], subset, dict(emphasis or {}), margin, tuple(notes), tied)


def _ranking(
    entries: Sequence[tuple[Result, Score]], chosen: Sequence[str], emphasis: Mapping[str, float] | None
) -> tuple[Ranked, ...]:
    return tuple(
        Ranked(
            rank, result.name, points.value, all_scores(result, emphasis), global_metrics(result.metrics, emphasis),
            points.missing, result.collapsed, result.spread, result.name in chosen,
        )
        for rank, (result, points) in enumerate(entries, start=1)
    )  # fmt: skip


def _margin(ranking: Sequence[Ranked], name: str) -> float | None:
    """Return how far a selected one is ahead of the best that is not selected; None where there is none."""
    last = next(entry for entry in ranking if entry.name == name)
    # what collapsed is no rival of what stands
    others = [entry.score for entry in ranking if not entry.selected and (last.collapsed or not entry.collapsed)]
    margin = last.score - max(others) if others else None
    return 0.0 if margin is not None and abs(margin) <= ROUNDING else margin


def _pick(
    entries: Sequence[tuple[Result, Score]], keep: int, tie_margin: float | None
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Choose among configurations that are sorted by score, best first.

    Returns:
        The names chosen, best first; those tied for the top, where the tie rule decided; and a note if there was a tie.
    """
    by_standing = sorted(entries, key=lambda entry: bool(entry[0].collapsed))  # what collapsed comes last
    chosen = tuple(result.name for result, _ in by_standing[:keep])
    if keep > 1 or tie_margin is None:
        return chosen, (), []
    selectable = [entry for entry in entries if not entry[0].collapsed] or entries
    lowest = selectable[0][1].value - tie_margin - ROUNDING
    tied = [result for result, points in selectable if points.value >= lowest]
    spreads = {result.name: result.spread for result in tied if result.spread is not None}
    if len(spreads) == len(tied) > 1:
        winner = min(spreads, key=lambda name: spreads[name])
        return (winner,), tuple(spreads), [_tie_note(spreads, winner, tie_margin)]
    missing = f"{len(tied)} are within {tie_margin:g} of the top score, but the spread of some is missing"
    return chosen, (), [missing] * (len(tied) > 1 and tie_margin > 0)


def override(selection: Selection, name: str, reason: str) -> Selection:
    """Let a person choose another configuration than the rule did.

    Args:
        selection: what the rule selected.
        name: the configuration to select instead; where several are selected, it takes the last one's place.
        reason: why; kept with the selection.

    Raises:
        ConfigError: the configuration is unknown, selected anyway, collapsed while another stands, or there is no
            reason.
    """
    entries = {entry.name: entry for entry in selection.ranking}
    if name not in entries:
        raise ConfigError(f"no configuration named '{shorten(name)}' in this sweep: {suggest(name, entries)}")
    if name in selection.selected:
        raise ConfigError(f"{name} is what the rule selects; there is nothing to override")
    collapsed = entries[name].collapsed
    if collapsed and not all(entry.collapsed for entry in selection.ranking):
        raise ConfigError(f"{name} collapsed: it never predicted {' or '.join(collapsed)}; it cannot be selected")
    if not reason.strip():
        raise ConfigError("an override needs a reason, for those who read the selection later: --reason")
    chosen = (name, *selection.selected)[: len(selection.selected)]
    ranking = tuple(replace(entry, selected=entry.name in chosen) for entry in selection.ranking)
    return replace(
        selection,
        selected=chosen,
        ranking=ranking,
        margin=_margin(ranking, name),
        notes=(f"chosen by a person over {' and '.join(selection.selected)}: {reason.strip()}", *selection.notes),
        override=Override(name, reason.strip(), selection.selected),
    )


def _tie_note(spreads: Mapping[str, float], winner: str, tie_margin: float) -> str:
    listed = ", ".join(f"{name} {spread:.4f}" for name, spread in spreads.items())
    return (
        f"{len(spreads)} configurations are within {tie_margin:g} of the top score; the rule takes {winner}, whose "
        f"global metrics spread least over the images (mean standard deviation: {listed})"
    )


def _notes(
    points: Sequence[Score],
    ranking: Sequence[Ranked],
    chosen: Sequence[str],
    *,
    keep: int,
    subset: str,
    unfinished: Mapping[str, str],
) -> list[str]:
    notes = []
    missing = {name for point in points for name in point.missing}
    if missing:
        notes.append(
            f"without {', '.join(sorted(missing))} (no value for some class): the other metrics' weights were scaled up"
        )
    if all(entry.collapsed for entry in ranking):
        notes.append(
            "every configuration collapsed (a class it has to find was never predicted); the selection is moot"
        )
    else:
        notes += _collapse_notes(ranking)
    if len(chosen) < keep:
        notes.append(f"only {len(chosen)} of the {keep} wanted could be selected")
    if subset == "test":
        notes.append("selected on the test subset, as the paper did: no unbiased test result is left")
    if unfinished:
        notes.append(f"selected without {', '.join(unfinished)}, which did not finish (--allow-incomplete)")
    return notes


def _collapse_notes(ranking: Sequence[Ranked]) -> list[str]:
    """Say what collapsed: one note for all that never predicted the same classes, and fared alike for it."""
    alike: dict[tuple[str, bool], list[str]] = {}
    for entry in ranking:
        if entry.collapsed:
            alike.setdefault((" and ".join(entry.collapsed), entry.selected), []).append(entry.name)
    notes = []
    for (classes, selected), names in alike.items():
        what = names[0] if len(names) == 1 else f"{len(names)} configurations"
        then = "selected all the same, because no other stands" if selected else "not selectable"
        listed = f": {', '.join(names)}" if len(names) > 1 else ""
        notes.append(f"{what} collapsed: {classes} never predicted where present; {then}{listed}")
    return notes
