"""Rank configurations and choose which go on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lge_sweep.errors import SelectionError
from lge_sweep.scoring.score import RULES, Score, Value, global_metrics, score


@dataclass(frozen=True)
class Result:
    """What is known of one finished configuration.

    Attributes:
        name: the cell.
        metrics: metric -> class -> image-mean value, None where there is none.
        collapsed: foreground classes that were never predicted on any image that has them.
    """

    name: str
    metrics: Mapping[str, Mapping[str, Value]]
    collapsed: tuple[str, ...] = ()


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
    selected: bool


@dataclass(frozen=True)
class Selection:
    """The outcome of a sweep: what was chosen, and everything needed to judge the choice.

    Attributes:
        selected: names of the chosen configurations, best first.
        ranking: every finished configuration, best first.
        rule: name of the scoring rule.
        weights: metric -> weight of that rule.
        part: the part that was scored, "val" unless the paper's test-set selection was asked for.
        emphasis: class weights other than 1.
        margin: score of the last selected minus that of the best selectable one left out, None if there is none.
        notes: what decided, and what to doubt, one sentence each.
    """

    selected: tuple[str, ...]
    ranking: tuple[Ranked, ...]
    rule: str
    weights: Mapping[str, float]
    part: str
    emphasis: Mapping[str, float]
    margin: float | None
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


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
    part: str = "val",
    emphasis: Mapping[str, float] | None = None,
    unfinished: Mapping[str, str] | None = None,
    allow_incomplete: bool = False,
) -> Selection:
    """Rank configurations by score and keep the best that are not collapsed.

    Args:
        results: finished configurations, in grid order (which decides between equal scores).
        rule: "mean" or "weighted".
        keep: how many to select. Fewer are selected when fewer stand; if all are collapsed they are selected all the
            same, with a note, since nothing better is there.
        part: the part the results were measured on, for the record.
        emphasis: class -> weight in the global metrics.
        unfinished: cell -> why it has no result.
        allow_incomplete: select although some cells have no result, and record it.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored.

    Source:
        Paper sections III.G and III.I.
    """
    if unfinished and not allow_incomplete:
        listed = "\n".join(f"  - {name}: {reason}" for name, reason in unfinished.items())
        raise SelectionError(
            f"{len(unfinished)} of {len(results) + len(unfinished)} cells have no result:\n{listed}\n"
            "Run the same command again to retry them, or add --allow-incomplete to select among the others."
        )
    if not results:
        raise SelectionError("no cell has a result; nothing can be selected")
    scored = [(result, global_metrics(result.metrics, emphasis)) for result in results]
    entries = [(result, metrics, score(metrics, rule)) for result, metrics in scored]
    entries.sort(key=lambda entry: -entry[2].value)
    standing = [result.name for result, _, _ in entries if not result.collapsed]
    chosen = tuple((standing or [result.name for result, _, _ in entries])[:keep])
    ranking = tuple(
        Ranked(
            rank, result.name, points.value, all_scores(result, emphasis), metrics, points.missing, result.collapsed,
            result.name in chosen,
        )
        for rank, (result, metrics, points) in enumerate(entries, start=1)
    )  # fmt: skip
    values = {result.name: points.value for result, _, points in entries}
    others = [values[name] for name in (standing or values) if name not in chosen]
    margin = values[chosen[-1]] - max(others) if others else None
    notes = _notes([points for _, _, points in entries], ranking, chosen, keep, part, unfinished or {})
    if margin == 0:
        notes.append("a tie at the border of the selection was decided by the order of the grid")
    return Selection(chosen, ranking, rule, RULES[rule], part, dict(emphasis or {}), margin, tuple(notes))


def _notes(
    points: Sequence[Score],
    ranking: Sequence[Ranked],
    chosen: Sequence[str],
    keep: int,
    part: str,
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
        notes += [
            f"{entry.name} collapsed: {' and '.join(entry.collapsed)} never predicted where present; not selectable"
            for entry in ranking
            if entry.collapsed
        ]
    if len(chosen) < keep:
        notes.append(f"only {len(chosen)} of the {keep} wanted could be selected")
    if part == "test":
        notes.append("selected on the test part, as the paper did: no unbiased test result is left")
    if unfinished:
        notes.append(f"selected without {', '.join(unfinished)}, which did not finish (--allow-incomplete)")
    return notes
