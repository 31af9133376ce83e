"""Which case a file of somebody else's labels is of, and what its numbers mean."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from lge_sweep.choices import look_up
from lge_sweep.config.masks import LABELS, ClassName
from lge_sweep.csv_files import read_rows, unescape_formula
from lge_sweep.errors import ConfigError
from lge_sweep.ingest.pseudonym import CaseNaming, printable_id, pseudonym
from lge_sweep.text import error_text, shorten, whole_number

EMIDEC_CLASSES: Mapping[int, ClassName] = LABELS["emidec"]
"""What numbers mean where nobody says: 1 cavity, 2 myocardium, 3 infarction, 4 no-reflow, which counts as scar."""
MAP_COLUMNS = ("file", "case")
_MAX_VALUE = 65535
_BY_NAME: Mapping[str, ClassName] = {name: name for name in get_args(ClassName)}


@dataclass(frozen=True)
class CaseFinder:
    """Finds cases by what they are called here, or were called before they got a pseudonym.

    Attributes:
        cases: ids of all cases, as the program shows them.
        naming: how the source's cases got their ids.
    """

    cases: Collection[str]
    naming: CaseNaming

    def find(self, name: str) -> str | None:
        """Return the case of a name, or None."""
        candidates = [printable_id(name)]
        if self.naming.salt is not None:
            candidates.append(pseudonym(name, self.naming.salt))
        return next((case for case in candidates if case in self.cases), None)


def parse_classes(text: str) -> dict[int, ClassName]:
    """Read what numbers mean, such as `1=cavity,2=myocardium,3=scar`; 0 is background where nothing else is said.

    Raises:
        ConfigError: it is not of this form, or a number or a class is none.

    >>> parse_classes("1=cavity, 2=myocardium, 3=scar")
    {0: 'background', 1: 'cavity', 2: 'myocardium', 3: 'scar'}
    """
    classes: dict[int, ClassName] = {0: "background"}
    given: Counter[int] = Counter()
    for part in text.split(","):
        digits, sign, name = (word.strip() for word in part.partition("="))
        if not sign or (number := whole_number(digits, _MAX_VALUE)) is None:
            raise ConfigError(
                f"--classes: expected NUMBER=CLASS, joined by commas, such as 1=cavity,2=myocardium,3=scar (numbers 0 "
                f"to {_MAX_VALUE}), got '{shorten(part.strip())}'"
            )
        classes[number] = look_up("class of --classes", name, _BY_NAME)
        given[number] += 1
    if twice := [number for number, count in given.items() if count > 1]:
        raise ConfigError(f"--classes: {twice[0]} is given twice; keep one")
    return classes


def read_name_map(path: Path) -> dict[str, str]:
    """Read a table that names files: columns `file` and `case`.

    Returns:
        File (as it lies in the folder, its name, or its name without ending) -> case, or slice, as the program shows it
        or as the source called the case.

    Raises:
        ConfigError: it cannot be read, has other columns, or names a file twice.
    """
    try:
        header, rows = read_rows(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--map {path}: cannot be read as a table ({error_text(error)})") from error
    if tuple(name.strip().lower() for name in header) != MAP_COLUMNS:
        found = ", ".join(shorten(name, 20) for name in header)
        raise ConfigError(f"--map {path}: expected a CSV file with the columns {', '.join(MAP_COLUMNS)}, got {found}")
    pairs = [(unescape_formula(row[0]).strip(), unescape_formula(row[1]).strip()) for _, row in rows]
    if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
        raise ConfigError(f"--map {path}: {shorten(twice[0])} is there twice; keep one line")
    return dict(pairs)
