"""Who stands where: pipelines out of fold, which was shipped and why, and all that was measured on the test subset."""

from lge_sweep.manuscript.blocks import Block, Bullets, Figure, Paragraph
from lge_sweep.manuscript.evaluated import captioned
from lge_sweep.manuscript.find import Fits, Study
from lge_sweep.manuscript.svg import figure_svg
from lge_sweep.pipeline import choice_frame, choice_words, find_methods
from lge_sweep.report import CAPTIONS, Spot, figure_spots


def shipped_of(study: Study, fits: Fits) -> str | None:
    """Return the name of the pipeline that is shipped, as a comparison has it; None where nothing is.

    Args:
        study: the study.
        fits: those that are compared; pipelines past the paper are shipped by the fits beside them.
    """
    if fits.choice is None:
        return fits.shipped_name
    names = [one.shipped_name for one in study.fits if one.shipped_name is not None]
    return next((name for name in names if name in fits.choice.pipelines), names[0] if names else None)


def choice_blocks(study: Study, fits: Fits, where: str) -> list[Block]:
    """Show what pipelines past the paper are worth out of fold, and say which was shipped and why.

    Args:
        study: the study.
        fits: their sweep.
        where: on what they were measured, a sentence.
    """
    assert fits.choice is not None
    frame, shipped = choice_frame(fits.choice, fits.plan.files), shipped_of(study, fits)
    spots = [
        Spot(row["pipeline"], row["mean"], row["mean_low"], row["mean_high"], strong=row["pipeline"] == shipped)
        for row in frame.to_dict("records")
    ]
    label = "Mean Dice of cavity, wall and scar out of fold, of every pipeline"
    svg = figure_svg(figure_spots("mean Dice (0 to 1)", spots), f"fig-choice-{fits.plan.name[-10:]}", label)
    dark = f" Dark: '{shipped}', which is shipped." if shipped in frame["pipeline"].tolist() else ""
    return [
        Paragraph(
            f"Pipelines past the paper, fitted by folds of all {fits.choice.cases} training and validation cases "
            f"({fits.plan.name}); each case is labelled by networks that never saw it."
        ),
        Bullets(choice_words(fits.choice, shipped)),
        Figure(f"{where} {label}. Whiskers: 95 % bootstrap intervals over patients.{dark}", svg),
        captioned(f"out_of_fold_{fits.plan.name[-10:]}", CAPTIONS["choice"], frame, where),
    ]


def methods_blocks(study: Study, fits: Fits, where: str) -> list[Block]:
    """Show all that was measured on the test subset until now side by side, labels of others too.

    Args:
        study: the study.
        fits: what was evaluated.
        where: on what, a sentence.
    """
    shipped = fits.shipped_name
    frame = find_methods(study.store, fits.plan, fits.files, shipped)
    if frame is None:
        return [Paragraph("An earlier version evaluated this, and measured no patients: there is no table of methods.")]
    measure = "mean_emidec_dice"
    spots = [
        Spot(
            row["method"], row[measure], row[f"{measure}_low"], row[f"{measure}_high"], strong=row["method"] == shipped
        )
        for row in frame.to_dict("records")
    ]
    label = "Mean Dice of cavity, wall and scar of all that was measured on the test subset"
    svg = figure_svg(figure_spots("mean Dice (0 to 1)", spots), f"fig-methods-{fits.plan.name[-10:]}", label)
    dark = f" Dark: '{shipped}', which is shipped." if shipped else ""
    return [
        Figure(f"{where} {label}. Whiskers: 95 % bootstrap intervals over patients.{dark}", svg),
        captioned(f"methods_{fits.plan.name[-10:]}", CAPTIONS["methods"], frame, where),
    ]
