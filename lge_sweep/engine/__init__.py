"""Engine: complete every cell of a plan, exactly once, whatever happens. Noun `Driver`, verb `run_sweep`."""

from lge_sweep.engine.driver import Driver, drive
from lge_sweep.engine.run import run_sweep

__all__ = ["Driver", "drive", "run_sweep"]
