"""The command line: parse, call, print."""

from lge_sweep.cli.app import app

__all__ = ["app"]
