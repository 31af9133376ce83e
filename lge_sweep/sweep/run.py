"""One sweep from configuration to selection."""

from pathlib import Path

from lge_sweep.config import SweepConfig
from lge_sweep.scoring import Selection
from lge_sweep.sweep.driver import Driver
from lge_sweep.sweep.plan import Plan, make_plan


def run_sweep(
    driver: Driver, config: SweepConfig, root: Path | None, allow_incomplete: bool = False
) -> tuple[Plan, Selection]:
    """Plan a sweep, complete its cells, select.

    Args:
        driver: holds the runs directory and the workers.
        config: every setting.
        root: folder of the images.
        allow_incomplete: select although cells failed.

    Raises:
        LgeSweepError: the data, the weights or the runs directory cannot be used, or nothing can be selected.
        KeyboardInterrupt: stopped; the same command goes on where it was.
    """
    driver.announce(config)
    plan = make_plan(config, root, driver.runs)
    driver.introduce(plan)
    results, failed, run = driver.run(plan)
    from lge_sweep.sweep.finish import finish_sweep  # imports matplotlib and mlflow, while the workers train

    return plan, finish_sweep(plan, results, failed, run, allow_incomplete)
