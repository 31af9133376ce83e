from .classes import absent_classes as absent_classes
from .classes import check_classes as check_classes
from .manifest import Curated as Curated
from .manifest import curate as curate
from .manifest import notes_by_case as notes_by_case
