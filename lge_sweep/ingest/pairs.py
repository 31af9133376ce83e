"""Read a folder of grey images and a folder of masks of the same names."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lge_sweep.config.schema import ColourMask, ImagePairs, IndexMask
from lge_sweep.errors import DataError
from lge_sweep.ingest.volume import Pixels, Volume
from lge_sweep.labels import Label

T = TypeVar("T")
SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
SHALLOW = {"1": "1-bit grey", "L": "8-bit grey", "LA": "8-bit grey with alpha"}
DEEP = {"I": "32-bit integers", "F": "floating-point numbers"} | dict.fromkeys(
    ("I;16", "I;16B", "I;16L"), "16-bit grey"
)
PALETTE = {"P": "indices of a palette", "PA": "indices of a palette with alpha"}
COLOURED = {"RGB": "8-bit colour", "RGBA": "8-bit colour with alpha"}
MODES = SHALLOW | DEEP | PALETTE | COLOURED
"""Pillow's modes, in words."""


@dataclass(frozen=True)
class _Slice:
    case: str
    order: tuple[int, str]
    name: str
    pixels: Pixels
    labels: NDArray[np.uint8]


def read_pairs(source: ImagePairs, root: Path) -> list[Volume]:
    """Read every image of a folder with its mask, and group them by case.

    Args:
        source: the two folders, how file names tell the case, and how mask pixels tell the class.
        root: the folder that holds both.

    Returns:
        One `Volume` a case, in the order of case ids. Grey levels are as in the files; spacing is unknown.

    Raises:
        DataError: listing everything that is wrong with the folder.
    """
    findings: list[str] = []
    images = _by_stem(root / source.images, findings)
    masks = _by_stem(root / source.labels, findings)
    if images and masks:
        findings += [f"{images[stem].name}: has no mask in {source.labels}/" for stem in sorted(images.keys() - masks)]
        findings += [f"{masks[stem].name}: has no image in {source.images}/" for stem in sorted(masks.keys() - images)]
    slices = [_read_slice(source, images[stem], masks[stem], findings) for stem in sorted(images.keys() & masks)]
    cases: dict[str, list[_Slice]] = defaultdict(list)
    for item in slices:
        if item is not None:
            cases[item.case].append(item)
    volumes = [_stack(case, members, findings) for case, members in sorted(cases.items())]
    if findings:
        raise DataError(str(root), findings)
    return [volume for volume in volumes if volume is not None]


def _by_stem(folder: Path, findings: list[str]) -> dict[str, Path]:
    if not folder.is_dir():
        findings.append(f"{folder}: no such folder")
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            findings.append(f"{path.name}: {found[path.stem].name} has the same name; keep one of them")
        found[path.stem] = path
    if not found:
        findings.append(f"{folder}: holds no image (looked for {', '.join(SUFFIXES)})")
    return found


def _read_slice(source: ImagePairs, image: Path, mask: Path, findings: list[str]) -> _Slice | None:
    before = len(findings)
    match = re.search(source.case_pattern, image.stem)
    if match is None or not match["case"]:
        findings.append(f"{image.name}: the name does not match source.case_pattern {source.case_pattern}")
    raw_mask = source.mask
    pixels = _attempt(image, image.name, _open_grey, findings)
    labels = _attempt(mask, f"{source.labels}/{mask.name}", lambda path: _open_mask(path, raw_mask), findings)
    if pixels is None or labels is None:
        return None
    if pixels.shape != labels.shape:
        findings.append(f"{image.name}: image is {_size(pixels)}, its mask {_size(labels)}; they must be equal")
    if not np.isfinite(pixels).all():
        findings.append(f"{image.name}: {int((~np.isfinite(pixels)).sum())} pixels are not finite numbers")
    elif pixels.min() == pixels.max():
        findings.append(f"{image.name}: every pixel has the same grey level, {pixels.min():g}; nothing can be seen")
    if match is None or len(findings) > before:
        return None
    number = match.groupdict().get("slice")
    order = (int(number) if number and number.isdigit() else 0, image.stem)
    return _Slice(match["case"], order, image.stem, pixels, labels)


def _attempt(path: Path, name: str, reader: Callable[[Path], T], findings: list[str]) -> T | None:
    try:
        return reader(path)
    except UnidentifiedImageError:
        findings.append(f"{name}: not an image file that can be read")
    except (OSError, SyntaxError, TypeError, Image.DecompressionBombError) as error:  # Pillow on broken headers
        findings.append(f"{name}: broken image file ({error})")
    except ValueError as error:
        findings.append(f"{name}: {error}")
    return None


def _open_grey(path: Path) -> Pixels:
    with Image.open(path) as image:
        _check_pages(image)
        mode = {"P": "RGBA", "1": "L", "LA": "L"}.get(image.mode, image.mode)
        array = np.asarray(image.convert(mode) if mode != image.mode else image)
    if array.ndim == 3:
        if (array[..., :3] != array[..., :1]).any():
            raise ValueError("image is in colour; LGE slices are grey (was a mask or a screenshot put here?)")
        array = array[..., 0]
    if array.dtype == np.int32:
        array = array.astype(np.float32)
    return np.ascontiguousarray(array)


