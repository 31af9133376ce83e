"""Find a run again, and read what it came to."""

from pathlib import Path
from typing import TYPE_CHECKING

from lge_sweep.api.find import find_measured
from lge_sweep.paths import as_path
from lge_sweep.run_store import EvaluationFolder, RunStore

if TYPE_CHECKING:
    from lge_sweep.api.pipelines import Pipelines
    from lge_sweep.api.ranking import Ranking


def open_run(run: str | Path, runs: str | Path | None = None) -> "Ranking | Pipelines":
    """Read what a sweep, or phase 3 or 4, came to; its data is not needed.

    Args:
        run: its folder, its name (`lge-sweep status` lists them), or the id of a sweep's MLflow run.
        runs: the runs directory; None: as `LGE_SWEEP_RUNS` says, else `runs` here.

    Returns:
        A `Ranking` of phase 1 or 2 and of a search; `Pipelines` of phase 3 or 4.

    Raises:
        RunsError: there is no such run, it is not complete, or a file is damaged.
    """
    from lge_sweep.study import load_plan

    files = find_measured(str(run), RunStore.open(as_path(runs)))
    if isinstance(files, EvaluationFolder) or load_plan(files.path).config.fit:
        from lge_sweep.api.pipelines import Pipelines

        return Pipelines.read(files)
    from lge_sweep.api.ranking import Ranking

    return Ranking.read(files)
