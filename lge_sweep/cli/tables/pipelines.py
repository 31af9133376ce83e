"""The pipeline beside its controls, on validation or test."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal, styled
from lge_sweep.cli.terminal_table import Cell, Column, print_table
from lge_sweep.text import format_number

if TYPE_CHECKING:
    import pandas as pd

    from lge_sweep.pipeline import ChoiceRecord, Evaluation, PipelineComparison


def print_pipelines(console: Terminal, comparison: "PipelineComparison") -> None:
    """Print the pipeline beside its controls.

    Args:
        console: where to print.
        comparison: how they do on one subset.
    """
    from lge_sweep.pipeline import PIPELINE, THRESHOLDS, comparison_frame  # loads torch
    from lge_sweep.scoring import interval

    titles = (
        "score", "95 % interval", "minus two-stage", "cavity", "myo.", "scar", "scar\npooled", "scar\npresent",
    )  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for line in comparison_frame(comparison).to_dict("records"):
        rows.append(
            (
                styled(str(line["pipeline"]), style="bold" if line["pipeline"] == PIPELINE else ""),
                format_number(line["score"]),
                interval(line["score_low"], line["score_high"]),
                interval(line["difference_low"], line["difference_high"]),
                *(format_number(line[part]) for part in ("cavity", "myocardium", "scar")),
                format_number(line["scar_pooled"]),
                format_number(line["scar_present"]),
            )
        )
    measured = "all cases, out of fold" if comparison.subset == "out_of_fold" else f"the {comparison.subset} subset"
    title = f"the pipeline beside its controls: final labels of {measured}"
    print_table(console, [Column("pipeline", "text", key=True), *map(Column, titles)], rows, title)
    told = {name: what for name, what in comparison.meanings.items() if console.whole or name not in THRESHOLDS}
    for meaning in dict.fromkeys(told.values()):
        names = ", ".join(name for name, other in told.items() if other == meaning)
        console.explain(f"{names}: {meaning}.")
    if len(told) < len(comparison.meanings):
        console.explain("sd, fwhm, otsu: classical thresholds inside a wall; each one's rule: lge-sweep --explain ...")
    console.explain(
        "Classes: Dice, mean over the images that have a value; scar present: over images that have scar.",
    )
    for name, reason in comparison.failed.items():
        console.explain(f"Note: the fit '{name}' is left out: {reason}.")


def print_choice(console: Terminal, choice: "ChoiceRecord") -> None:
    """Print what the pipelines past the paper are worth on cases that their networks never saw, and which was chosen.

    Args:
        console: where to print.
        choice: what they are worth.
    """
    from lge_sweep.pipeline import describe_cleaning, describe_doubt
    from lge_sweep.scoring import interval

    parts = tuple(next(iter(choice.pipelines.values())).dice)
    rows: list[Sequence[Cell]] = []
    for name, found in choice.pipelines.items():
        rows.append(
            (
                styled(name, style="bold" if name == choice.selected else ""),
                format_number(found.value),
                interval(found.low, found.high),
                *(format_number(found.dice[part]) for part in parts),
                interval(found.difference_low, found.difference_high, "+"),
                "-" if found.cases_needed is None else str(found.cases_needed),
            )
        )
    titles = ("mean Dice", "95 % interval", *parts, "minus paper", "cases\nneeded")
    title = f"pipelines on {choice.cases} cases that their networks never saw: Dice in 3-D, mean over cases"
    print_table(console, [Column("pipeline", "text", key=True), *map(Column, titles)], rows, title)
    console.print_line(
        f"{choice.selected} serves best. Choosing in this way is worth {choice.value:.3f} on a case that had no say "
        f"({interval(choice.low, choice.high)})."
    )
    for name, found in choice.pipelines.items():
        console.explain(f"Cleaned up after {name}: {describe_cleaning(found.cleaning)}.")
    if told := describe_doubt(choice):
        console.print_line(told)
    console.explain(
        "What is in neither truth nor prediction has a Dice of 1, what is in one of them 0. Cases needed: so many "
        "would show that difference to the paper's pipeline four times in five."
    )


def print_methods(console: Terminal, methods: "pd.DataFrame") -> None:
    """Print all that was measured on the test subset side by side, patient by patient, labels of others too.

    Args:
        console: where to print.
        methods: `lge_sweep.pipeline.find_methods`.
    """
    from lge_sweep.report import measure_cell

    measures = ("mean_emidec_dice", "cavity_dice", "wall_dice", "scar_emidec_dice")
    rows: list[Sequence[Cell]] = []
    for line in methods.to_dict("records"):
        ends = [(name, *(line[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in measures]
        minus = (line[f"difference_to_shipped{end}"] for end in ("", "_low", "_high"))
        rows.append(
            (
                styled(str(line["method"]), style="bold" if "shipped" in str(line["kind"]) else ""),
                str(line["patients"]),
                *(measure_cell(*numbers, joint="  ") for numbers in ends),
                measure_cell(measures[0], *minus, sign="+", joint="  "),
                str(line["needed"]) or "-",
            )
        )
    titles = ("patients", "mean Dice", "cavity", "wall", "scar", "minus\nshipped", "would\ntell")
    title = "all that was measured on the test subset: Dice of whole exams, means over patients with 95 % intervals"
    print_table(console, [Column("method", "text", key=True), *map(Column, titles)], rows, title)
    console.explain(
        "Scar: 1 where neither truth nor prediction has any, 0 where one has. Would tell: so many patients a paired "
        "t-test needs to tell it from what is shipped, four times in five. Labels of others are those that lge-sweep "
        "evaluate has measured until now; the same command shows those of tomorrow."
    )


def print_evaluation(console: Terminal, evaluation: "Evaluation") -> None:
    """Print what the test subset says.

    Args:
        console: where to print.
        evaluation: what it says.
    """
    print_pipelines(console, evaluation.comparison)
    if evaluation.methods is not None:
        print_methods(console, evaluation.methods)
    console.print_line(f"Test subset: {evaluation.record.test_access}.")
    if evaluation.again:
        console.print_line("This pipeline was evaluated before; shown again, not evaluated again.")
    console.print_line(f"Tables VI and VII, cases, agreement: {evaluation.files.tables}")
    console.print_line(f"Table VIII and figures: {evaluation.files.path}")
