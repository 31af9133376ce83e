from .assign import SUBSETS as SUBSETS
from .assign import Split as Split
from .assign import can_be_split as can_be_split
from .assign import split_cases as split_cases
