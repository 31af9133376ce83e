"""The results: rankings of phases 1 and 2, pipelines on the validation subset, and what the test subset said."""

from dataclasses import replace

import pandas as pd

from lge_sweep.config import configurations
from lge_sweep.engine import search_front
from lge_sweep.labels import class_names
from lge_sweep.manuscript.blocks import Block, Bullets, Figure, Paragraph, Part, Section, make_table
from lge_sweep.manuscript.data_section import subset_title
from lge_sweep.manuscript.evaluated import captioned, read_tables
from lge_sweep.manuscript.find import Fits, Study, Sweep
from lge_sweep.manuscript.standing import choice_blocks, methods_blocks, shipped_of
from lge_sweep.manuscript.svg import figure_svg
from lge_sweep.metrics import METRICS
from lge_sweep.pipeline import PIPELINE, ComparisonRecord
from lge_sweep.report import CAPTIONS, Spot, figure_bland_altman, figure_spots, pipelines_frame
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.scoring import beside_reference, chance, front_frame, mean_of_all, ranking_frame
from lge_sweep.study import CellRecord, Plan, read_per_image, read_record

STAGE_TITLES = {1: "stage 1, cavity", 2: "stage 2, wall and scar"}


def results_section(study: Study) -> Section:
    """Tell the results of a study, phase by phase; of a phase that was not run, how to run it."""
    parts = []
    for phase, title in (("phase1", "Phase 1: architectures"), ("phase2", "Phase 2: losses and optimizers")):
        parts.append(Part(title, _phase_blocks(study, phase)))
    if study.of_phase("search"):
        parts.append(Part("Search", _phase_blocks(study, "search")))
    parts.append(Part("Phase 3: pipelines on the validation subset", _validation_blocks(study)))
    parts.append(Part("Phase 4: the test subset", _test_blocks(study)))
    return Section("results", "Results", parts=parts)


def sweep_title(plan: Plan) -> str:
    """Return what a sweep is called in print."""
    return f"{plan.config.phase.replace('phase', 'Phase ').capitalize()}, {STAGE_TITLES[plan.config.stage]}"


def command_of(study: Study, phase: str, stage: int = 0) -> str:
    """Return the command that runs a phase on the study's data with its profile.

    Args:
        study: the study.
        phase: the phase.
        stage: 1 or 2; 0: both, or a phase that has none.
    """
    config = study.first.config
    words = [
        "lge-sweep",
        phase,
        *(["--stage", str(stage)] if stage else []),
        "--data",
        config.data,
        "--profile",
        config.profile,
    ]
    return " ".join(words)


def not_run(study: Study, phase: str, title: str) -> Paragraph:
    """Say that a phase was not run, and what runs it.

    Args:
        study: the study.
        phase: the phase.
        title: what it is called in print.
    """
    return Paragraph(
        f"{title} was not run. This runs it: {command_of(study, phase)} (with --root and --runs as before)."
    )


def _phase_blocks(study: Study, phase: str) -> list[Block]:
    title = phase.replace("phase", "Phase ").capitalize()
    sweeps = study.of_phase(phase)
    blocks: list[Block] = [] if sweeps else [not_run(study, phase, title)]
    for sweep in sweeps:
        stage = STAGE_TITLES[sweep.plan.config.stage]
        if sweep.selection is None:
            command = command_of(study, phase, sweep.plan.config.stage)
            blocks.append(Paragraph(f"{title}, {stage}: it is not complete. This goes on with it: {command}"))
            continue
        blocks += _sweep_blocks(sweep, stage)
    return blocks


