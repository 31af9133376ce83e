"""What to keep in mind of a ranking, one sentence each; what may change a decision first."""

from collections.abc import Sequence

import numpy as np

from lge_sweep.scoring.bootstrap import Resampled, fewest_cases, in_hundred
from lge_sweep.scoring.paired import DECIMALS


def alike_rule(level: float) -> str:
    """Say which configurations cannot be told apart from the winner, as the end of a sentence.

    Args:
        level: of the interval, such as 0.95.
    """
    return (
        f"the {100 * level:g} % interval of the difference of their scores, on the same resamples of the cases, holds "
        f"0, or there are fewer than {fewest_cases(level)} cases, which can tell nothing apart; while another stands, "
        "a collapsed configuration cannot be selected, and is not counted"
    )


def uncertainty_notes(drawn: Resampled, ranked: Sequence[int], trained: Sequence[int], level: float) -> list[str]:
    """Say what to keep in mind.

    Args:
        drawn: the resamples.
        ranked: places of the candidates that are ranked.
        trained: how often each candidate was trained.
        level: of the intervals.
    """
    return [*_on_the_choice(drawn, trained, level), *_on_intervals(drawn, ranked, len(trained) - 1, level)]


def _on_the_choice(drawn: Resampled, trained: Sequence[int], level: float) -> list[str]:
    """What these cases and seeds cannot say."""
    notes, others = [], len(trained) - 1
    if drawn.cases == 1:
        notes.append("only 1 case: no interval and no probability can be had from it")
    if others and 1 < drawn.cases < (fewest := fewest_cases(level)):
        notes.append(f"{drawn.cases} cases tell no two configurations apart at {100 * level:g} %: it takes {fewest}")
    seeds = sorted(set(trained))
    if seeds[0] == 1:
        who = "each configuration" if seeds == [1] else "some configurations"
        were = "was" if seeds == [1] else "were"
        notes.append(f"{who} {were} trained once: the intervals do not know what another seed would change")
    if others:
        notes.append("the winner's own score is optimistic, because it was chosen on the images that it was scored on")
    return notes


def _on_intervals(drawn: Resampled, ranked: Sequence[int], others: int, level: float) -> list[str]:
    """How far intervals and tests are to be believed.

    Args:
        drawn: the resamples.
        ranked: places of the candidates that are ranked.
        others: how many candidates the winner is compared with.
        level: of the intervals.
    """
    notes = []
    if drawn.cases > 1 and (few := in_hundred(drawn.cases, level)):
        notes.append(f"{100 * level:g} % intervals are too narrow: {few}")
    if drawn.left_out:
        total = drawn.left_out + len(drawn.scores)
        ending = "" if len(drawn.scores) else ": there are no intervals"
        notes.append(f"{drawn.left_out} of {total} resamples left some class without a value and were not used{ending}")
    top = np.sort(np.round(drawn.scores[:, list(ranked)], DECIMALS), axis=1)[:, -2:]
    if top.shape[1] == 2 and (tied := int((top[:, 0] == top[:, 1]).sum())):
        notes.append(f"in {tied} of {len(top)} resamples the best had equal scores and share their ranks")
    if others and 2.0 ** (1 - drawn.cases) * others >= 0.05:
        notes.append(
            f"with {drawn.cases} case{'s' if drawn.cases > 1 else ''} and {others} "
            f"comparison{'s' if others > 1 else ''} a metric, no Wilcoxon test can reach .05 after Holm's correction"
        )
    return notes
