from .read import evaluation_cases as evaluation_cases
from .read import sweep_cases as sweep_cases
from .shown import ShownCases as ShownCases
from .write import write_page as write_page
