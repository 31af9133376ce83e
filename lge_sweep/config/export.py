"""The JSON schema of all sweep files."""

from typing import Any

from pydantic.json_schema import models_json_schema

from lge_sweep.config.data import DataFile
from lge_sweep.config.schema import PhaseFile, PipelinesFile, ProfileFile

FILES = (PhaseFile, DataFile, ProfileFile, PipelinesFile)
"""Kinds of sweep files."""


def json_schema() -> dict[str, Any]:
    """Return one schema that a phase, a data, a profile or a pipelines file satisfies."""
    _, definitions = models_json_schema([(model, "validation") for model in FILES], title="lge_sweep sweep files")
    references = [{"$ref": f"#/$defs/{model.__name__}"} for model in FILES]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **definitions, "anyOf": references}
