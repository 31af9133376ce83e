"""A data set that is refused, and what is said of it."""

from pathlib import Path

import pytest
from synthetic_dicom import SECRETS

from lge_sweep.config.data import Source
from lge_sweep.errors import DataError
from lge_sweep.ingest import read


def findings(source: Source, root: Path) -> list[str]:
    """Read a data set that is refused; return what is said, which tells nobody who the patient is."""
    with pytest.raises(DataError) as caught:
        read(source, root)
    said = str(caught.value)
    assert all(finding in said for finding in caught.value.findings), said
    assert not any(secret in said for secret in SECRETS), said
    return list(caught.value.findings)


def the_finding(source: Source, root: Path) -> str:
    """Read a data set that is refused for one reason; return what is said."""
    (finding,) = findings(source, root)
    return finding
