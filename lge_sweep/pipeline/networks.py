"""Networks of finished cells, ready to run."""

from functools import cache

from lge_sweep.config import Cell
from lge_sweep.engine import best_network
from lge_sweep.models import find_hardware
from lge_sweep.segmenter import Network, torch_network
from lge_sweep.study import Plan


def load_network(plan: Plan, cell: Cell) -> Network:
    """Return a finished cell's network with its best weights, on the hardware there is; loaded when it first runs."""

    @cache
    def loaded() -> Network:
        device = find_hardware(plan.config.training).torch_device()
        return torch_network(best_network(plan, cell).to(device), str(device))

    return lambda inputs: loaded()(inputs)
