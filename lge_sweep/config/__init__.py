"""Settings: their schema, the loader of `sweeps/*.yaml`, and the cells they span."""

from lge_sweep.config.grid import Cell, cells, configurations, short_configurations, short_names
from lge_sweep.config.loader import load_sweep
from lge_sweep.config.schema import SweepConfig

__all__ = ["Cell", "SweepConfig", "cells", "configurations", "load_sweep", "short_configurations", "short_names"]
