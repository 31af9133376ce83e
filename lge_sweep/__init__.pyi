from .api import Pipelines as Pipelines
from .api import Ranking as Ranking
from .api import Study as Study
from .api import compare_labels as compare_labels
from .api import open_run as open_run
from .api import predict as predict
from .api import read_data as read_data
from .errors import LgeSweepError as LgeSweepError
from .ingest import write_phantom as write_phantom
from .segmenter import load_segmenter as load_segmenter

__version__: str
