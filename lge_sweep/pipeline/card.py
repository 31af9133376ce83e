"""The model card of what is shipped: what it is for, what it was trained on, what it is worth, what it cannot do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lge_sweep.labels import Label
from lge_sweep.report import AGGREGATE_TITLES, print_frame
from lge_sweep.scoring import in_hundred, intervals, resample_table
from lge_sweep.study import Plan, subset_counts
from lge_sweep.text import escape_markdown, markdown_table

CARD = "MODEL_CARD.md"
"""Its file in a segmenter's folder."""
_MEASURED = (Label.CAVITY, Label.MYOCARDIUM, Label.SCAR)
_OUT_OF_FOLD = (
    " Validation: labels by networks that had not seen the case, those of its fold, not by the mean of all that is "
    "shipped."
)
_SUBSETS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True, eq=False)
class CardPart:
    """A part of a model card.

    Attributes:
        title: its heading.
        items: its sentences.
        table: numbers, or None.
        caption: what the table shows.
    """

    title: str
    items: Sequence[str]
    table: pd.DataFrame | None = None
    caption: str = ""


def model_card(
    plan: Plan,
    about: str,
    measured: Mapping[str, pd.DataFrame],
    collapsed: Sequence[str] = (),
    *,
    out_of_fold: bool = False,
) -> list[CardPart]:
    """Write the card of a pipeline.

    Args:
        plan: the sweep of its fits.
        about: what it is, a sentence.
        measured: subset ("val", "test") -> its metrics there, a row an image and class (`lge_sweep.metrics.evaluate`).
        collapsed: classes that it never finds.
        out_of_fold: whether it is a pipeline past the paper, whose networks were trained and chosen in folds.
    """
    size = plan.config.training.image_size
    performance = performance_frame(measured)
    sizes = [
        f"{_SUBSETS[name]} {table['image'].nunique()} slices of {table['case'].nunique()} cases"
        for name, table in measured.items()
    ]
    caption = (
        f"Dice (0 to 1) of the final labels, with 95 % bootstrap intervals over cases: {', '.join(sizes)}. "
        + "; ".join(f"{form.replace('_', ' ')}: {words}" for form, words in AGGREGATE_TITLES.items())
        + "."
        + _OUT_OF_FOLD * (out_of_fold and "val" in measured)
    )
    return [
        CardPart("What it is", [
            f"{about.removesuffix('.')}.",
            "Input: short-axis slices of late-gadolinium-enhancement magnetic resonance imaging, of any size and "
            f"unit; inside they are clipped, made 8 bit and resized, whole slices to {size} x {size} pixels; a square "
            "around the heart, where networks see one, to that or to a size of its own.",
            "Output: for each pixel background, cavity of the left ventricle, myocardium or scar.",
        ]),
        CardPart("Intended use", [
            "Research: to segment series of exams like those it was trained on, with every result looked at by a "
            "person.",
            "Not for clinical use: it is no medical device, and no decision about a patient may rest on it.",
            "Not for other sequences, other views, other organs, or children.",
        ]),
        CardPart("Training data", _training_data(plan, out_of_fold)),
        CardPart("Performance", [], performance, caption),
        CardPart("Limits", _limits(plan, measured, collapsed)),
    ]  # fmt: skip


def _training_data(plan: Plan, out_of_fold: bool) -> list[str]:
    config, counts = plan.config, subset_counts(plan.manifest)
    simulated = ["The training data is simulated: the model has seen no patient."] * config.simulated
    used, validated = counts["train"], [f"Choices were made on the validation subset: {_amount(counts['val'])}."]
    if out_of_fold:
        used = {name: counts["train"][name] + counts["val"][name] for name in counts["train"]}
        validated = [
            "Each network after stage 1 was trained without one fold of these cases; what is shipped was chosen on all "
            "of them, each labelled by networks that had not seen it.",
            "Stage 1 was trained on the training subset; it, and what is taken over from phase 2, was chosen on the "
            f"validation subset: {_amount(counts['val'])}.",
        ]
    leak = f"The split leaks: {100 * plan.leak_share:.1f} % of test slices have a training slice of their patient."
    return [
        *simulated,
        f"Data set {config.data}, content digest {plan.data_digest[:16]}: {_amount(used)} for training.",
        *validated,
        leak if plan.leaky else "No patient is in two subsets.",
    ]


def _amount(counts: Mapping[str, int]) -> str:
    return f"{counts['cases']} cases, {counts['slices']} slices ({counts['with_scar']} with scar)"


def performance_frame(measured: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tabulate the Dice of each class in three forms, with intervals.

    Args:
        measured: subset -> metrics, a row an image and class.

    Returns:
        Columns: subset, class, and of each form its value and interval (`<form>_low`, `<form>_high`).
    """
    rows = []
    for subset, table in measured.items():
        found = intervals(resample_table(table))
        for label in _MEASURED:
            row: dict[str, object] = {"subset": _SUBSETS[subset], "class": label.title}
            for form in AGGREGATE_TITLES:
                one = found.find(form, "dice", label.title)
                row |= {form: one.value, f"{form}_low": one.low, f"{form}_high": one.high}
            rows.append(row)
    numbers = [name for form in AGGREGATE_TITLES for name in (form, f"{form}_low", f"{form}_high")]
    return pd.DataFrame(rows, columns=["subset", "class", *numbers]).astype(dict.fromkeys(numbers, float))


def _limits(plan: Plan, measured: Mapping[str, pd.DataFrame], collapsed: Sequence[str]) -> list[str]:
    items = [f"It never finds {name}." for name in collapsed]
    for subset, table in measured.items():
        cases = table["case"].nunique()
        few = in_hundred(cases, 0.95)
        items.append(
            f"The {_SUBSETS[subset]} subset has {cases} case{'s' if cases != 1 else ''}{f'; {few}' if few else ''}."
        )
        scar = table[table["class"] == Label.SCAR.title]
        free = scar["tp"] + scar["fn"] == 0
        alarms = int((free & (scar["fp"] > 0)).sum())
        missed = int((~free & (scar["tp"] + scar["fp"] == 0)).sum())
        items.append(
            f"On the {_SUBSETS[subset]} subset it calls scar on {alarms} of {int(free.sum())} slices without, and "
            f"misses it on {missed} of {int((~free).sum())} with."
        )
    if "test" not in measured:
        items.append("It was not evaluated on data that no choice was made on.")
    return [
        *items,
        "Other scanners, hospitals and protocols were not tried.",
        "Every image gets labels, also one that shows no heart.",
    ]


def card_markdown(parts: Sequence[CardPart]) -> str:
    """Write a card as Markdown."""
    texts = ["# Model card"]
    for part in parts:
        texts.append(f"## {part.title}")
        if part.items:
            texts.append("\n".join(f"- {escape_markdown(item)}" for item in part.items))
        if part.table is not None and len(part.table):
            texts += [_markdown(part.table), part.caption]
    return "\n\n".join(texts) + "\n"


def _markdown(table: pd.DataFrame) -> str:
    printed = print_frame(table)
    return markdown_table(list(printed.columns), printed.itertuples(index=False, name=None), left=("class",))
