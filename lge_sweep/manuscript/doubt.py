"""Doubt: what the study cannot tell, gathered in one place."""

import pandas as pd

from lge_sweep.manuscript.blocks import Block, Bullets, Paragraph, Part, Section, make_table
from lge_sweep.manuscript.data_section import subset_title
from lge_sweep.manuscript.find import Study, Sweep
from lge_sweep.manuscript.patients import POWER_MEASURE, compared_patients
from lge_sweep.manuscript.results import sweep_title
from lge_sweep.scoring import MEASURES, alike_rule, chance, in_hundred

_ENOUGH = 10
"""Patients from which on it is said how many more it takes."""


def doubt_section(study: Study) -> Section:
    """Say what cannot be told apart, how sure choices are, what collapsed, which seeds were not repeated, how few."""
    done = [sweep for sweep in study.sweeps if sweep.selection is not None]
    blocks: list[Block] = [Bullets(few_items(study))]
    if done:
        caption = (
            "How sure each selection is. P(best): probability that the winner is best, by 2000 bootstrap resamples "
            f"of the cases. Alike: other configurations that cannot be told apart from the winner: {alike_rule(0.95)}."
        )
        blocks.append(make_table("doubt", caption, pd.DataFrame([_row(sweep) for sweep in done])))
    parts = [Part(sweep_title(sweep.plan), [Bullets(_sweep_items(sweep))]) for sweep in done]
    power = _power_rows(study)
    if not power.empty:
        caption = (
            "How many patients it would take to tell a pipeline from the paper's by the "
            f"{MEASURES[POWER_MEASURE].title} (0 to 1, of a whole exam, in three dimensions): so many a paired t-test "
            "needs to find such a difference with a chance of 80 %, two-sided at 5 %, if it is as large and as "
            "variable in all patients as in these. Both are uncertain: a figure for planning, not a promise. In "
            "brackets 95 % bootstrap intervals over patients. A pipeline that more than a million patients would not "
            "tell from the paper's is not there."
        )
        titles = {"needed": "patients needed", "patients": "patients here"}
        parts.append(Part("Power", [make_table("power", caption, power, titles)]))
    elif any(fits.comparison for fits in study.fits):
        few = f"Fewer than {_ENOUGH} patients say too little about how they vary to plan a larger study with."
        parts.append(Part("Power", [Paragraph(few)]))
    return Section("doubt", "Doubt", blocks, parts)


def few_items(study: Study) -> list[str]:
    """Say how many patients stand behind the numbers, and what that means."""
    plan, items = study.first, []
    if plan.config.simulated:
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
    winner = next(entry for entry in found.standings if entry.name == found.winner)
    return {
        "sweep": sweep_title(sweep.plan),
        "patients": found.cases,
        "configurations": len(found.standings),
        "winner": found.winner,
        "P(best)": chance(winner.best),
        "alike": len(found.alike),
        "collapsed": sum(bool(entry.collapsed) for entry in found.standings),
        "seeds of each": len(seeds),
    }


def _sweep_items(sweep: Sweep) -> list[str]:
    assert sweep.selection is not None
    found = sweep.selection.uncertainty
    collapsed = [f"{entry.name} ({', '.join(entry.collapsed)})" for entry in found.standings if entry.collapsed]
    items = [f"{found.sentence}."]
    if found.alike:
        items.append(f"Cannot be told apart from {found.winner}: {', '.join(found.alike)}.")
    if collapsed:
        counted = "" if len(collapsed) == len(found.standings) else ", and not counted above"
        items.append(f"Collapsed networks, with the classes that they never found{counted}: {', '.join(collapsed)}.")
    if len(sweep.plan.config.grid.seed) == 1:
        items.append("Every configuration was trained with one seed: what another would change is in no interval.")
    return items + [f"{note[:1].upper()}{note[1:]}." for note in found.notes if "trained once" not in note]


def _power_rows(study: Study) -> pd.DataFrame:
    """Differences of every pipeline to the paper's over patients, and how many of these would show it."""
    rows = []
    for fits in (*study.composed, *study.fits):
        if fits.comparison is None:
            continue
        subset = fits.comparison.subset
        for name, line in compared_patients(fits.plan.files, subset).items():
            if line["patients"] >= _ENOUGH and not pd.isna(line["needed"]):
                numbers = {end: line[end] for end in ("difference", "difference_low", "difference_high")}
                rows.append(
                    {"subset": subset_title(subset), "pipeline": name, **numbers, "patients": int(line["patients"]),
                     "needed": int(line["needed"])}
                )  # fmt: skip
    return pd.DataFrame(rows)


def open_questions(study: Study) -> Paragraph | None:
    """Say that a study without an evaluation has nothing to claim."""
    if study.evaluated():
        return None
    return Paragraph(
        "The test subset was not evaluated: every number here is of data that choices were made on.", strong=True
    )
