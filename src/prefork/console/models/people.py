"""Who may use the console, what they come with, and what they have done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from prefork.console.models.envelope import AnyRole, Id, Model, Name, Password, Role, Scope, example


class Me(Model):
    """Who asks."""

    model_config = example(name="kim", role="none", grants={"default": "operator"})

    name: str
    role: AnyRole | Literal["metrics"]
    grants: dict[str, Role]


class User(Model):
    """Somebody who may use the console."""

    model_config = example(id=2, name="kim", role="none", grants={"default": "operator"}, created_at=1790035200.0)

    id: int
    name: str
    role: AnyRole
    grants: dict[str, Role]
    created_at: float


class NewUser(Model):
    """Somebody more."""

    model_config = example({"name": "kim", "password": "correct horse battery", "role": "none", "grants": {"default": "viewer"}})

    name: Name
    password: Password
    role: AnyRole
    grants: dict[Id, Role] = Field(default_factory=dict)


class UserPatch(Model):
    """What shall be different about somebody."""

    model_config = example(role="viewer")

    role: AnyRole | None = None
    grants: dict[Id, Role] | None = None
    password: Password | None = None


class PasswordChange(Model):
    """One's own new password, and the old one to prove oneself."""

    model_config = example(old="correct horse battery", new="staple correct horse")

    old: Annotated[str, StringConstraints(max_length=1024)]
    new: Password


class Token(Model):
    """A token, without what it comes with."""

    model_config = example(
        id=4, name="prometheus", scope="metrics", created_at=1790035200.0, expires_at=1821571200.0, used_at=None, made_by=None
    )

    id: int
    name: str
    scope: Scope
    created_at: float
    expires_at: float | None
    used_at: float | None
    made_by: int | None = Field(None, description="The token that has made it, and takes it along when it is removed.")


class NewToken(Model):
    """A token more; it has no more rights than who makes it, and ends with a token that makes it at the latest."""

    model_config = example(name="prometheus", scope="metrics", lifetime=31536000)

    name: Name
    scope: Scope
    lifetime: float | None = Field(None, gt=0, le=10 * 366 * 86400, description="Seconds; null is for ever.")


class MadeToken(Model):
    """What to come with: it is told this once."""

    model_config = example({"id": 4, "token": "prefork_7wXq2"})

    id: int
    token: str


class AuditEntry(Model):
    """Who has changed what."""

    model_config = example(
        id=17,
        at=1790035200.0,
        who="kim",
        client="127.0.0.1",
        action="job paused",
        instance="default",
        details={"job": "shop.tasks.send_mail"},
    )

    id: int
    at: float
    who: str
    client: str
    action: str
    instance: str | None
    details: dict[str, Any]
