"""Write the report of a study: one page without anything outside of it, and each table as CSV and LaTeX beside it."""

import datetime
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from lge_sweep import __version__
from lge_sweep.atomic import write_text
from lge_sweep.csv_files import write_frame
from lge_sweep.manuscript.blocks import Bullets, Facts, Paragraph, Section, Table
from lge_sweep.manuscript.card_section import card_section
from lge_sweep.manuscript.claim import OPEN, claim_section
from lge_sweep.manuscript.data_section import SUBSET_TITLES, data_section, subset_title
from lge_sweep.manuscript.doubt import doubt_section, open_questions
from lge_sweep.manuscript.failures import failures_section
from lge_sweep.manuscript.find import Fits, Study
from lge_sweep.manuscript.methods import methods_section, phase_state
from lge_sweep.manuscript.provenance import commands_section, looks_section, versions_section
from lge_sweep.manuscript.results import STAGE_TITLES, results_section
from lge_sweep.manuscript.words import WORDS
from lge_sweep.pages import page_templates
from lge_sweep.pipeline import performance_frame
from lge_sweep.report import is_numeric, print_frame
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.study import read_per_image
from lge_sweep.text import RESEARCH_USE, slug, visible

PAGE, TABLES = "report.html", "tables"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        page: the report.
        tables: folder of the tables.
        count: how many tables.
        open_items: items of the checklist that only the author can fill.
    """

    page: Path
    tables: Path
    count: int
    open_items: int


def write_manuscript(study: Study, folder: Path, images: bool = False) -> Written:
    """Write the report of a study.

    Args:
        study: the study.
        folder: where to write; what an earlier report left there is replaced.
        images: whether pictures of patients are wanted in it.

    Raises:
        DamagedError: a file of the study is damaged.
        OSError: it cannot be written.
    """
    sections = _sections(study, images)
    tables = [table for section in sections for table in section.tables()]
    names = _unique([table.name for table in tables])
    labels = dict(zip(map(id, tables), names, strict=True))
    text = page_templates(Path(__file__).parent).get_template("page.html.j2").render(
        title=f"{study.first.config.data}, {study.first.config.profile}",
        study=study.name,
        research=RESEARCH_USE,
        version=__version__,
        today=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        sections=sections,
        number={id(table): place for place, table in enumerate(tables, start=1)},
        files=labels,
        numeric=_numeric,
        identity=id,
        style=Markup((Path(__file__).parent / "page.css").read_text(encoding="utf-8")),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / TABLES
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for table, name in zip(tables, names, strict=True):
        write_frame(beside / f"{name}.csv", table.frame)
        write_text(beside / f"{name}.tex", latex(table, name))
    write_text(folder / PAGE, text)
    open_items = next(int((table.frame["state"] == OPEN).sum()) for table in tables if table.name == "claim")
    return Written(folder / PAGE, beside, len(tables), open_items)


def _sections(study: Study, images: bool) -> list[Section]:
    body = [
        data_section(study),
        methods_section(study),
        results_section(study),
        doubt_section(study),
        failures_section(study, images),
        looks_section(study),
        versions_section(study),
        commands_section(study),
        card_section(study),
        claim_section(study),
    ]
    words = Section("words", "Words and abbreviations", [Facts(list(WORDS.items()))])
    return [_summary(study), _question(study), *body, words]


def _summary(study: Study) -> Section:
    """Say in a few lines what was done and what it came to."""
    plan = study.first
    counts = [
        f"{title} {plan.manifest.loc[plan.manifest['subset'] == subset, 'case'].nunique()}"
        for subset, title in SUBSET_TITLES.items()
    ]
    items = [f"Data: {plan.manifest['case'].nunique()} cases of {plan.config.data} ({', '.join(counts)})."]
    for sweep in study.sweeps:
        stage = STAGE_TITLES[sweep.plan.config.stage]
        phase = sweep.plan.config.phase.replace("phase", "Phase ").capitalize()
        if sweep.selection is not None:
            items.append(f"{phase}, {stage}: {sweep.selection.uncertainty.sentence}.")
    for fits in study.fits:
        record = fits.evaluation or fits.comparison
        name = fits.shipped_name
        if record is not None and name in record.summaries:
            table = read_per_image(_measured(fits).subset_table(record.subset, name))
            dice = performance_frame({record.subset: table}).set_index("class")
            items.append(
                f"What is shipped ('{name}'), {subset_title(record.subset)} subset, Dice (95 % interval): scar "
                f"{_dice(dice, 'scar', 'pooled')} pooled and {_dice(dice, 'scar', 'present_only')} on slices that "
                f"have it, myocardium {_dice(dice, 'myocardium', 'pooled')} and cavity "
                f"{_dice(dice, 'cavity', 'pooled')} pooled."
            )
    items += [
        f"Phase {phase[-1]} was not run."
        for phase in ("phase1", "phase2", "phase3", "phase4")
        if phase_state(study, phase) == "not run"
    ]
    items += [f"{fits.files.name}: {fits.evaluation.test_access}." for fits in study.evaluated() if fits.evaluation]
    blocks = [Bullets(items)]
    warning = open_questions(study)
    simulated = [Paragraph("The exams are simulated: nothing here says how a network does on patients.", strong=True)]
    return Section(
        "summary", "Summary", [*(simulated if plan.config.simulated else []), *([warning] if warning else []), *blocks]
    )


def _measured(fits: Fits) -> MeasuredFolder:
    """Return the folder of what was measured last."""
    return fits.plan.files if fits.evaluation is None else fits.files


def _dice(frame: pd.DataFrame, name: str, form: str) -> str:
    """Write a class's Dice with its interval."""
    columns = {form: frame.loc[[name], form]} | {
        f"{form}_{end}": frame.loc[[name], f"{form}_{end}"] for end in ("low", "high")
    }
    return str(print_frame(pd.DataFrame(columns)).iloc[0, 0])


