"""`python -m lge_sweep.cli`."""

from lge_sweep.cli import app

app()
