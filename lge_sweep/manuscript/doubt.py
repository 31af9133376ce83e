"""Doubt: what the study cannot tell, gathered in one place."""

import pandas as pd

from lge_sweep.manuscript.blocks import Block, Bullets, Paragraph, Part, Section, make_table
from lge_sweep.manuscript.data_section import is_simulated
from lge_sweep.manuscript.find import Study, Sweep
from lge_sweep.manuscript.results import sweep_title
from lge_sweep.scoring import chance, in_hundred, needed_cases

_ENOUGH = 10
"""Patients from which on it is said how many more it takes."""


def doubt_section(study: Study) -> Section:
    """Say what cannot be told apart, how sure choices are, what collapsed, which seeds were not repeated, how few."""
    done = [sweep for sweep in study.sweeps if sweep.selection is not None]
    blocks: list[Block] = [Bullets(few_items(study))]
    if done:
        caption = (
            "How sure each selection is. P(best): probability that the winner is best, by 2000 bootstrap resamples "
            "of the cases. Alike: configurations that cannot be told apart from the winner at 95 %."
        )
        blocks.append(make_table("doubt", caption, pd.DataFrame([_row(sweep) for sweep in done])))
    parts = [Part(sweep_title(sweep.plan), [Bullets(_sweep_items(sweep))]) for sweep in done]
    power = _power_rows(study)
    if not power.empty:
        caption = (
            "How many patients it would take to tell a pipeline from the paper's on the validation subset, with "
            "power .80 at a two-sided level of .05, if the differences of their scores were as large as here and as "
            "variable as their bootstrap interval says (normal approximation). Both are uncertain: a figure for "
            "planning, not a promise."
        )
        titles = {"needed": "patients needed", "cases": "patients here"}
        parts.append(Part("Power", [make_table("power", caption, power, titles)]))
    elif any(fits.comparison for fits in study.fits):
        few = f"Fewer than {_ENOUGH} patients say too little about how they vary to plan a larger study with."
        parts.append(Part("Power", [Paragraph(few)]))
    return Section("doubt", "Doubt", blocks, parts)


def few_items(study: Study) -> list[str]:
    """Say how many patients stand behind the numbers, and what that means."""
    plan, items = study.first, []
    if is_simulated(plan):
        items.append("The exams are simulated. Nothing here says how a network does on patients.")
    for subset, title in (("val", "validation"), ("test", "test")):
        cases = plan.manifest.loc[plan.manifest["subset"] == subset, "case"].nunique()
        few = in_hundred(cases, 0.95)
        items.append(
            f"The {title} subset has {cases} patient{'s' if cases != 1 else ''}"
            + (f": a 95 % interval is too narrow there; {few}." if few else ".")
        )
    items.append(
        "All data is of one source: how the networks do on another scanner or another hospital was not measured."
    )
    if plan.leaky:
        items.append(
            f"The split leaks ({100 * plan.leak_share:.1f} % of test slices have a training slice of the same "
            "patient): all results are too good."
        )
    return items


def _row(sweep: Sweep) -> dict[str, object]:
    assert sweep.selection is not None
    found, seeds = sweep.selection.uncertainty, sweep.plan.config.grid.seed
    others = [entry for entry in found.standings if entry.name != found.winner]
    winner = next(entry for entry in found.standings if entry.name == found.winner)
    return {
        "sweep": sweep_title(sweep.plan),
        "patients": found.cases,
        "configurations": len(found.standings),
        "winner": found.winner,
        "P(best)": chance(winner.best),
        "alike": sum(bool(entry.alike) for entry in others),
        "collapsed": sum(bool(entry.collapsed) for entry in found.standings),
        "seeds of each": len(seeds),
    }


def _sweep_items(sweep: Sweep) -> list[str]:
    assert sweep.selection is not None
    found = sweep.selection.uncertainty
    alike = [entry.name for entry in found.standings if entry.alike and entry.name != found.winner]
    collapsed = [f"{entry.name} ({', '.join(entry.collapsed)})" for entry in found.standings if entry.collapsed]
    items = [f"{found.sentence}."]
    if alike:
        items.append(f"Cannot be told apart from {found.winner}: {', '.join(alike)}.")
    if collapsed:
        items.append(f"Collapsed networks, with the classes that they never found: {', '.join(collapsed)}.")
    if len(sweep.plan.config.grid.seed) == 1:
        items.append("Every configuration was trained with one seed: what another would change is in no interval.")
    return items + [f"{note[:1].upper()}{note[1:]}." for note in found.notes if "trained once" not in note]


def _power_rows(study: Study) -> pd.DataFrame:
    rows = []
    for fits in study.fits:
        if fits.comparison is None:
            continue
        cases = fits.plan.manifest.loc[fits.plan.manifest["subset"] == fits.comparison.subset, "case"].nunique()
        for name, score in fits.comparison.scores.items():
            ends = score.difference_low, score.difference_high
            needed = needed_cases(score.difference, *ends, cases)
            if needed is not None and cases >= _ENOUGH:
                rows.append(
                    {"pipeline": name, "difference": score.difference, "difference_low": ends[0],
                     "difference_high": ends[1], "cases": cases, "needed": needed}
                )  # fmt: skip
    return pd.DataFrame(rows)


def open_questions(study: Study) -> Paragraph | None:
    """Say that a study without an evaluation has nothing to claim."""
    if study.evaluated():
        return None
    return Paragraph(
        "The test subset was not evaluated: every number here is of data that choices were made on.", strong=True
    )
