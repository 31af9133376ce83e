"""The pipeline beside its controls: final labels of one part, measured alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.data import load_arrays
from lge_sweep.labels import SINGLE, class_names
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.metrics.summary import Summary
from lge_sweep.pipeline.variants import PIPELINE
from lge_sweep.scoring.doubt import Candidate, Doubt, doubt
from lge_sweep.sweep.files import slug, write_text
from lge_sweep.sweep.plan import Plan


@dataclass(frozen=True)
class Comparison:
    """How the pipeline does beside its controls on one part.

    Attributes:
        part: "val" or "test".
        tables: name -> metrics of each image and class, final labels of all four classes; `PIPELINE` first.
        summaries: name -> their aggregates.
        doubt: intervals of the scores, and the pipeline against every other.
        failed: fit -> why it could not be had.
    """

    part: str
    tables: Mapping[str, pd.DataFrame]
    summaries: Mapping[str, Summary]
    doubt: Doubt
    failed: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; the tables are files of their own."""
        return {
            "part": self.part,
            "summaries": {name: summary.to_dict() for name, summary in self.summaries.items()},
            "doubt": self.doubt.to_dict(),
            "failed": dict(self.failed),
        }


def compare(
    plan: Plan, part: str, labels: Mapping[str, NDArray[np.uint8]], failed: Mapping[str, str]
) -> Comparison:
    """Measure the final labels of the pipeline and of its controls on one part.

    Writes `<part>/<name>.csv`, a row an image and class, into the plan's folder.

    Args:
        plan: the finished fits.
        part: "val" or "test".
        labels: name -> values of `Label`, [N, S, S] in the order of the part's rows; `PIPELINE` first.
        failed: fit -> why it could not be had.
    """
    rows, metrics, rule = plan.rows(part), plan.config.metrics, plan.config.selection
    truth, measured = load_arrays(plan.arrays).labels[rows], plan.manifest.iloc[rows]
    tables = {}
    (plan.folder / part).mkdir(exist_ok=True)
    for name, predicted in labels.items():
        tables[name] = evaluate(
            predicted, truth, class_names(SINGLE), images=measured["slice"].tolist(), cases=measured["case"].tolist(),
            bf_tolerance=metrics.bf_tolerance, empty=metrics.empty,
        )  # fmt: skip
        write_text(plan.folder / part / f"{slug(name)}.csv", tables[name].to_csv(index=False))
    doubts = doubt([Candidate(name, [table]) for name, table in tables.items()], PIPELINE, rule.rule, rule.emphasis)
    return Comparison(part, tables, {name: aggregate(table) for name, table in tables.items()}, doubts, failed)
