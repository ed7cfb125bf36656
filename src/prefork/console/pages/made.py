"""What the API's functions take, from what a form has sent: as a route reads it from a request."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from prefork.console.problems import ProblemError

Model = TypeVar("Model", bound=BaseModel)


def made(model: type[Model], **values: Any) -> Model:
    """What a route would have read from a request. Raises ProblemError; each field is called by the last part of its place."""
    try:
        return model(**values)
    except ValidationError as error:
        errors = {str(each["loc"][-1] if each["loc"] else ""): each["msg"] for each in error.errors()}
        raise ProblemError(422, "; ".join(f"{name}: {said}" for name, said in errors.items()), errors=errors) from None