def _sweep_blocks(sweep: Sweep, stage: str) -> list[Block]:
    assert sweep.selection is not None
    plan, selection = sweep.plan, sweep.selection
    found = selection.uncertainty
    frame = ranking_frame(selection.ranking, found).drop(columns=["missing"])
    frame = frame[
        [name for name in frame.columns if not name.startswith("score_") or name in ("score_low", "score_high")]
    ]
    frame = pd.concat([frame, _dice_by_class(plan, [entry.name for entry in selection.ranking])], axis=1)
    caption = (
        f"Ranking of {plan.config.phase.replace('phase', 'phase ')}, {stage}, on the {_SUBSETS[selection.subset]} "
        f"subset: n = {found.images} slices of {found.cases} cases. Scores and metrics are 0 to 1; in brackets 95 % "
        "bootstrap intervals over cases. P(best): probability of being best. Alike: cannot be told apart from the "
        "winner, by the rule under Doubt. Spread: mean standard deviation of the metrics over the slices. Dice by "
        "class: mean over the slices that have a value."
    )
    titles = {
        "probability_best": "P(best)", "expected_rank": "expected rank", "collapsed": "collapsed: never found",
        **{f"global_{name}": f"global {METRICS[name].title}" for name in METRICS},
        **{f"{name}_dice": f"{name} Dice" for name in class_names(plan.config.stage)},
    }  # fmt: skip
    table = make_table(
        f"ranking_{plan.config.phase}_stage{plan.config.stage}_{plan.name[-10:]}", caption, frame, titles
    )
    spots = [
        Spot(
            entry.name,
            entry.score,
            entry.low,
            entry.high,
            strong=entry.name in selection.selected,
            faint=bool(entry.collapsed),
        )
        for entry in found.standings
    ]
    label = f"Scores of {sweep_title(plan)}, with 95 % intervals"
    figure = figure_svg(
        figure_spots("score (0 to 1)", spots), f"fig-{plan.config.phase}-{plan.config.stage}-{plan.name[-10:]}", label
    )
    legend = "Dark: selected. Grey: collapsed. Whiskers: 95 % bootstrap intervals over cases."
    shown = Figure(f"{label}; n = {found.cases} cases. {legend}", figure)
    chances = frame["probability_best"].map(chance).tolist()
    table = replace(table, printed=table.printed.assign(**{titles["probability_best"]: chances}))
    chosen = f"Selected: {', '.join(selection.selected)}."
    if selection.override is not None:
        chosen += f" A person chose it over the rule: {selection.override.reason}"
    said = Paragraph(f"{stage.capitalize()}: {found.sentence}. {chosen}")
    return [*_front_blocks(plan, stage), said, shown, table, Bullets(selection.notes)]


def _front_blocks(plan: Plan, stage: str) -> list[Block]:
    """Tell what a search with several objectives came to; nothing of any other sweep."""
    front = search_front(plan)
    if front is None:
        return []
    notes = " ".join(f"{note[:1].upper()}{note[1:]}." for note in front.notes)
    caption = (
        f"All finished trials of the search, {stage}; front: no other is at least as good in every objective and "
        f"better in one. Score 0 to 1; {', '.join(front.titles)}. {notes}"
    )
    table = make_table(f"front_stage{plan.config.stage}_{plan.name[-10:]}", caption, front_frame(front), {})
    return [Paragraph(f"{stage.capitalize()}: {front.sentence}."), table]


_SUBSETS = {"val": "validation", "test": "test", "train": "training"}


def _dice_by_class(plan: Plan, names: list[str]) -> pd.DataFrame:
    """Return the Dice of each foreground class of each configuration, averaged over its seeds."""
    groups, classes = configurations(plan.cells), class_names(plan.config.stage)[1:]
    rows = []
    for name in names:
        outcomes = [plan.cell_files(cell).outcome for cell in groups.get(name, [])]
        means = [read_record(CellRecord, path).summary.image_mean["dice"] for path in outcomes if path.is_file()]
        rows.append({f"{label}_dice": mean_of_all([mean[label] for mean in means]) for label in classes})
    return pd.DataFrame(rows, dtype=float)


def _validation_blocks(study: Study) -> list[Block]:
    if not study.fits:
        return [not_run(study, "phase3", "Phase 3")]
    blocks: list[Block] = []
    for fits in (*study.fits, *study.composed):
        if fits.comparison is None:
            blocks.append(
                Paragraph(f"{fits.plan.name} is not complete. This goes on with it: {command_of(study, 'phase3')}")
            )
            continue
        subset, first = fits.comparison.subset, next(iter(fits.comparison.meanings))
        measured = read_per_image(fits.plan.files.subset_table(subset, first))
        size = f"n = {measured['image'].nunique()} slices of {measured['case'].nunique()} cases"
        frame = _beside(fits.plan.files, fits.comparison)
        name, where = f"validation_{fits.plan.name[-10:]}", f"{_measured_on(subset)}, {size}."
        if fits.choice is not None:
            blocks += choice_blocks(study, fits, where)
        blocks += pipeline_blocks(frame, name, where, shipped_of(study, fits))
        for kind, patients in read_tables(fits.plan.files, "results", subset).items():
            if kind != "choice":
                blocks.append(captioned(f"{subset}_{kind}_{fits.plan.name[-10:]}", CAPTIONS[kind], patients, where))
        scores = pd.DataFrame(
            [{"pipeline": name, **score.model_dump()} for name, score in fits.comparison.scores.items()]
        ).rename(columns={"low": "score_low", "high": "score_high"})
        blocks.append(make_table(
            f"scores_{fits.plan.name[-10:]}",
            f"{where} Score of each pipeline, 0 to 1, weighted as in the paper's Table III, slice by slice at the "
            f"networks' size, and its difference to the paper's pipeline ('{PIPELINE}') on the same resamples; in "
            "brackets 95 % bootstrap intervals over patients, none where there is one patient.",
            scores,
        ))  # fmt: skip
        blocks.append(Bullets([f"{name}: {meaning}." for name, meaning in fits.comparison.meanings.items()]))
        blocks += [Paragraph(f"Left out: {name}, because {why}.") for name, why in fits.comparison.failed.items()]
    return blocks