def _question(study: Study) -> Section:
    return Section("question", "Question", [Paragraph(
        "After a heart attack dead muscle is replaced by scar, which takes up a contrast agent and is bright on "
        "magnetic resonance images taken minutes later (late gadolinium enhancement, LGE). How much of the wall of "
        "the left ventricle is scar is read from outlines that a person draws, slice by slice. The question of this "
        "study is which network, trained how, draws the outlines of cavity, myocardium and scar best on this data, "
        "how sure that is, and what the chosen pipeline is worth on patients that no choice was made on."
    ), Paragraph(
        "It was not tested whether the outlines change a diagnosis or the care of a patient."
    )])  # fmt: skip


def _numeric(table: Table) -> list[bool]:
    """Say of each column of a table whether it holds numbers."""
    return [is_numeric(table.printed[title]) and bool(table.rows) for title in table.printed.columns]


def _unique(names: Sequence[str]) -> list[str]:
    """Return names that can be those of files, each once."""
    seen: Counter[str] = Counter()
    found = []
    for name in map(slug, names):
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


_BROAD, _LONG = 40, 30
"""Letters from which on a column of LaTeX breaks its lines, and rows from which on a table breaks its pages."""


def latex(table: Table, label: str) -> str:
    r"""Write a table in LaTeX, as pandas does: booktabs, all letters escaped.

    Args:
        table: the table.
        label: what `\ref` calls it, behind ``tab:``.
    """
    widths = [int(table.printed[title].map(len).max()) if table.rows else 0 for title in table.printed.columns]
    broad = sum(width > _BROAD for width in widths)
    sides = "".join(
        f"p{{{min(0.4, 0.8 / broad):.2f}\\linewidth}}" if width > _BROAD else ("r" if number else "l")
        for number, width in zip(_numeric(table), widths, strict=True)
    )
    several = len(table.rows) > _LONG
    shown = table.printed.map(visible)
    styler = shown.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    text = styler.to_latex(
        column_format=sides,
        hrules=True,
        caption=_escape(table.caption),
        label=f"tab:{label}",
        environment="longtable" if several else None,
        position_float=None if several else "centering",
    )
    return f"% needs \\usepackage{{booktabs{',longtable' if several else ''}}}\n{text}"


def _escape(text: str) -> str:
    """Escape a text for LaTeX."""
    signs = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(signs.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in visible(text))
