from .address import read_address as read_address
from .address import read_credentials as read_credentials
from .address import read_uid as read_uid
from .connection import Archive as Archive
from .fetch import SeriesQuery as SeriesQuery
from .fetch import fetch_study as fetch_study
from .upload import store as store
