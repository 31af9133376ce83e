"""From the configurations of one command to the plans of its sweeps, written down."""

from collections.abc import Sequence
from pathlib import Path

from lge_sweep.config import SweepConfig, cells
from lge_sweep.curate import check_classes
from lge_sweep.data import make_schedule
from lge_sweep.study.digest import basis_digest
from lge_sweep.study.inherit import inherit_models
from lge_sweep.study.plan import CellSet, Plan, plan_sweep
from lge_sweep.study.plan_files import write_plan
from lge_sweep.study.prepare import PreparedData, prepare_data


def make_plans(configs: Sequence[SweepConfig], root: Path | None, runs: Path) -> list[Plan]:
    """Read, curate, split and prepare the data of some sweeps, once for all, and write down what each will do.

    Args:
        configs: every setting of each sweep; all on the same data with the same profile.
        root: folder of the images.
        runs: the runs directory.

    Raises:
        DataError: the data cannot be used, or lacks a class that a stage needs.
        ConfigError: the training subset does not fill one batch.
        InheritError: the models are phase 1's to choose, and it has not chosen for this data and profile.
    """
    data = prepare_data(configs[0], root, runs)
    check_classes(data.manifest, [config.stage for config in configs], configs[0].selection.subset, configs[0].data)
    return [_make_plan(config, data, runs) for config in configs]


def _make_plan(config: SweepConfig, data: PreparedData, runs: Path) -> Plan:
    config, inherited = inherit_models(config, basis_digest(config, data.digest), runs)
    searched = (config.search and config.search.batch_size) or ()
    for batch_size in (config.training.batch_size, *searched):  # whatever is drawn, the training subset must fill it
        training = config.training.model_copy(update={"batch_size": batch_size})
        make_schedule(len(data.rows("train")), training)
    plan = plan_sweep(config, data, runs, CellSet(tuple(cells(config)), notes=tuple(inherited)))
    write_plan(plan)
    return plan
