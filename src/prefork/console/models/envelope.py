"""What all models have in common: the words they use, parts of lists, and problems."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

Item = TypeVar("Item")
Role = Literal["viewer", "operator", "administrator"]
AnyRole = Literal["none", "viewer", "operator", "administrator"]
Scope = Literal["metrics", "viewer", "operator", "administrator"]
LARGEST = (1 << 53) - 1  # what JSON's readers keep whole
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Password = Annotated[str, StringConstraints(min_length=12, max_length=1024)]


class Model(BaseModel):
    """What all have in common: no member that nobody knows."""

    model_config = ConfigDict(extra="forbid")


def example(*shown: dict[str, JsonValue], **members: JsonValue) -> ConfigDict:
    """What the API's document shows of a model: these objects, or the one with these members."""
    return ConfigDict(json_schema_extra={"examples": [*shown] or [members]})


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:prefork:problem:plan-limit"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["the plan base allows 2 HTTP workers, not 3"])


class Page(Model, Generic[Item]):
    """A part of a list; `next` is the cursor of what follows, null at its end."""

    items: list[Item]
    next: int | None = None
