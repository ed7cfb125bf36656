"""Who may use the console, what they come with, and what they have done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from prefork.console.models.envelope import AnyRole, Id, Model, Name, Password, Role, Scope


class Me(Model):
    """Who asks."""

    name: str
    role: AnyRole | Literal["metrics"]
    grants: dict[str, Role]


class User(Model):
    """Somebody who may use the console."""

    id: int
    name: str
    role: AnyRole
    grants: dict[str, Role]
    created_at: float


class NewUser(Model):
    """Somebody more."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "kim", "password": "correct horse battery", "role": "none", "grants": {"default": "viewer"}}]
        }
    )

    name: Name
    password: Password
    role: AnyRole
    grants: dict[Id, Role] = Field(default_factory=dict)


class UserPatch(Model):
    """What shall be different about somebody."""

    role: AnyRole | None = None
    grants: dict[Id, Role] | None = None
    password: Password | None = None


class PasswordChange(Model):
    """One's own new password, and the old one to prove oneself."""

    old: Annotated[str, StringConstraints(max_length=1024)]
    new: Password


class Token(Model):
    """A token, without what it comes with."""

    id: int
    name: str
    scope: Scope
    created_at: float
    expires_at: float | None
    used_at: float | None


class NewToken(Model):
    """A token more; its rights are never more than those of who makes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "prometheus", "scope": "metrics", "lifetime": 31536000}]})

    name: Name
    scope: Scope
    lifetime: float | None = Field(None, gt=0, le=10 * 366 * 86400, description="Seconds; null is for ever.")


class MadeToken(Model):
    """What to come with: it is told this once."""

    id: int
    token: str


class AuditEntry(Model):
    """Who has changed what."""

    id: int
    at: float
    who: str
    client: str
    action: str
    instance: str | None
    details: dict[str, Any]
