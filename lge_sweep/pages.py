"""Templates of HTML pages: no text of others is markup in them.

Apart from `lge_sweep.text`, because that travels with a shipped model, which writes no page.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lge_sweep.text import visible


def page_templates(folder: Path) -> Environment:
    """Return the templates of HTML pages in a folder: texts are escaped and made visible, `Markup` stays as it is.

    Args:
        folder: of the templates.
    """
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
