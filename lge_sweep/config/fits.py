"""Names of the fits of stage 2, which say what each is fitted on."""

from lge_sweep.choices import suggest
from lge_sweep.text import shorten

PREDICTED = "predicted"
"""The fit that the paper's pipeline is made of."""
TRUE = "true_guidance"
SINGLE_FIT = "single"
UNGUIDED = "no_guidance"
CROPPED = "cropped"
AUGMENTED = "augmented"
MODIFIERS = (UNGUIDED, CROPPED, AUGMENTED)
"""What a fit that can be shipped may have otherwise than the paper's: one of these, or several joined by `+`."""


def modifiers(fit: str) -> tuple[str, ...]:
    """Return in what a fit differs from the paper's.

    >>> modifiers("no_guidance+cropped"), modifiers("predicted")
    (('no_guidance', 'cropped'), ())
    """
    return () if fit == PREDICTED else tuple(fit.split("+"))


def check_shippable(fit: str) -> str:
    """Return the name of a fit that can be shipped.

    Raises:
        ValueError: it is none.
    """
    return _check(fit, "fit", (PREDICTED,))


def check_control(fit: str) -> str:
    """Return the name of a fit that is compared with the paper's.

    Raises:
        ValueError: it is none.
    """
    if fit == PREDICTED:
        raise ValueError(f"{PREDICTED} is always fitted, and is no control")
    return _check(fit, "control", (TRUE, SINGLE_FIT))


def _check(fit: str, kind: str, alone: tuple[str, ...]) -> str:
    """Return the name of a fit that is one of `alone`, or made of traits, in their order."""
    if fit in alone:
        return fit
    found = fit.split("+")
    for name in found:
        if name not in MODIFIERS:
            hint = f"; {name} stands alone" if name in alone else f": {suggest(name, (*alone, *MODIFIERS))}"
            raise ValueError(f"unknown {kind} '{shorten(fit)}'{hint}")
    ordered = "+".join(name for name in MODIFIERS if name in found)
    if fit != ordered:
        raise ValueError(f"write {shorten(fit)} as {ordered}")
    return fit
