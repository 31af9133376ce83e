"""From a configuration to everything a sweep needs before its first trial."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

import lge_sweep
from lge_sweep.config import Cell, SweepConfig, cells
from lge_sweep.curate import curate
from lge_sweep.data import content_digest, load_arrays, make_schedule, prepare
from lge_sweep.ingest import read
from lge_sweep.labels import Label
from lge_sweep.split import PARTS, Split, split_cases
from lge_sweep.sweep.files import write_text

WEIGHT_SUFFIXES = {".pth", ".pt", ".safetensors"}


@dataclass(frozen=True)
class Plan:
    """One sweep, ready to run.

    Attributes:
        config: every setting.
        name: `<phase>-stage<k>-<data>-<profile>-<digest>`, the name of its folder, study and MLflow run.
        folder: its folder in the runs directory.
        arrays: folder of the prepared arrays.
        manifest: one row a slice, with its `part` ("" if not used).
        split: which slice belongs to which part.
        data_digest: SHA-256 of the data's content.
        notes: what a user should know about the data, one sentence each.
    """

    config: SweepConfig
    name: str
    folder: Path
    arrays: Path
    manifest: pd.DataFrame
    split: Split
    data_digest: str
    notes: tuple[str, ...]

    @property
    def cells(self) -> list[Cell]:
        """The cells in grid order."""
        return cells(self.config)

    def rows(self, part: str) -> list[int]:
        """Return the rows of the manifest (and of the arrays) that belong to a part."""
        return [int(row) for row in np.flatnonzero(self.manifest["part"] == part)]

    def cell_folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.folder / "cells" / cell.name


def make_plan(config: SweepConfig, root: Path | None, runs: Path) -> Plan:
    """Read, curate, split and prepare the data of a sweep, and write down what it will do.

    Args:
        config: every setting.
        root: folder of the images.
        runs: the runs directory.

    Raises:
        DataError: the data cannot be used.
        ConfigError: the training part does not fill one batch.
    """
    volumes = read(config.source, root)
    curated = curate(volumes, config.curate)
    split = split_cases(curated.manifest, config.split)
    arrays = prepare(curated, config.training.image_size, config.intensity, runs / "cache")
    manifest = curated.manifest.assign(part=curated.manifest["slice"].map(split.parts).fillna(""))
    digest = content_digest(curated.manifest)
    name = f"{config.phase}-stage{config.stage}-{config.data}-{config.profile}-{sweep_digest(config, digest)[:10]}"
    notes = (*curated.notes, *split.notes, *_guidance_notes(config, arrays))
    plan = Plan(config, name, runs / name, arrays, manifest, split, digest, notes)
    make_schedule(len(plan.rows("train")), config.training)
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_text(plan.folder / "sweep.yaml", _resolved(config, digest))
    write_text(plan.folder / "manifest.csv", manifest.to_csv(index=False))
    return plan


def sweep_digest(config: SweepConfig, data_digest: str) -> str:
    """Return a SHA-256 of every setting, the content of the data and of weight files, and this program's version."""
    settings = config.model_dump(mode="json")
    weights = settings["training"]["encoder_weights"]
    content = [lge_sweep.__version__, settings, data_digest, _file_digests(Path(weights))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def part_counts(manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count cases, slices and slices with scar of each part."""
    return {
        part: {
            "cases": int(rows["case"].nunique()),
            "slices": len(rows),
            "with_scar": int(rows["has_scar"].sum()),
        }
        for part in PARTS
        for rows in [manifest[manifest["part"] == part]]
    }


def _guidance_notes(config: SweepConfig, arrays: Path) -> list[str]:
    """Say how many slices lose their cavity, and with it their guidance, to the refinement at this size."""
    if config.stage == 1:
        return []
    prepared = load_arrays(arrays)
    had = (prepared.labels == Label.CAVITY).any(axis=(1, 2))
    lost = int((had & ~prepared.refined.any(axis=(1, 2))).sum())
    size = config.training.image_size
    return [f"{lost} slice(s) have a cavity too small for the refinement at {size}x{size}: no guidance there"] * (
        lost > 0
    )


def _file_digests(weights: Path) -> list[str]:
    if str(weights) in {"imagenet", "none"}:
        return []
    inside = sorted(path for path in weights.iterdir() if path.suffix in WEIGHT_SUFFIXES) if weights.is_dir() else []
    digests = []
    for path in [weights] if weights.is_file() else inside:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests


def _resolved(config: SweepConfig, data_digest: str) -> str:
    header = (
        f"# Every setting of this sweep, resolved by lge_sweep {lge_sweep.__version__}. Data content: {data_digest}\n"
    )
    return header + yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
