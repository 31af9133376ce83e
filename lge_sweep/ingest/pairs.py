"""Read a folder of grey images and a folder of masks of the same names."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from lge_sweep.arrays import LabelImage, Pixels
from lge_sweep.config.data import ImagePairs
from lge_sweep.ingest.file_kinds import count_by_kind, is_known_non_image
from lge_sweep.ingest.files import is_below, list_files, unreadable_reason
from lge_sweep.ingest.image_files import IMAGE_SUFFIXES
from lge_sweep.ingest.intensity_files import read_intensities
from lge_sweep.ingest.limits import intensity_problem, padding_notes
from lge_sweep.ingest.masks import read_mask_file
from lge_sweep.ingest.pseudonym import printable_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam, Volume, slice_ids
from lge_sweep.patterns import search_pattern
from lge_sweep.text import list_names, natural_key

_T = TypeVar("_T")
NUMBERS_MISSING = "numbers are missing among those of its slices (slices lost?); the others are taken for neighbours"
_RENAME_ADVICE = "rename it, or change the pattern"
_EQUAL_SIZE_ADVICE = "they must be equal; save the mask anew in the image's size"
_ONE_SIZE_ADVICE = "save them anew in one, or name them as cases of their own"
_RESAVE_ADVICE = (
    "save the image anew as PNG (masks from where they were drawn: JPEG changes values), or move it elsewhere"
)


@dataclass(frozen=True)
class _Slice:
    case: str
    number: str | None
    """What the name tells of the slice's place."""
    name: str
    pixels: Pixels
    labels: LabelImage


