"""Plain settings to checked ones, and what is wrong with them in words."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lge_sweep.config.explain import explain
from lge_sweep.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(model: type[ModelT], content: Mapping[str, Any], where: str) -> ModelT:
    """Turn plain settings into a checked model.

    Args:
        model: the schema.
        content: plain settings, as read from YAML.
        where: the file, for the message.

    Raises:
        ConfigError: with one line for each setting that is wrong: key path, rule, value got, allowed or nearest ones.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        errors = error.errors()
        # A list whose only item is wrong is also "too short" once that item is dropped: not worth saying.
        inner = {item["loc"][:-1] for item in errors}
        lines = [explain(model, item) for item in errors if item["type"] != "too_short" or item["loc"] not in inner]
        raise ConfigError(f"{where}:", *(f"  - {line}" for line in lines)) from None
