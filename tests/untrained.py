"""Plans of sweeps of which nothing is trained."""

import shutil
from dataclasses import replace
from pathlib import Path

from lge_sweep.config import load_sweep
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan


def grid_of_two(runs: Path) -> Plan:
    """Plan a grid of two cells on the phantom."""
    return make_plans([load_sweep("phase1", 1, "phantom", "smoke", ["grid.model=[unet, segnet]"])], None, runs)[0]


def moved(plan: Plan, runs: Path) -> Plan:
    """The same plan in another runs directory, which has its folder and nothing else."""
    arrays = runs / plan.arrays.relative_to(plan.folder.parent)
    shutil.copytree(plan.folder, runs / plan.name)
    shutil.copytree(plan.arrays, arrays)
    return replace(plan, folder=runs / plan.name, arrays=arrays)
