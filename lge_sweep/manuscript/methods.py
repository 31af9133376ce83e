"""The methods in words, made from the settings that were used."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel

from lge_sweep.config import SweepConfig
from lge_sweep.config.schema import Training
from lge_sweep.labels import SCORED
from lge_sweep.manuscript.blocks import Block, Bullets, Facts, Paragraph, Part, Section, Table, make_table
from lge_sweep.manuscript.find import Study
from lge_sweep.metrics import METRICS
from lge_sweep.quantify import METHODS
from lge_sweep.scoring import RULES, alike_rule

ARCHITECTURE_WORDS = {
    "unet": "U-Net: encoder and decoder of five levels, with skip connections",
    "segnet": "SegNet: VGG-16 encoder, decoder that unpools with the encoder's indices",
    "deeplabv3plus_mobilenetv2": "DeepLabV3+ with a MobileNetV2 encoder",
    "deeplabv3plus_resnet50": "DeepLabV3+ with a ResNet-50 encoder",
    "deeplabv3plus_xception": "DeepLabV3+ with an Xception-41 encoder",
}
LOSS_WORDS = {
    "cross_entropy": "cross-entropy of each pixel",
    "weighted_ce": "cross-entropy, classes weighted by median frequency",
    "dice": "1 - Dice, averaged over the classes",
    "focal": "focal loss: cross-entropy that gives easy pixels less weight",
    "dice_ce": "sum of the Dice loss and cross-entropy",
    "dice_focal": "sum of the Dice loss and the focal loss",
}
OPTIMIZER_WORDS = {
    "adam": "Adam: adaptive moment estimation",
    "sgdm": "stochastic gradient descent with momentum",
}
PHASES = (
    ("phase1", "1", "architectures under one loss and optimizer", "a ranking a stage; the best go on"),
    ("phase2", "2", "losses by optimizers, for those architectures", "one configuration a stage"),
    ("search", "search", "loss, optimizer and training options drawn by an optimizer of settings", "a ranking"),
    ("phase3", "3", "the two networks as one pipeline, beside controls", "the pipeline that is shipped"),
    ("phase4", "4", "that pipeline and its controls, on the test subset", "what it is worth"),
)


def methods_section(study: Study) -> Section:
    """Describe the methods of a study."""
    parts = [
        Part("Two stages and four phases", [Paragraph(_STAGES), phase_table(study)]),
        Part("Networks, losses, optimizers", [Bullets(_grid_items(study))]),
        Part("Training", _training_blocks(study)),
        Part("Metrics", [_metrics_table(study), Paragraph(_METRIC_WORDS)]),
        Part("Selection", _selection_blocks(study)),
        Part("The pipeline", _pipeline_blocks(study)),
        Part("Statistics", [Bullets(_statistics(study))]),
    ]
    return Section("methods", "Methods", [Paragraph(_PAPER)], parts)


_PAPER = (
    "The method is that of Nor Kamal et al., Two-Stage Deep Learning Framework for Myocardial Infarction "
    "Segmentation in LGE-MRI Images (2026), here called the paper; what departs from it is said."
)
_STAGES = (
    "Stage 1 finds the cavity of the left ventricle. Stage 2 is shown the slice in three channels (the image without "
    "the cavity, the cavity, the image) and finds myocardium and scar. Each stage is a network of its own that "
    "labels one slice at a time."
)
_METRIC_WORDS = (
    "Each metric is measured on each image and class. Mean over images: over the images on which the class has a "
    "value. Pooled: of the pixels of all images counted together. Present only: the mean over images whose reference "
    "has the class. A global metric is the unweighted mean over the classes of the stage, background included."
)


def phase_table(study: Study) -> Table:
    """Say of each phase whether it was run, on which stages."""
    rows = []
    for phase, number, compared, gives in PHASES:
        rows.append(
            {"phase": number, "what is compared": compared, "what it gives": gives, "run": phase_state(study, phase)}
        )
    return make_table("phases", "The phases of the method, and which of them were run here.", pd.DataFrame(rows))


def phase_state(study: Study, phase: str) -> str:
    """Say how far a phase is."""
    if phase == "phase3":
        done = [fits for fits in study.fits if fits.comparison is not None]
        return "complete" if done else ("not complete" if study.fits or study.folds else "not run")
    if phase == "phase4":
        return "complete" if study.evaluated() else "not run"
    states = [
        f"stage {sweep.plan.config.stage} {'complete' if sweep.selection else 'not complete'}"
        for sweep in study.of_phase(phase)
    ]
    return ", ".join(dict.fromkeys(states)) or "not run"


def _grid_items(study: Study) -> list[str]:
    items = []
    for sweep in study.sweeps:
        grid, config = sweep.plan.config.grid, sweep.plan.config
        cells = len(grid.model) * len(grid.loss) * len(grid.optimizer) * len(grid.seed)
        how = f"{cells} trainings:"
        if config.search is not None:
            how = f"{config.search.trials} trials, looked for by {' and '.join(config.search.objectives)}, drawn from"
        items.append(
            f"{config.phase.replace('phase', 'Phase ').replace('search', 'Search')}, stage {config.stage}: {how} "
            f"{_count(grid.model, 'architecture')}, {_count(grid.loss, 'loss', 'losses')}, "
            f"{_count(grid.optimizer, 'optimizer')}, {_count(grid.seed, 'seed')}."
        )
    grids = [plan.config.grid for plan in study.plans]
    for kind, words in (("model", ARCHITECTURE_WORDS), ("loss", LOSS_WORDS), ("optimizer", OPTIMIZER_WORDS)):
        names = dict.fromkeys(name for grid in grids for name in getattr(grid, kind))
        items += [f"{name}: {words.get(name, 'see the documentation')}." for name in names]
    return items


def _count(values: Sequence[object], one: str, several: str = "") -> str:
    return f"{len(values)} {one if len(values) == 1 else several or one + 's'}"


def _training_blocks(study: Study) -> list[Block]:
    training = study.first.config.training
    differing = [plan for plan in study.plans if plan.config.training != training]
    blocks: list[Block] = [
        settings_table("training", "How every network is trained, unless another table says otherwise.", training),
        Paragraph(
            "Initial weights, the order of batches and augmentation follow from the seed of each configuration. The "
            "weights with the lowest validation loss are kept."
        ),
    ]
    items = []
    for plan in differing:
        changes = ", ".join(f"{name} {value}" for name, value in _changes(training, plan.config.training))
        items.append(f"{plan.title}: {changes}.")
    return [*blocks, *([Bullets(items)] if items else [])]


def _changes(common: Training, own: Training) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in own if value != getattr(common, name)]


def settings_table(name: str, caption: str, settings: BaseModel, without: str = "") -> Table:
    """Tabulate settings: name, value and what the schema says it means.

    Args:
        name: of the table's files.
        caption: what the settings are of.
        settings: a model of settings.
        without: one of them that is told elsewhere.
    """
    rows = [row for row in _setting_rows(settings, "") if not without or row[0].partition(".")[0] != without]
    frame = pd.DataFrame(rows, columns=["setting", "value", "meaning"])
    return make_table(name, caption, frame)


def _setting_rows(settings: BaseModel, prefix: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            rows += _setting_rows(value, f"{prefix}{name}.")
        elif isinstance(value, Mapping):  # by name; what none of them says otherwise is as without it
            named = (_setting_rows(own, f"{prefix}{name}.{key}.") for key, own in value.items())
            rows += [row for found in named for row in found if row[1] != "none"]
        else:
            rows.append((f"{prefix}{name}", _value_text(value), plain(field.description or "")))
    return rows


def plain(text: str) -> str:
    """Return a docstring as plain text of one line."""
    return " ".join(text.replace("`", "").split())


def _value_text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        own = value.model_dump(exclude_defaults=True)
        return " and ".join(f"{name} {_value_text(number)}" for name, number in own.items()) or "nothing"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value_text, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _metrics_table(study: Study) -> Table:
    config = study.first.config.metrics
    formulas = {
        "dice": "2 TP / (2 TP + FP + FN)", "iou": "TP / (TP + FP + FN)", "f1": "as Dice; the paper reports it",
        "sensitivity": "TP / (TP + FN)", "specificity": "TN / (TN + FP)", "accuracy": "(TP + TN) / all pixels",
        "bf": "boundary F1: harmonic mean of the shares of each boundary within a tolerance of the other; tolerance "
        + ("0.75 % of the image diagonal" if config.bf_tolerance is None else f"{config.bf_tolerance:g} pixels"),
        "hd95": "larger of the 95th percentiles of the distances of each boundary to the other",
        "assd": "average of the distances of each boundary to the other",
        "nsd": f"share of both boundaries within {config.nsd_tolerance_mm:g} mm of the other",
    }  # fmt: skip
    rows = [
        {
            "metric": METRICS[name].title,
            "formula": formulas.get(name.removesuffix("_mm").removesuffix("_px"), "see the documentation"),
            "in scores": "yes" if name in SCORED else "no",
        }
        for name in METRICS
    ]
    caption = (
        "Metrics of one image and one class. TP: pixels of the class in prediction and reference; FP: in the "
        f"prediction alone; FN: in the reference alone; TN: in neither. A class in neither: {_EMPTY[config.empty]}."
    )
    return make_table("metrics", caption, pd.DataFrame(rows))


_EMPTY = {
    "nan": "Dice and its like have no value, and the image counts in no mean of that class",
    "zero": "Dice and its like are 0",
    "one": "Dice and its like are 1",
}


def _selection_blocks(study: Study) -> list[Block]:
    blocks: list[Block] = []
    rules: dict[str, SweepConfig] = {}
    for sweep in study.sweeps:
        rules.setdefault(sweep.plan.config.phase, sweep.plan.config)
    for phase, config in rules.items():
        rule = config.selection
        how = (
            "the unweighted mean of the six global metrics"
            if rule.rule == "mean"
            else "their mean weighted as in the paper's Table III"
        )
        kept = (
            f"The best {rule.keep} go on."
            if rule.keep > 1
            else (
                f"One is kept: of those within {rule.tie_margin:g} of the top score the one whose metrics vary least "
                "over the images."
            )
        )
        emphasis = ", ".join(f"{name} {weight:g}" for name, weight in rule.emphasis.items())
        subset = "validation" if rule.subset == "val" else "test"
        blocks.append(Paragraph(
            f"{phase.replace('phase', 'Phase ').capitalize()}: the score is {how}, on the {subset} subset. {kept}"
            + (f" Weights of classes: {emphasis}." if emphasis else "")
        ))  # fmt: skip
    blocks.append(Paragraph(
        "A configuration is collapsed if it never predicts a class that it has to find; it is marked, and not "
        "selected while another stands."
    ))  # fmt: skip
    rows = [{"rule": name, **weights} for name, weights in RULES.items()]
    titles = {name: METRICS[name].title for name in SCORED}
    caption = "Weights of the six metrics in a score, which is divided by the sum of the weights of those with a value."
    return [*blocks, make_table("weights", caption, pd.DataFrame(rows), titles)]


def _pipeline_blocks(study: Study) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(
            "Refinement of the cavity: holes are filled, the largest piece is kept, it is opened and closed with a "
            "disk of radius 2 pixels, and its edge is thickened by one pixel (paper, Fig. 4). Final labels of the "
            "paper's pipeline: the refined cavity, else what stage 2 says."
        )
    ]
    if not study.fits:
        return [*blocks, Paragraph("Phase 3, which fits and ships the pipeline, was not run.")]
    for fits in study.fits:
        if fits.comparison is None:
            blocks.append(Paragraph(f"Fits ({fits.plan.name}): begun and not finished; no number is of them."))
            continue
        fit = fits.plan.config.fitting
        blocks.append(
            Paragraph(
                f"Fits ({fits.plan.name}): stage 2 was fitted again on the guidance that it will get. Each training "
                f"slice got its cavity from a stage-1 network that never saw its patient ({fit.folds} folds by case), "
                "each validation slice from the network that phase 2 selected."
            )
        )
        if fits.shipped is not None:
            blocks.append(Facts(shipped_facts(fits.shipped.shipped)))
        blocks.append(
            settings_table(f"fit_{fits.plan.name[-10:]}", f"Settings of the fits of {fits.plan.name}.", fit, "shipped")
        )
    thresholds = "; ".join(method.title for method in METHODS.values())
    return [*blocks, Paragraph(f"Classical thresholds inside a given wall, as further controls: {thresholds}.")]


def shipped_facts(shipped: BaseModel) -> list[tuple[str, str]]:
    """Say what is shipped: each option in the words of the schema."""
    fields = type(shipped).model_fields
    return [
        (f"shipped: {name.replace('_', ' ')}", f"{_value_text(value)} ({plain(fields[name].description or '')})")
        for name, value in shipped
    ]


def _statistics(study: Study) -> list[str]:
    return [
        "The unit is the patient: slices of one patient resemble each other. Intervals are 95 % percentile intervals "
        "of 2000 bootstrap resamples of the cases, all slices of a case with it.",
        "Seeds of a configuration, where they were repeated, are drawn anew in each resample.",
        "Probability of being best: the share of resamples in which a configuration has the highest score.",
        f"A configuration cannot be told apart from the winner if {alike_rule(0.95)}.",
        "Wilcoxon's signed-rank test compares the winner with every other by case, with Holm's correction; "
        "Friedman's test all at once. No claim in this report rests on a test alone.",
        "Percentile intervals from few cases are too narrow; how much is said with each.",
        "Agreement of volumes: bias and 95 % limits of agreement (Bland and Altman), concordance (Lin).",
    ]
