"""Read a folder of grey images and a folder of masks of the same names."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lge_sweep.config.data import ImagePairs
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.image_files import SUFFIXES, read_image
from lge_sweep.ingest.limits import grey_problem
from lge_sweep.ingest.masks import open_mask
from lge_sweep.ingest.pseudonym import kept_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam, Pixels, Volume, slice_ids
from lge_sweep.patterns import search

T = TypeVar("T")


@dataclass(frozen=True)
class _Slice:
    case: str
    order: tuple[int, str]
    name: str
    pixels: Pixels
    labels: NDArray[np.uint8]


def read_pairs(source: ImagePairs, root: Path, findings: list[str]) -> list[Volume]:
    """Read every image of a folder with its mask, and group them by case.

    Args:
        source: the two folders, how file names tell the case, and how mask pixels tell the class.
        root: the folder that holds both.
        findings: everything that is wrong with the folder; appended to.

    Returns:
        One `Volume` a case, in the order of case ids. Grey levels are as in the files; spacing is unknown.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    salt = read_salt() if source.case_ids == "hash" else None
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
    volumes = [_stack(case, members, salt, source.mask.tells_mvo, findings) for case, members in cases.items()]
    return sorted((volume for volume in volumes if volume is not None), key=lambda volume: volume.case)


def _by_stem(folder: Path, findings: list[str]) -> dict[str, Path]:
    if not folder.is_dir():
        findings.append(f"{folder}: no such folder")
        return {}
    found: dict[str, Path] = {}
    for path in list_files(folder):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            findings.append(f"{path.name}: {found[path.stem].name} has the same name; keep one of them")
        found[path.stem] = path
    if not found:
        findings.append(f"{folder}: holds no image (looked for {', '.join(SUFFIXES)})")
    return found


def _read_slice(source: ImagePairs, image: Path, mask: Path, findings: list[str]) -> _Slice | None:
    before = len(findings)
    match = search("source.case_pattern", source.case_pattern, image.stem)
    if match is None or not match["case"]:
        findings.append(f"{image.name}: the name does not match source.case_pattern {source.case_pattern}")
    raw_mask = source.mask
    pixels = _attempt(image, image.name, _open_grey, findings)
    labels = _attempt(mask, f"{source.labels}/{mask.name}", lambda path: open_mask(path, raw_mask), findings)
    if pixels is None or labels is None:
        return None
    if pixels.shape != labels.shape:
        findings.append(f"{image.name}: image is {_size(pixels)}, its mask {_size(labels)}; they must be equal")
    if problem := grey_problem(pixels):
        findings.append(f"{image.name}: {problem}")
    if match is None or len(findings) > before:
        return None
    number = match.groupdict().get("slice")
    order = (int(number) if number and number.isdecimal() else 0, image.stem)
    return _Slice(match["case"], order, image.stem, pixels, labels)


def _attempt(path: Path, name: str, reader: Callable[[Path], T], findings: list[str]) -> T | None:
    try:
        return reader(path)
    except ValueError as error:
        findings.append(f"{name}: {error}")
    return None


def _open_grey(path: Path) -> Pixels:
    image = read_image(path)
    mode = {"P": "RGBA", "1": "L", "LA": "L"}.get(image.mode, image.mode)
    array = np.asarray(image.convert(mode) if mode != image.mode else image)
    if array.ndim == 3:
        if (array[..., :3] != array[..., :1]).any():
            raise ValueError("image is in colour; LGE slices are grey (was a mask or a screenshot put here?)")
        array = array[..., 0]
    if array.dtype == np.int32:
        array = array.astype(np.float32)
    return np.ascontiguousarray(array)


def _stack(case: str, members: list[_Slice], salt: bytes | None, tells_mvo: bool, findings: list[str]) -> Volume | None:
    members = sorted(members, key=lambda item: item.order)
    sizes = {item.pixels.shape for item in members}
    if len(sizes) > 1:
        listed = ", ".join(sorted(f"{h}x{w}" for h, w in sizes))
        findings.append(f"case {case}: its slices differ in size ({listed}); one exam has one size")
        return None
    names = tuple(kept_id(item.name) for item in members)
    case = kept_id(case) if salt is None else pseudonym(case, salt)
    if salt is not None:
        names = slice_ids(case, len(members))
    exam = Exam(case, names, np.stack([item.pixels for item in members]))
    return exam.with_labels(np.stack([item.labels for item in members]), tells_mvo)


def _size(array: NDArray[np.number]) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
