"""Names of a registry as the values of a setting, and the thing that an entry names."""

import pkgutil
from collections.abc import Iterable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class OneOf:
    """Annotation of a `str` setting that takes the names of a registry: as a `Literal` of them, in errors and schema.

    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[str, OneOf(["adam", "sgdm"])]).json_schema()
    {'enum': ['adam', 'sgdm'], 'type': 'string'}
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names, in the order to list them."""
        self.names = list(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return what pydantic makes of a `Literal`."""
        return core_schema.literal_schema(self.names)


def resolve(reference: str) -> Any:
    """Import and return what an entry names, as ``module:function``, when it is used and not before.

    Settings are read where torch is not loaded, so that an entry holds the name of its builder, not the builder.
    """
    return pkgutil.resolve_name(reference)
