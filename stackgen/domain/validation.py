"""Turns pydantic's complaints into diagnostics with the path, the allowed words and a hint."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], data: Any, path: YamlPath) -> tuple[M | None, list[Diagnostic]]:
    """The typed value of `data`, or None with everything that is wrong with it."""
    try:
        return model.model_validate(data), []
    except ValidationError as exc:
        return None, [error("spec/invalid", (*path, *e["loc"]), e["msg"]) for e in exc.errors()]
