"""Find what stands on two sides of a split: a patient, a picture, or nearly the same picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.config.data import SplitConfig
from lge_sweep.errors import DataError


@dataclass(frozen=True)
class LeakAudit:
    """What an audit found and allowed.

    Attributes:
        share: share of test slices that have a training slice of the same case, 0 to 1.
        notes: one sentence for each kind of leak.
    """

    share: float
    notes: tuple[str, ...]


def audit_leaks(manifest: pd.DataFrame, settings: SplitConfig) -> LeakAudit:
    """Audit a split.

    Identical intensities in two subsets are an error, whatever the ids say. A shared case, or a near-duplicate between
    two cases, is an error with unit `case` and a note with unit `slice`.

    Args:
        manifest: one row a slice, with the column `subset`.
        settings: unit, and the number of bits up to which perceptual hashes count as near-duplicates.

    Raises:
        DataError: listing every leak that is not allowed.
    """
    errors = _identical_images(manifest)
    test, train = manifest[manifest["subset"] == "test"], manifest[manifest["subset"] == "train"]
    share = float(test["case"].isin(train["case"]).mean()) if len(test) else 0.0
    near = _near_duplicates(manifest, settings.near_duplicate_bits)
    if settings.unit == "case":
        crossing = manifest.groupby("case")["subset"].nunique()
        errors += [f"case {case}: stands in more than one subset" for case in crossing.index[crossing > 1]]
        errors += near
        notes: tuple[str, ...] = ()
    else:
        notes = (
            f"leaky split: {share:.1%} of test slices have a training slice of the same case (unit slice)",
            *([f"leaky split: {len(near)} near-duplicate pairs of different cases across subsets"] if near else []),
        )
    if errors:
        raise DataError("split", errors)
    return LeakAudit(share, notes)


def _identical_images(manifest: pd.DataFrame) -> list[str]:
    groups = manifest.groupby("image_hash")
    crossing = groups["subset"].nunique()
    messages = []
    for digest in crossing.index[crossing > 1]:
        same = manifest[manifest["image_hash"] == digest]
        where = ", ".join(f"{row.slice} ({row.subset})" for row in same.itertuples())
        messages.append(f"identical pictures in two subsets: {where}; remove the copies")
    return messages


def _near_duplicates(manifest: pd.DataFrame, bits: int) -> list[str]:
    """Pairs of slices of different cases and subsets whose perceptual hashes are at most `bits` apart."""
    hashes = np.array([int(text, 16) for text in manifest["perceptual_hash"]], dtype=np.uint64)
    case, subset = manifest["case"].to_numpy(), manifest["subset"].to_numpy()
    image_hash, names = manifest["image_hash"].to_numpy(), manifest["slice"].to_numpy()
    messages = []
    for i in range(len(hashes) - 1):
        distance: NDArray[np.uint8] = np.bitwise_count(hashes[i + 1 :] ^ hashes[i])
        near = (distance <= bits) & (case[i + 1 :] != case[i]) & (subset[i + 1 :] != subset[i])
        near &= image_hash[i + 1 :] != image_hash[i]
        for j in np.flatnonzero(near) + i + 1:
            messages.append(
                f"nearly the same picture in two subsets: {names[i]} ({subset[i]}) and {names[j]} ({subset[j]}), "
                f"{int(distance[j - i - 1])} of 64 bits apart; give both the same case, remove one, "
                f"or lower split.near_duplicate_bits (now {bits})"
            )
    return messages