def _measured_on(subset: str) -> str:
    """Return what a comparison was measured on, as a sentence begins."""
    if subset == "out_of_fold":
        return "Training and validation cases, out of fold"
    return f"{subset_title(subset).capitalize()} subset"


def _beside(files: MeasuredFolder, record: ComparisonRecord) -> pd.DataFrame:
    """Put all pipelines of a comparison beside each other, from their tables, with intervals."""
    tables = {name: read_per_image(files.subset_table(record.subset, name)) for name in record.meanings}
    return pipelines_frame(*beside_reference(tables, PIPELINE))


def pipeline_blocks(frame: pd.DataFrame, name: str, where: str, shipped: str | None) -> list[Block]:
    """Show all pipelines beside each other: a figure of their scar Dice, and the table.

    Args:
        frame: `lge_sweep.report.pipelines_frame`.
        name: of the table's files.
        where: on what they were measured, a sentence.
        shipped: the pipeline that stands out.
    """
    scar = frame[(frame["class"] == "scar") & (frame["metric"] == "dice") & (frame["form"] == "present_only")]
    spots = [
        Spot(row["pipeline"], row["value"], row["low"], row["high"], strong=row["pipeline"] == shipped)
        for row in scar.to_dict("records")
    ]
    label = "Dice of scar, mean over the slices that have scar, of every pipeline"
    svg = figure_svg(figure_spots("Dice of scar on slices with scar (0 to 1)", spots), f"fig-{name}", label)
    known = shipped in frame["pipeline"].tolist()
    dark = f" Dark: the pipeline that is shipped, '{shipped}'." if known else ""
    table = captioned(name, CAPTIONS["pipelines"], frame, where)
    return [Figure(f"{where} {label}. Whiskers: 95 % bootstrap intervals over cases.{dark}", svg), table]


def _test_blocks(study: Study) -> list[Block]:
    done = study.evaluated()
    if not done:
        return [not_run(study, "phase4", "Phase 4"), Paragraph("The test subset has not been looked at by this study.")]
    blocks: list[Block] = []
    for fits in done:
        assert fits.evaluation is not None
        blocks.append(Paragraph(f"{fits.files.name}: {fits.evaluation.test_access}.", strong=True))
        tables = read_tables(fits.files, "results", "test")
        tables.pop("methods", None)  # it is made anew, with what was measured since
        where = f"Test subset, {_size(fits.plan, 'test')}."
        blocks += methods_blocks(study, fits, where)
        if "pipelines" in tables:
            name = f"test_pipelines_{fits.plan.name[-10:]}"
            blocks += pipeline_blocks(tables.pop("pipelines"), name, where, fits.shipped_name)
        for name, frame in tables.items():
            blocks.append(captioned(f"test_{name}_{fits.plan.name[-10:]}", CAPTIONS[name], frame, where))
            if name == "cases":
                blocks.append(_agreement_figure(fits, frame))
    return blocks


def _size(plan: Plan, subset: str) -> str:
    rows = plan.manifest[plan.manifest["subset"] == subset]
    return f"n = {len(rows)} slices of {rows['case'].nunique()} cases"


def _agreement_figure(fits: Fits, cases: pd.DataFrame) -> Block:
    label = "Agreement of predicted and true volumes, mass and scar (Bland and Altman)"
    svg = figure_svg(figure_bland_altman("test subset", cases), f"fig-agreement-{fits.plan.name[-10:]}", label)
    return Figure(f"{label}; a point a patient, {len(cases)} patients.", svg)
