from .find import Study as Study
from .find import find_study as find_study
from .write import PAGE as PAGE
from .write import Written as Written
from .write import write_manuscript as write_manuscript
