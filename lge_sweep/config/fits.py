"""Names of the fits of stage 2, which say what each is fitted on."""

from lge_sweep.choices import suggest

PREDICTED = "predicted"
"""The fit that the paper's pipeline is made of."""
TRUE = "true_guidance"
SINGLE = "single"
UNGUIDED = "no_guidance"
CROPPED = "cropped"
AUGMENTED = "augmented"
TRAITS = (UNGUIDED, CROPPED, AUGMENTED)
"""What a fit that can be shipped may have otherwise than the paper's: one of these, or several joined by `+`."""


def traits(fit: str) -> tuple[str, ...]:
    """Return in what a fit differs from the paper's.

    >>> traits("no_guidance+cropped"), traits("predicted")
    (('no_guidance', 'cropped'), ())
    """
    return () if fit == PREDICTED else tuple(fit.split("+"))


def check_shippable(fit: str) -> str:
    """Return the name of a fit that can be shipped.

    Raises:
        ValueError: it is none.
    """
    found = traits(fit)
    for name in found:
        if name not in TRAITS:
            raise ValueError(f"unknown fit '{name}': {suggest(name, (PREDICTED, *TRAITS))}")
    ordered = "+".join(name for name in TRAITS if name in found) or PREDICTED
    if fit != ordered:
        raise ValueError(f"write {fit} as {ordered}")
    return fit


def check_control(fit: str) -> str:
    """Return the name of a fit that is compared with the paper's.

    Raises:
        ValueError: it is none.
    """
    if fit in (TRUE, SINGLE):
        return fit
    if fit == PREDICTED:
        raise ValueError(f"{PREDICTED} is always fitted, and is no control")
    found = traits(fit)
    if not set(found) <= set(TRAITS):
        odd = next(name for name in found if name not in TRAITS)
        alone = f"; {odd} stands alone" if odd in (TRUE, SINGLE) else f": {suggest(odd, (TRUE, SINGLE, *TRAITS))}"
        raise ValueError(f"unknown control '{fit}'{alone}")
    return check_shippable(fit)
