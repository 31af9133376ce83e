"""How it came about: every look at the test subset, software and hardware, and the commands that repeat it."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from lge_sweep import __version__
from lge_sweep.config import SweepConfig, load_sweep
from lge_sweep.errors import ConfigError
from lge_sweep.manuscript.blocks import Block, Bullets, Commands, Paragraph, Part, Section, make_table
from lge_sweep.manuscript.find import Study
from lge_sweep.pipeline import read_accesses
from lge_sweep.study import CellRecord, Plan, read_record
from lge_sweep.text import format_seconds


def looks_section(study: Study) -> Section:
    """List every look at the study's test slices, whoever looked, from the record of the runs directory."""
    manifest = study.first.manifest
    mine = set(manifest.loc[manifest["subset"] == "test", "content_hash"].str[:16])
    rows = [
        {
            "when": access.when,
            "what": access.pipeline,
            "slices": len(access.slices),
            "of these": len(mine & set(access.slices)),
            "came to its numbers": "yes" if access.finished else "no, it was stopped",
        }
        for access in read_accesses(study.store.root)
        if mine & set(access.slices)
    ]
    told = (
        "The program records every evaluation on a test slice before it begins, and counts selections that were made "
        "on the test subset. It cannot see looks by other programs or in other runs directories."
    )
    if not rows:
        return Section("looks", "Looks at the test subset", [Paragraph(told), Paragraph("No look is recorded.")])
    caption = (
        f"Looks at the {len(mine)} test slices of this study, in order; times in UTC (Coordinated Universal Time)."
    )
    blocks: list[Block] = [Paragraph(told), make_table("looks", caption, pd.DataFrame(rows))]
    if len(rows) > 1:
        blocks.append(
            Paragraph("The test subset was looked at more than once: it is no longer untouched.", strong=True)
        )
    return Section("looks", "Looks at the test subset", blocks)


def versions_section(study: Study) -> Section:
    """Tell the versions of software, the hardware and the time that the trainings took, as they recorded it."""
    records = [(plan, record) for plan in study.plans for record in _records(plan)]
    versions = Counter((name, version) for _, record in records for name, version in record.versions.items())
    hardware: Counter[tuple[str, ...]] = Counter()
    for _, record in records:
        facts = record.hardware
        threads = "-" if facts.threads is None else str(facts.threads)
        hardware[
            (facts.accelerator, facts.precision, threads, facts.memory_format or "-", facts.execution or "eager")
        ] += 1
    software = pd.DataFrame(
        [
            {"library": name, "version": version, "trainings": count}
            for (name, version), count in sorted(versions.items())
        ],
        columns=["library", "version", "trainings"],
    )
    machines = pd.DataFrame(
        [dict(zip(_MACHINE, key, strict=True)) | {"trainings": count} for key, count in hardware.most_common()],
        columns=[*_MACHINE, "trainings"],
    )
    times = [_times(plan, [record for other, record in records if other is plan]) for plan in study.plans]
    seconds = pd.DataFrame(times, columns=["sweep", "trainings", "training", "in all"])
    blocks: list[Block] = [
        Paragraph(f"This report was made by lge_sweep {__version__}."),
        make_table("software", f"Libraries that the {len(records)} trainings used, as each recorded it.", software),
        make_table("hardware", "Hardware and number format of the trainings.", machines),
        make_table(
            "times", "Time of the trainings of each sweep, summed over trainings that ran side by side.", seconds
        ),
    ]
    return Section("versions", "Software and hardware", blocks)


_MACHINE = ("accelerator", "number format", "threads", "memory format", "execution")


def _records(plan: Plan) -> Iterator[CellRecord]:
    for folder in plan.files.finished():
        yield read_record(CellRecord, folder.outcome)


def _times(plan: Plan, records: Sequence[CellRecord]) -> tuple[str, int, str, str]:
    training, whole = (sum(getattr(record.seconds, name) for record in records) for name in ("training", "all"))
    return plan.title, len(records), format_seconds(training), format_seconds(whole)


def commands_section(study: Study) -> Section:
    """Give the commands that repeat the study, with the settings that differ from the files'."""
    lines, remarks = [], []
    for plan in study.plans:
        config = plan.config
        if plan in study.folds or any(fits.plan is plan for fits in study.composed):
            continue  # they are a part of phase 3
        settings, remark = _differences(config)
        stage = [] if config.phase == "phase3" else ["--stage", str(config.stage)]
        models = phase2_models(study, config)
        place = [*stage, "--data", config.data, "--profile", config.profile]
        words = ["lge-sweep", config.phase, *place, *models, *settings]
        lines.append(shlex.join(words))
        remarks += [f"{plan.name}: {remark}."] * bool(remark)
        if config.phase == "phase3" and any(fits.plan is plan for fits in study.evaluated()):
            lines.append(shlex.join(["lge-sweep", "phase4", *words[2:]]))
    config = study.first.config
    lines.append(shlex.join(["lge-sweep", "report", "--data", config.data, "--profile", config.profile]))
    blocks: list[Block] = [
        Paragraph(
            "In this order, with --root FOLDER where the data is in files, and --runs FOLDER where results are not "
            "to go to ./runs. Every setting of each sweep is in sweep.yaml in its folder."
        ),
        Commands(lines),
    ]
    names = [f"{plan.title}: folder {plan.name}" for plan in study.plans]
    parts = [Part("Folders of the results", [Bullets(names)])]
    if remarks:
        blocks.append(Bullets(list(dict.fromkeys(remarks))))
    return Section("commands", "Commands to repeat it", blocks, parts)


def phase2_models(study: Study, config: SweepConfig) -> list[str]:
    """Return the option that names the architectures of phase 2, unless phase 1 of the study selected the same.

    Args:
        study: the study.
        config: settings of one of its sweeps.
    """
    if config.phase != "phase2":
        return []
    selected = [
        set(sweep.selection.models)
        for sweep in study.of_phase("phase1")
        if sweep.selection is not None and sweep.plan.config.stage == config.stage
    ]
    if set(config.grid.model) in selected:
        return []
    return ["--models", ",".join(config.grid.model)]


def _differences(config: SweepConfig) -> tuple[list[str], str]:
    """Return the options that make the settings of a sweep from the files of this version; and why that cannot be."""
    try:
        stock = load_sweep(config.phase, config.stage, config.data, config.profile)
    except ConfigError:
        return [], (
            f"the files of data {config.data} or profile {config.profile} are not among those of the program; give "
            "theirs, as --data FILE.yaml"
        )
    inherited = {"grid"} if config.phase == "phase3" else ({"grid.model"} if config.phase == "phase2" else set())
    own, usual = _leaves(config.model_dump(mode="json")), _leaves(stock.model_dump(mode="json"))
    words = []
    for key, value in own.items():
        if usual.get(key) != value and not any(key == name or key.startswith(f"{name}.") for name in inherited):
            words += ["--set", f"{key}={_yaml(value)}"]
    return words, ""


def _leaves(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _yaml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