def read_pairs(source: ImagePairs, root: Path, findings: list[str]) -> list[Volume]:
    """Read every image of a folder with its mask, and group them by case.

    Args:
        source: the two folders, how file names tell the case, and how mask pixels tell the class.
        root: the folder that holds both.
        findings: everything that is wrong with the folder; appended to.

    Returns:
        One `Volume` a case, in the order of case ids. Intensities are as in the files; spacing is unknown.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    salt = read_salt() if source.case_ids == "hash" else None
    images = _files_by_stem(root, source, "images", findings)
    masks = _files_by_stem(root, source, "labels", findings)
    if images and masks:
        for what, where, one, other in (
            ("mask", source.labels, images, masks),
            ("image", source.images, masks, images),
        ):
            findings += [
                f"{one[stem].name}: has no {what} in {where}/; give it one of the same name, or move it elsewhere"
                for stem in sorted(one.keys() - other, key=natural_key)
            ]
    slices = [_read_slice(source, images[stem], masks[stem], findings) for stem in sorted(images.keys() & masks)]
    cases: dict[str, list[_Slice]] = defaultdict(list)
    for item in slices:
        if item is not None:
            cases[item.case].append(item)
    volumes = [_stack_case(case, members, salt, source.mask.tells_mvo, findings) for case, members in cases.items()]
    return sorted((volume for volume in volumes if volume is not None), key=lambda volume: volume.case)


def _files_by_stem(
    root: Path, source: ImagePairs, setting: Literal["images", "labels"], findings: list[str]
) -> dict[str, Path]:
    """Return the images of one folder; what else is in it is a finding, but for what is in the other folder."""
    name, other = (source.images, source.labels) if setting == "images" else (source.labels, source.images)
    folder = root / name
    name_it = f"or say in source.{setting} where they are"
    if problem := unreadable_reason(folder):
        there = folder.is_dir()
        findings.append(f"{folder}: {problem}" if there else f"{folder}: no such folder; put files there, {name_it}")
        return {}
    found: dict[str, Path] = {}
    for path in list_files(folder):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if path.stem in found:
            findings.append(f"{path.name}: {found[path.stem].name} has the same name; keep one of them")
        found[path.stem] = path
    if not found:
        findings.append(f"{folder}: holds no image (looked for {', '.join(IMAGE_SUFFIXES)}); put them there, {name_it}")
    everything = [path for path in list_files(folder, deep=True) if not is_known_non_image(path)]
    findings += [f"{path}: {unreadable_reason(path)}" for path in everything if path.is_dir()]
    files = [path for path in everything if not path.is_dir()]
    others = {(root / other).resolve()}
    inside = [path for path in files if path.parent != folder and not is_below(path, others)]
    if strange := count_by_kind(p for p in files if p.parent == folder and p.suffix.lower() not in IMAGE_SUFFIXES):
        findings.append(f"{name}/: files of kinds that are not read: {strange}; {_RESAVE_ADVICE}")
    if inside:
        folders = sorted({path.relative_to(folder).parts[0] for path in inside}, key=natural_key)
        findings.append(
            f"{name}/: files in folders inside it are not read: {count_by_kind(inside)} in {list_names(folders, 3)}; "
            f"move images into {name}/ itself, and other files elsewhere"
        )
    return found


def _read_slice(source: ImagePairs, image: Path, mask: Path, findings: list[str]) -> _Slice | None:
    before = len(findings)
    match = search_pattern("source.case_pattern", source.case_pattern, image.stem)
    if match is None or not match["case"]:
        findings.append(
            f"{image.name}: the name does not match source.case_pattern {source.case_pattern}; {_RENAME_ADVICE}"
        )
    raw_mask = source.mask
    pixels = _read_or_report(image, image.name, read_intensities, findings)
    labels = _read_or_report(
        mask, f"{source.labels}/{mask.name}", lambda path: read_mask_file(path, raw_mask), findings
    )
    if pixels is None or labels is None:
        return None
    if pixels.shape != labels.shape:
        findings.append(f"{image.name}: image is {_size(pixels)}, its mask {_size(labels)}; {_EQUAL_SIZE_ADVICE}")
    if problem := intensity_problem(pixels, padded=True):
        findings.append(f"{image.name}: {problem}")
    if match is None or len(findings) > before:
        return None
    return _Slice(match["case"], match.groupdict().get("slice"), image.stem, pixels, labels)


def _read_or_report(path: Path, name: str, reader: Callable[[Path], _T], findings: list[str]) -> _T | None:
    try:
        return reader(path)
    except ValueError as error:
        findings.append(f"{name}: {error}")
    return None


def _stack_case(
    case: str, members: list[_Slice], salt: bytes | None, tells_mvo: bool, findings: list[str]
) -> Volume | None:
    problems, notes = _check_numbers(members)
    members = sorted(members, key=_slice_key)
    sizes = {item.pixels.shape for item in members}
    if len(sizes) > 1:
        listed = ", ".join(sorted(f"{h}x{w}" for h, w in sizes))
        findings.append(f"case {case}: its slices differ in size ({listed}); one exam has one size; {_ONE_SIZE_ADVICE}")
    findings += [f"case {case}: {problem}" for problem in problems]
    if len(sizes) > 1 or problems:
        return None
    names = tuple(printable_id(item.name) for item in members)
    case = printable_id(case) if salt is None else pseudonym(case, salt)
    if salt is not None:
        names = slice_ids(case, len(members))
    pixels = np.stack([item.pixels for item in members])
    exam = Exam(case, names, pixels, notes=(*notes, *padding_notes(pixels)))
    return exam.with_labels(np.stack([item.labels for item in members]), tells_mvo)


def _slice_key(item: _Slice) -> tuple[object, ...]:
    """Return the key that sorts the slices of a case: by what their names tell of their place, else by their names."""
    return natural_key(item.number or item.name), natural_key(item.name)


def _check_numbers(members: Sequence[_Slice]) -> tuple[list[str], tuple[str, ...]]:
    """Return what is wrong with the numbers of a case's slices, and what a user should know of them."""
    numbers: dict[int, str] = {}
    problems = []
    others = [item.name for item in members if not (item.number or "").isdecimal()]
    for item in members:
        if item.name not in others:
            first = numbers.setdefault(int(item.number or ""), item.name)
            if first != item.name:
                problems.append(f"{first} and {item.name} have the same slice number; rename one, or leave it out")
    if numbers and others:
        problems.append(
            f"the name {next(iter(numbers.values()))} tells a slice number, {others[0]} does not, so that their order "
            "is unknown; number all slices of a case in their names, or none"
        )
    steps = np.diff(sorted(numbers))
    return problems, (NUMBERS_MISSING,) * bool(len(steps) and steps.min() != steps.max())


def _size(array: Pixels) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
