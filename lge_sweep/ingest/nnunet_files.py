"""Which files the cases of a data set of nnU-Net v2, or of the Medical Segmentation Decathlon, consist of."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lge_sweep.ingest.dataset_json import NIFTI_ENDINGS, DecathlonDescription, NnunetDescription
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.text import list_names, shorten


@dataclass(frozen=True)
class CaseFiles:
    """A case: its name, and its files as paths below the root."""

    name: str
    image: str
    label: str


def list_case_files(
    description: NnunetDescription | DecathlonDescription,
    channel: int,
    root: Path,
    findings: list[str],
    notes: list[str],
) -> list[CaseFiles]:
    """List the cases that have an image and labels, those for training first.

    Args:
        description: the data set's `dataset.json`.
        channel: the number of the channel with the images.
        root: the folder of the data set.
        findings: everything that is wrong with its files; appended to.
        notes: what a user should know; appended to.

    Raises:
        UnusableError: its files are of a kind that is not read, or have no such channel.
    """
    if isinstance(description, NnunetDescription):
        return list(_nnunet_cases(description, channel, root, findings, notes))
    return list(_decathlon_cases(description, channel, root, findings, notes))


def _nnunet_cases(
    description: NnunetDescription, channel: int, root: Path, findings: list[str], notes: list[str]
) -> Iterator[CaseFiles]:
    """List the cases of nnU-Net: CASE_0000.nii.gz in the folder of images, CASE.nii.gz in that of labels."""
    ending = description.file_ending
    if ending not in NIFTI_ENDINGS:
        raise UnusableError(
            f"file_ending is {shorten(ending)}; of nnU-Net's endings {' and '.join(NIFTI_ENDINGS)} are read"
        )
    if channel not in description.channel_names:
        listed = ", ".join(f"{number} ({shorten(name)})" for number, name in description.channel_names.items())
        raise UnusableError(f"source.channel is {channel}, and dataset.json has the channel_names {listed}; name one")
    if description.dataset is not None:
        entries = [
            CaseFiles(name, files.images[channel] if channel < len(files.images) else "", files.label)
            for name, files in description.dataset.items()
        ]
    else:
        entries = [
            CaseFiles(name, f"imagesTr/{name}_{channel:04d}{ending}", f"labelsTr/{name}{ending}")
            for name in _cases_in(root, "imagesTr", ending, findings)
        ]
        _check_labels(root, "labelsTr", [entry.label for entry in entries], findings)
    if description.numTraining not in (None, len(entries)):
        findings.append(
            f"dataset.json: numTraining is {description.numTraining}, and there are {len(entries)} cases for training; "
            "a case is missing, or the number is to be mended"
        )
    tests = _cases_in(root, "imagesTs", ending, findings) if (root / "imagesTs").is_dir() else []
    yield from _existing(root, entries, findings)
    yield from _labelled(
        root,
        [CaseFiles(n, f"imagesTs/{n}_{channel:04d}{ending}", f"labelsTs/{n}{ending}") for n in tests],
        findings,
        notes,
    )


def _decathlon_cases(
    description: DecathlonDescription, channel: int, root: Path, findings: list[str], notes: list[str]
) -> Iterator[CaseFiles]:
    """List the cases of the Decathlon: those that its `dataset.json` lists."""
    if channel != 0 or len(description.modality) > 1:
        raise UnusableError(
            "of the Decathlon's images, which hold all channels in one file, those of one channel are read, and "
            f"source.channel is {channel} of {max(len(description.modality), 1)}; nnU-Net's "
            "nnUNetv2_convert_MSD_dataset makes a file a channel"
        )
    entries = [CaseFiles(_stem(files.image), files.image, files.label) for files in description.training]
    tests = [item if isinstance(item, str) else item.get("image", "") for item in description.test]
    yield from _existing(root, entries, findings)
    yield from _labelled(
        root, [CaseFiles(_stem(i), i, f"labelsTs/{PurePosixPath(i).name}") for i in tests], findings, notes
    )


def _cases_in(root: Path, name: str, ending: str, findings: list[str]) -> list[str]:
    """Return the names of cases that have files in a folder of images; other files there are a finding."""
    folder = root / name
    files = list_files(folder) if folder.is_dir() else []
    found = {file.name: re.fullmatch(rf"(.+)_\d{{4}}{re.escape(ending)}", file.name) for file in files}
    if not any(found.values()):
        findings.append(f"{name}: holds no image; expected files such as CASE_0000{ending}, as dataset.json says")
    if others := [file for file, match in found.items() if match is None]:
        findings.append(
            f"{name}: {_listed_with_verb(others)} not read; expected names such as CASE_0000{ending}, as dataset.json "
            "says; "
            "rename or remove what is something else"
        )
    return sorted({match[1] for match in found.values() if match})


def _check_labels(root: Path, name: str, expected: list[str], findings: list[str]) -> None:
    folder = root / name
    files = [f"{name}/{file.name}" for file in list_files(folder)] if folder.is_dir() else []
    if others := sorted(set(files) - set(expected)):
        findings.append(f"{_listed_with_verb(others)} not read: no image in imagesTr belongs to {_pronoun(others)}")


def _existing(root: Path, entries: list[CaseFiles], findings: list[str]) -> Iterator[CaseFiles]:
    for entry in entries:
        missing = [path for path in (entry.image, entry.label) if not _is_file(root, path)]
        if not missing:
            yield entry
            continue
        first_version = "imagesTr" in missing[0] and _is_file(root, missing[0].replace(".nii", "_0000.nii", 1))
        findings.append(
            f"case {shorten(entry.name)}: {' and '.join(shorten(path) or 'its channel' for path in missing)} "
            f"{'are' if len(missing) > 1 else 'is'} not in the data set's folder"
            + (
                "; of nnU-Net's first version? nnUNetv2_convert_old_nnUNet_dataset makes one of the second"
                * first_version
            )
        )


def _labelled(root: Path, entries: list[CaseFiles], findings: list[str], notes: list[str]) -> Iterator[CaseFiles]:
    """Yield those of the test images that have labels; that the others are left out is a note."""
    bare = [entry for entry in entries if not _is_file(root, entry.label)]
    if bare:
        notes.append(f"{len(bare)} of {len(entries)} images in imagesTs have no labels in labelsTs and are not read")
    yield from _existing(root, [entry for entry in entries if entry not in bare], findings)


def _is_file(root: Path, path: str) -> bool:
    """Whether a path of a `dataset.json` is one of a file in the data set; elsewhere none is read."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and os.path.isfile(root / path)


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return next((name.removesuffix(ending) for ending in NIFTI_ENDINGS if name.endswith(ending)), name)


def _listed_with_verb(names: list[str]) -> str:
    return f"{list_names([*map(shorten, names)])} {'are' if len(names) > 1 else 'is'}"


def _pronoun(names: list[str]) -> str:
    return "them" if len(names) > 1 else "it"
