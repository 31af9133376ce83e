"""Sweep: complete every cell of a grid, exactly once, whatever happens. Noun `Plan`, verb `run_sweep`."""

from lge_sweep.sweep.driver import Driver, drive
from lge_sweep.sweep.plan import Plan, make_plans
from lge_sweep.sweep.run import run_sweep

__all__ = ["Driver", "Plan", "drive", "make_plans", "run_sweep"]
