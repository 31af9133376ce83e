"""Mask files of images: colours or index values become classes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lge_sweep.arrays import ClassCodes, Pixels, Pixels8
from lge_sweep.config.masks import ColourMask, IndexMask, NiftiMask
from lge_sweep.ingest.image_files import read_image_file
from lge_sweep.ingest.intensity_files import alpha_channel
from lge_sweep.labels import CLASS_CODES, Label
from lge_sweep.text import shorten

_MODES_8_BIT = {"1": "1-bit grey", "L": "8-bit grey", "LA": "8-bit grey with alpha"}
_MODES_DEEP = {"I": "32-bit integers", "F": "floating-point numbers"} | dict.fromkeys(
    ("I;16", "I;16B", "I;16L"), "16-bit grey"
)
_MODES_PALETTE = {"P": "indices of a palette", "PA": "indices of a palette with alpha"}
_MODES_COLOUR = {"RGB": "8-bit colour", "RGBA": "8-bit colour with alpha"}
_PILLOW_MODES = _MODES_8_BIT | _MODES_DEEP | _MODES_PALETTE | _MODES_COLOUR
"""Pillow's modes, in words."""


def read_mask_file(path: Path, mask: IndexMask | ColourMask) -> ClassCodes:
    """Read a mask file and map its pixels to classes.

    Of a picture with a palette, an index mask takes the index, a colour mask the colour. Where the palette holds greys
    alone, the grey that is shown may be what was meant (programs that shrink PNG files put greys into a palette in any
    order): it is taken where `mask` lists the greys and not the indices. Where it lists both, they must be the same
    classes.

    Returns:
        [H, W] uint8, values of `CLASS_CODES`.

    Raises:
        ValueError: it cannot be read, is of another kind than `mask` says, or holds what `mask` does not list.
    """
    image = read_image_file(path)
    what = f"{_PILLOW_MODES.get(image.mode, 'neither grey nor RGB')} (mode {image.mode}, {image.height}x{image.width})"
    if isinstance(mask, ColourMask):
        return _map_colours(image, mask, what)
    return map_values(_index_values(image, mask, what), mask, what)


def _index_values(image: Image.Image, mask: IndexMask, what: str) -> Pixels:
    """Return the one number a pixel [H, W] of an index mask; alpha is dropped where it says nothing."""
    rule = "source.mask.kind is index, which reads one number a pixel as the class"
    grey = "save the class values as 8-bit grey"
    if image.mode not in _PILLOW_MODES:
        raise ValueError(f"mask is {what}, but {rule}; {grey}")
    array = np.asarray(image)
    if image.mode in _MODES_COLOUR and (array[..., :3] != array[..., :1]).any():
        raise ValueError(f"mask is in colour: {what}, but {rule}; set kind: colour and give colours:, or {grey}")
    if image.mode in {"LA", "PA", "RGBA"} and (clear := int((array[..., -1] < 255).sum())):
        raise ValueError(f"mask is {what} with {clear} pixels that are not opaque, but {rule}; {grey}, without alpha")
    array = array[..., 0] if array.ndim == 3 else array
    if image.mode in _MODES_PALETTE:
        return _resolve_palette(array, np.asarray(image.convert("RGB")), mask, what)
    return array.astype(np.uint8) if array.dtype == np.bool_ else array


def _resolve_palette(indices: Pixels8, shown: Pixels8, mask: IndexMask, what: str) -> Pixels8:
    """Return the numbers that are meant, of the indices [H, W] of a palette and the colours [H, W, 3] that it shows."""
    if (shown != shown[..., :1]).any():
        return indices
    pairs = np.unique(np.stack([indices, shown[..., 0]], axis=-1).reshape(-1, 2), axis=0).tolist()
    classes = mask.classes
    known = [all(pair[way] in classes for pair in pairs) for way in (0, 1)]
    for index, grey in pairs if all(known) else []:
        of_index, of_grey = classes[index], classes[grey]
        if of_index != of_grey:
            raise ValueError(
                f"mask is {what}; index {index} is shown as grey {grey}, and source.mask.values lists both, as "
                f"{of_index} and as {of_grey}; save the class values as 8-bit grey, without a palette"
            )
    return shown[..., 0] if known == [False, True] else indices


