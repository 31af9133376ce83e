"""Settings: their schema, the loader of `sweeps/*.yaml`, and the cells they span."""

from lge_sweep.config.grid import Cell, cells, short_names
from lge_sweep.config.loader import load_sweep
from lge_sweep.config.schema import SweepConfig

__all__ = ["Cell", "SweepConfig", "cells", "load_sweep", "short_names"]
