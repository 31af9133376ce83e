"""Assign cases (or slices) to training, validation and test, stratified by scar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lge_sweep.config.data import SplitConfig, Subset
from lge_sweep.config.subset_sizes import largest_remainder
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.seeding import derive_seed
from lge_sweep.split.leaks import audit_leaks
from lge_sweep.text import list_names, shorten

SUBSETS: tuple[Subset, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Which slice belongs to which subset.

    Attributes:
        subsets: slice id -> "train", "val" or "test"; slices left out by explicit counts are missing.
        leaky: whether a patient, or a near-duplicate, may stand on two sides (only with unit `slice`).
        leak_share: share of test slices that have a training slice of the same case, 0 to 1.
        notes: what a user should know about the split, one sentence each.
    """

    subsets: Mapping[str, Subset]
    leaky: bool
    leak_share: float
    notes: tuple[str, ...]


def split_cases(manifest: pd.DataFrame, settings: SplitConfig) -> Split:
    """Assign the slices of a manifest to the three subsets and audit the result.

    The unit is the case, or the slice; a case has scar if one of its slices has. Each stratum (with scar,
    without) is assigned by itself: by largest remainder of the fractions, or by explicit counts. Where the settings
    name the cases of each subset, nothing is drawn.

    Args:
        manifest: one row a slice, as `curate` gives it.
        settings: unit, fractions or counts, seed; or the cases of each subset.

    Raises:
        ConfigError: the explicit counts ask for no unit at all in a subset.
        DataError: there are too few units, a case that is named is not there, or the same content stands in two.

    Source:
        Paper section III.B and Table I (unit `slice`).
    """
    _check_counts(settings)
    column = "case" if settings.unit == "case" else "slice"
    has_scar = manifest.groupby(column, sort=True)["has_scar"].any()
    assigned = (
        _draw_subsets(has_scar, settings) if settings.cases is None else _listed_subsets(has_scar, settings.cases)
    )
    _check_subsets(assigned, has_scar, settings)
    used = manifest[manifest[column].isin(list(assigned))]
    subsets = {str(slice_id): assigned[str(unit)] for slice_id, unit in zip(used["slice"], used[column], strict=True)}
    leaks = audit_leaks(used.assign(subset=[subsets[str(slice_id)] for slice_id in used["slice"]]), settings)
    return Split(subsets, settings.unit == "slice", leaks.share, (*leaks.notes, *_class_notes(used, subsets)))


def can_be_split(manifest: pd.DataFrame, settings: SplitConfig) -> bool:
    """Whether `split_cases` takes a manifest and settings: no subset is empty, and every case that is named is there.

    Args:
        manifest: as there.
        settings: as there.
    """
    try:
        split_cases(manifest, settings)
    except (ConfigError, DataError):
        return False
    return True


def _draw_subsets(has_scar: "pd.Series[bool]", settings: SplitConfig) -> dict[str, Subset]:
    rng = np.random.default_rng(derive_seed(settings.seed, "split"))
    assigned: dict[str, Subset] = {}
    for stratum, flag in (("normal", False), ("scar", True)):
        units = [str(unit) for unit in has_scar.index[has_scar == flag]]
        order = [units[i] for i in rng.permutation(len(units))]
        sizes = _subset_sizes(len(order), settings, stratum)
        for subset, size in zip(SUBSETS, sizes, strict=True):
            assigned |= dict.fromkeys(order[:size], subset)
            order = order[size:]
    return assigned


def _listed_subsets(has_scar: "pd.Series[bool]", cases: Mapping[Subset, Sequence[str]]) -> dict[str, Subset]:
    assigned = {case: subset for subset, names in cases.items() for case in names}
    there = {str(case) for case in has_scar.index}
    if absent := [case for case in assigned if case not in there]:
        raise DataError(
            "split.cases",
            [
                f"the data has no case {list_names([*map(shorten, absent)])}; `lge-sweep data describe` shows "
                "its ids, which are hashes unless source.case_ids is keep"
            ],
        )
    return assigned


def _check_counts(settings: SplitConfig) -> None:
    """Raise ConfigError where a subset would be empty; 0 of one stratum is legitimate (all data may have scar)."""
    counts = settings.counts or {}
    empty = [subset for subset in SUBSETS if subset in counts and counts[subset].normal + counts[subset].scar == 0]
    if empty:
        named = " and ".join(f"split.counts.{subset}" for subset in empty)
        raise ConfigError(
            f"{named}: normal and scar are both 0, which leaves no {settings.unit} for {' and '.join(empty)}; "
            "each subset needs at least 1 of either"
        )


def _subset_sizes(available: int, settings: SplitConfig, stratum: str) -> list[int]:
    if settings.counts is not None:
        sizes = [int(getattr(settings.counts[subset], stratum)) for subset in SUBSETS]
        if sum(sizes) > available:
            raise DataError(
                "split.counts",
                [f"ask for {sum(sizes)} {stratum} {settings.unit}s, but the data has {available}; lower them"],
            )
        return sizes
    return largest_remainder(available, settings.fractions)


def _check_subsets(assigned: Mapping[str, Subset], has_scar: "pd.Series[bool]", settings: SplitConfig) -> None:
    empty = [subset for subset in SUBSETS if subset not in assigned.values()]
    if not empty:
        return
    units, unit = len(has_scar), settings.unit
    rule = f"no {unit} is left for {' and '.join(empty)}"
    if units < len(SUBSETS):
        told = f"{units} {unit}(s) are too few: {rule}; add data, at least {len(SUBSETS)} {unit}s in all"
    else:
        scar = int(has_scar.sum())
        told = (
            f"{units} {unit}s are too few for split.fractions {list(settings.fractions)}: {rule}; add data, or write "
            f"under `split:` in a copy of the data file: {_suggest_counts(units - scar, scar)}"
        )
    raise DataError("split", [told])


def _suggest_counts(normal: int, scar: int) -> str:
    """Return counts that leave no subset empty, as YAML: scar in each subset if there is enough, most in train."""
    filled = SUBSETS if scar >= len(SUBSETS) else ("train", "test")[:scar]
    scars = {subset: int(subset in filled) for subset in SUBSETS}
    normals = {subset: int(subset not in filled) for subset in SUBSETS}
    scars["train"] += scar - sum(scars.values())
    normals["train"] += normal - sum(normals.values())
    each = (f"{subset}: {{normal: {normals[subset]}, scar: {scars[subset]}}}" for subset in SUBSETS)
    return f"counts: {{{', '.join(each)}}}"


def _class_notes(manifest: pd.DataFrame, subsets: Mapping[str, Subset]) -> list[str]:
    subset = manifest["slice"].map(subsets)
    return [
        f"no slice of the {name} subset has scar: stage 2 cannot {'learn' if name == 'train' else 'be scored on'} it"
        for name in SUBSETS
        if not manifest.loc[subset == name, "has_scar"].any()
    ]
