"""Slices that are the same in several cases, as of an exam that was copied, get a note."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from lge_sweep.hashing import array_digest
from lge_sweep.ingest.volume import Volume
from lge_sweep.text import list_names

_DUPLICATE_SLICES = (
    "{} of the same pixels in {} (an exam that was copied?); keep one of these cases, as one picture must not be in "
    "two parts of a split"
)


def flag_duplicate_slices(volumes: Sequence[Volume]) -> list[Volume]:
    """Add a note to cases that have slices of the very same intensities; padding is equal to padding."""
    cases: dict[str, dict[str, None]] = defaultdict(dict)
    for volume in volumes:
        for image in volume.pixels:
            cases[array_digest(image)][volume.case] = None
    groups = Counter(tuple(names) for names in cases.values() if len(names) > 1)
    notes = {
        group: _DUPLICATE_SLICES.format(f"{count} slice{'s' * (count > 1)}", list_names(group))
        for group, count in groups.items()
    }
    return [
        replace(volume, notes=(*volume.notes, *(note for group, note in notes.items() if volume.case in group)))
        for volume in volumes
    ]
