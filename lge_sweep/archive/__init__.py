"""Archive: exams come from a DICOMweb archive, and results go back. Noun `Archive`, verbs `fetch_study`, `store`."""

from lge_sweep.archive.address import read_address, read_credentials, read_uid
from lge_sweep.archive.connection import Archive
from lge_sweep.archive.fetch import SeriesQuery, fetch_study
from lge_sweep.archive.upload import store

__all__ = ["Archive", "SeriesQuery", "fetch_study", "read_address", "read_credentials", "read_uid", "store"]