def _open_mask(path: Path, mask: IndexMask | ColourMask) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        _check_pages(image)
        what = f"{MODES.get(image.mode, 'neither grey nor RGB')} (mode {image.mode}, {image.height}x{image.width})"
        if isinstance(mask, ColourMask):
            return _from_colours(image, mask, what)
        return _from_values(_indices(image, what), mask, what)


def _check_pages(image: Image.Image) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise ValueError(f"holds {pages} pages; each slice needs a file of its own")
    if len(image.getbands()) > 1 and ";16" in str(getattr(image, "tile", "")):
        bands = "".join(image.getbands())
        raise ValueError(
            f"holds 16 bits in each of {bands}, of which Pillow reads 8; save it as 16-bit grey, or as 8-bit {bands}"
        )


def _indices(image: Image.Image, what: str) -> NDArray[np.number]:
    """Return the one number a pixel [H, W] of an index mask; alpha is dropped where it says nothing."""
    rule = "source.mask.kind is index, which reads one number a pixel as the class"
    grey = "save the class values as 8-bit grey"
    if image.mode not in MODES:
        raise ValueError(f"mask is {what}, but {rule}; {grey}")
    array = np.asarray(image)
    if image.mode in COLOURED and (array[..., :3] != array[..., :1]).any():
        raise ValueError(f"mask is in colour: {what}, but {rule}; set kind: colour and give colours:, or {grey}")
    if image.mode in {"LA", "PA", "RGBA"} and (clear := int((array[..., -1] < 255).sum())):
        raise ValueError(f"mask is {what} with {clear} pixels that are not opaque, but {rule}; {grey}, without alpha")
    array = array[..., 0] if array.ndim == 3 else array
    return array.astype(np.uint8) if array.dtype == np.bool_ else array


def _from_values(array: NDArray[np.number], mask: IndexMask, what: str) -> NDArray[np.uint8]:
    values, counts = np.unique(array, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if unknown := [value for value in found if value not in mask.values]:
        raise ValueError(
            f"mask value {unknown[0]} on {found[unknown[0]]} pixels{_more(unknown, 'value')} is not in "
            f"source.mask.values (known: {', '.join(str(v) for v in sorted(mask.values))}); the mask is {what}: "
            "list what it holds, or save it with the values known"
        )
    labels = np.zeros(array.shape, dtype=np.uint8)
    for value in found:
        labels[array == value] = Label[mask.values[value].upper()]
    return labels


def _from_colours(image: Image.Image, mask: ColourMask, what: str) -> NDArray[np.uint8]:
    not_coloured = (
        f"mask is {what}, but source.mask.kind is colour; set kind: index and give values:, or save it as RGB"
    )
    if image.mode in DEEP:  # Pillow would clip them to 255
        raise ValueError(not_coloured)
    array = np.asarray(image.convert("RGB"))
    packed = (array.astype(np.int64) << np.array([16, 8, 0])).sum(axis=-1)
    known = {(r << 16) | (g << 8) | b: name for name, (r, g, b) in mask.colours.items()}
    values, counts = np.unique(packed, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if unknown := [value for value in found if value not in known]:
        if image.mode in SHALLOW:  # grey is fine as long as it is all known colours, such as a slice of black
            raise ValueError(not_coloured)
        first = unknown[0]
        raise ValueError(
            f"mask colour {[first >> 16, first >> 8 & 255, first & 255]} on {found[first]} pixels"
            f"{_more(unknown, 'colour')} is not in source.mask.colours "
            f"(known: {', '.join(f'{name} {list(c)}' for name, c in mask.colours.items())}); the mask is {what}: "
            "list what it holds, or save it with the colours known"
        )
    labels = np.zeros(packed.shape, dtype=np.uint8)
    for value in found:
        labels[packed == value] = Label[known[value].upper()]
    return labels


def _more(unknown: Sequence[float], noun: str) -> str:
    others = len(unknown) - 1
    return f" (and {others} other {noun}{'s' if others > 1 else ''})" if others else ""


def _stack(case: str, members: list[_Slice], findings: list[str]) -> Volume | None:
    members = sorted(members, key=lambda item: item.order)
    sizes = {item.pixels.shape for item in members}
    if len(sizes) > 1:
        listed = ", ".join(sorted(f"{h}x{w}" for h, w in sizes))
        findings.append(f"case {case}: its slices differ in size ({listed}); one exam has one size")
        return None
    return Volume(
        case=case,
        slices=tuple(item.name for item in members),
        pixels=np.stack([item.pixels for item in members]),
        labels=np.stack([item.labels for item in members]),
    )


def _size(array: NDArray[np.number]) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
