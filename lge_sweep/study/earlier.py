"""Sweeps of before results had a format: kept and shown, but not gone on with. Light: `status` asks for each."""

from pathlib import Path

from lge_sweep.safe_yaml import read_yaml_file

ANEW = (
    "This version runs such a sweep anew, under another name, when its command is given; this folder stays as it is, "
    "with its tables ranking.csv and cells/*/per_image.csv"
)
"""What can be done with one."""


def is_of_earlier_version(settings: Path) -> bool:
    """Whether a sweep's `sweep.yaml` is of before results had a format; not if it cannot be read."""
    try:
        content = read_yaml_file(settings)
    except (OSError, ValueError):
        return False
    selection = content.get("selection") if isinstance(content, dict) else None
    return isinstance(selection, dict) and "part" in selection
