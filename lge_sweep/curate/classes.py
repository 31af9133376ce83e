"""Which classes the truth has, and which stages need them: said before anything is trained."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from lge_sweep.errors import DataError
from lge_sweep.labels import STAGES, Label

_REQUIRED_CLASSES: dict[int, tuple[Label, ...]] = {
    stage: tuple(label for label in Label if label in (*classes, Label.CAVITY) and label != Label.BACKGROUND)
    for stage, classes in STAGES.items()
}
"""Stage -> classes that its truth must have: those that it finds, and the cavity, which stage 2 is guided by."""
_MAPPING_ADVICE = (
    "say in source.mask which value (colour, segment, structure or contour) of the masks it is, or draw it"
)
_COUNTING_ADVICE = "; lge-sweep data describe counts each class"


def absent_classes(counts: Mapping[Label, int]) -> tuple[list[str], list[str]]:
    """Say which classes a whole data set lacks.

    Args:
        counts: pixels of each class, over all masks.

    Returns:
        Findings: what no stage can be trained without, the cavity. Notes: what stage 2 cannot be trained without.
    """
    absent = [label for label in Label if label != Label.BACKGROUND and not counts[label]]
    texts = {
        label: f"no mask has {_with_article(label)}: {_stage_phrase(label, STAGES)} cannot be trained"
        for label in absent
    }
    told = {label: f"{text}; {_MAPPING_ADVICE}" for label, text in texts.items()}
    cavity = [told.pop(Label.CAVITY)] if Label.CAVITY in told else []
    return cavity, list(told.values())


def check_classes(manifest: pd.DataFrame, stages: Collection[int], measured: str, data: str) -> None:
    """Refuse to train a stage on slices that lack what it is to learn, or to be selected by.

    Args:
        manifest: one row a slice, with its `subset` ("" where it is not used).
        stages: what is to be trained.
        measured: the subset that configurations are selected on.
        data: name of the data set.

    Raises:
        DataError: listing every class that is missing, and what to do.
    """
    findings = []
    for label in Label:
        needing = [stage for stage in stages if label in _REQUIRED_CLASSES[stage]]
        has = manifest[f"{label.title}_pixels"] > 0
        if not needing:
            continue
        which, needed = _stage_phrase(label, needing), "need" if len(needing) > 1 else "needs"
        if not has.any():
            alone = "; or train stage 1 alone, which does without: --stage 1" if 1 in set(stages) - set(needing) else ""
            findings.append(
                f"no slice that is used ({len(manifest)} of {manifest['case'].nunique()} cases) has "
                f"{_with_article(label)}, which "
                f"{which} {needed}; {_MAPPING_ADVICE}{_COUNTING_ADVICE}{alone}"
            )
            continue
        findings += [
            f"no slice of the {subset} subset has {_with_article(label)}, which {which} {needed} {use}; change "
            "split.seed, or "
            f"split.counts if it is given, or add cases with {_with_article(label)}"
            for subset, use in {"train": "to learn", measured: "to be selected by"}.items()
            if not (has & (manifest["subset"] == subset)).any()
        ]
    if findings:
        raise DataError(data, findings)


def _with_article(label: Label) -> str:
    return "a cavity" if label == Label.CAVITY else label.title


def _stage_phrase(label: Label, stages: Collection[int]) -> str:
    named: Sequence[int] = [stage for stage in stages if stage and label in _REQUIRED_CLASSES[stage]]
    return f"stage {' and stage '.join(map(str, named))}" if named else "the single-stage control"
