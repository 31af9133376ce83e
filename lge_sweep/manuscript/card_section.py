"""The model card of what is shipped, as a section of the report."""

from lge_sweep.manuscript.blocks import Block, Bullets, Paragraph, Part, Section, make_table
from lge_sweep.manuscript.find import Fits, Study
from lge_sweep.manuscript.results import not_run
from lge_sweep.pipeline import PIPELINE, model_card
from lge_sweep.study import read_per_image


def card_section(study: Study) -> Section:
    """Show the model card of each pipeline that was shipped."""
    parts: list[Part] = []
    shipped = [fits for fits in study.fits if fits.shipped is not None]
    for fits in shipped:
        parts += _card(fits)
    if not parts:
        return Section("card", "Model card", [not_run(study, "phase3", "Phase 3, which ships a model,")])
    told = (
        "The folder of the shipped model has it as phase 3 wrote it (MODEL_CARD.md); its version in MLflow's registry "
        "of models (lge-two-stage) has the numbers that are here."
    )
    return Section("card", "Model card", [Paragraph(told)], parts)


def _card(fits: Fits) -> list[Part]:
    name = fits.shipped_name or PIPELINE
    files = {"val": fits.plan.files, "test": fits.files}
    records = {"val": fits.comparison, "test": fits.evaluation}
    paths = {
        subset: files[subset].subset_table(subset, name) for subset, record in records.items() if record is not None
    }
    measured = {subset: read_per_image(path) for subset, path in paths.items() if path.is_file()}
    known = [record for record in records.values() if record is not None and name in record.summaries]
    collapsed = known[-1].summaries[name].collapsed if known else ()
    past_paper = fits.shipped is not None and fits.shipped.shipped.pipeline is not None
    parts = []
    about = f"Pipeline '{name}' of {fits.plan.name}"
    for part in model_card(fits.plan, about, measured, collapsed, out_of_fold=past_paper):
        blocks: list[Block] = [Bullets(part.items)] if part.items else []
        if part.table is not None and len(part.table):
            blocks.append(make_table(f"card_{fits.plan.name[-10:]}", part.caption, part.table))
        parts.append(Part(part.title, blocks))
    return parts
