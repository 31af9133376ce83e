from .grid import Cell as Cell
from .grid import cells as cells
from .grid import configurations as configurations
from .grid import short_configurations as short_configurations
from .grid import short_names as short_names
from .loader import is_simulated as is_simulated
from .loader import load_sweep as load_sweep
from .schema import SweepConfig as SweepConfig