def map_values(array: Pixels, mask: IndexMask | NiftiMask, what: str) -> ClassCodes:
    """Map values to classes.

    Args:
        array: values, any shape.
        mask: value -> class.
        what: the kind of mask, for the message.

    Returns:
        Same shape, uint8, values of `CLASS_CODES`.

    Raises:
        ValueError: a value is not listed.
    """
    values, counts = np.unique(array, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    classes = mask.classes
    if unknown := [value for value in found if value not in classes]:
        setting = f"the codes of source.mask.labels: {mask.labels}" if mask.labels else "source.mask.values"
        list_it = "give source.mask.values instead, with all that it holds" if mask.labels else "list what it holds"
        raise ValueError(
            f"mask value {unknown[0]} on {found[unknown[0]]} pixels{_others_phrase(unknown, 'value')} is not in "
            f"{setting} (known: {', '.join(str(v) for v in sorted(classes))}); the mask is {what}: "
            f"{list_it}, or save it with the values known"
        )
    labels = np.zeros(array.shape, dtype=np.uint8)
    for value in found:
        labels[array == value] = CLASS_CODES[classes[value]]
    return labels


def _map_colours(image: Image.Image, mask: ColourMask, what: str) -> ClassCodes:
    not_coloured = (
        f"mask is {what}, but source.mask.kind is colour; set kind: index and give values:, or save it as RGB"
    )
    if image.mode in _MODES_DEEP:  # Pillow would clip them to 255
        raise ValueError(not_coloured)
    array = np.asarray(image.convert("RGB"))
    packed = (array.astype(np.int64) << np.array([16, 8, 0])).sum(axis=-1)
    known = {(r << 16) | (g << 8) | b: name for name, (r, g, b) in mask.colours.items()}
    values, counts = np.unique(packed, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if unknown := [value for value in found if value not in known]:
        if image.mode in _MODES_8_BIT:  # grey is fine as long as it is all known colours, such as a slice of black
            raise ValueError(not_coloured)
        first = unknown[0]
        raise ValueError(
            f"mask colour {[first >> 16, first >> 8 & 255, first & 255]} on {found[first]} pixels"
            f"{_others_phrase(unknown, 'colour')} is not in source.mask.colours "
            f"(known: {', '.join(f'{name} {list(c)}' for name, c in mask.colours.items())}); the mask is {what}: "
            "list what it holds, or save it with the colours known"
        )
    labels = np.zeros(packed.shape, dtype=np.uint8)
    for value in found:
        labels[packed == value] = CLASS_CODES[known[value]]
    if hidden := int(((alpha_channel(image) < 255) & (labels != Label.BACKGROUND)).sum()):
        raise ValueError(
            f"mask is {what} with {hidden} pixels that are not opaque and have a class's colour; save it without alpha"
        )
    return labels


def _others_phrase(unknown: Sequence[float], noun: str) -> str:
    others = len(unknown) - 1
    return f" (and {others} other {noun}{'s' if others > 1 else ''})" if others else ""


def unlisted_message(noun: str, names: Sequence[str], setting: str, known: Iterable[str]) -> str:
    """Say that a file's parts are not in the setting that gives parts their classes.

    Args:
        noun: what the parts are, such as "structure".
        names: the parts that are not listed.
        setting: key of the setting.
        known: the parts that it lists.

    >>> unlisted_message("structure", ["RV"], "source.mask.structures", ["LV"])
    "structure 'RV' is not in source.mask.structures (known: LV); give its class there, background if it is of no use"
    """
    named = ", ".join(f"'{shorten(name, 40)}'" for name in dict.fromkeys(names))
    one = len(set(names)) == 1
    are, its, it_is = ("is", "its class", "it is") if one else ("are", "their classes", "they are")
    return (
        f"{noun}{'s' * (not one)} {named} {are} not in {setting} (known: {', '.join(known)}); give {its} there, "
        f"background if {it_is} of no use"
    )
