"""Who may use the console: oneself, one's tokens, the others, and what was done."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from prefork.console.access import AnyVisitor, AsAdministrator, client_of
from prefork.console.api.paging import Cursor, Limit, Number, part
from prefork.console.desk import AtDesk, Desk
from prefork.console.models import AuditEntry, MadeToken, Me, NewToken, NewUser, Page, PasswordChange, Token, User, UserPatch
from prefork.console.problems import ProblemError
from prefork.instances import audit, tokens, users
from prefork.instances.roles import ADMINISTRATOR, METRICS, RANK, VIEWER, Visitor

router = APIRouter()


@router.get("/me", tags=["people"])
def get_me(visitor: AnyVisitor) -> Me:
    """Who asks, and what they may do."""
    return Me(name=visitor.name, role=visitor.role_for(None), grants=visitor.grants)  # type: ignore[arg-type]  # words of the table


@router.post("/me/password", status_code=204, tags=["people"])
def change_password(request: Request, desk: AtDesk, visitor: AnyVisitor, new: PasswordChange) -> Response:
    """Choose another password. Every login ends, this one too."""
    need_full(visitor)
    keys = (f"password of {visitor.name}",)
    if desk.attempts.wait(*keys):
        raise ProblemError(429, "too many wrong passwords; try again later", "back-off", {"Retry-After": "60"})
    if users.recognise(desk.db, visitor.name, new.old) is None:
        desk.attempts.failed(*keys)
        raise ProblemError(403, "the old password is wrong", "wrong-password")
    users.set_password(desk.db, visitor.user, new.new)
    audit.note(desk.db, visitor.name, client_of(request), "password changed")
    return Response(status_code=204)


@router.get("/tokens", tags=["tokens"])
def list_tokens(desk: AtDesk, visitor: AnyVisitor, limit: Limit = 100, cursor: Cursor = None) -> Page[Token]:
    """One's own tokens, without what they come with."""
    need_full(visitor)
    return part([Token(**without_user(each)) for each in tokens.listed(desk.db, visitor.user)], limit, cursor)


@router.post("/tokens", status_code=201, tags=["tokens"])
def make_token(request: Request, desk: AtDesk, visitor: AnyVisitor, new: NewToken) -> MadeToken:
    """A token for a program: with one's own rights, up to a scope. One that a token has made ends with that one at the latest."""
    need_full(visitor)
    if RANK[new.scope] > RANK[visitor.ceiling]:
        raise ProblemError(403, f"a token with the scope {visitor.ceiling} makes none with the scope {new.scope}", "forbidden")
    now = time.time()
    if visitor.until is not None and (new.lifetime is None or now + new.lifetime > visitor.until):
        most = f"{int(visitor.until - now)} seconds"
        raise ProblemError(403, f"a token makes none that outlives it; give the new one a lifetime below {most}", "forbidden")
    number, secret = tokens.make(desk.db, visitor.user, new.name, new.scope, new.lifetime, now, visitor.token)
    audit.note(desk.db, visitor.name, client_of(request), "token made", token=number, scope=new.scope, name=new.name)
    return MadeToken(id=number, token=secret)


@router.delete("/tokens/{number}", status_code=204, tags=["tokens"])
def remove_token(request: Request, desk: AtDesk, visitor: AnyVisitor, number: Number) -> Response:
    """Have a token count no more, nor what was made with it: one's own, or as an administrator anybody's."""
    need_full(visitor)
    removed = tokens.remove(desk.db, number, None if visitor.may(ADMINISTRATOR) else visitor.user)
    if not removed:
        raise ProblemError(404, f"there is no token {number}, or it is not yours")
    others: dict[str, Any] = {"made": [each for each in removed if each != number]} if len(removed) > 1 else {}
    audit.note(desk.db, visitor.name, client_of(request), "token removed", token=number, **others)
    return Response(status_code=204)


@router.get("/users", tags=["people"])
def list_users(desk: AtDesk, _visitor: AsAdministrator, limit: Limit = 100, cursor: Cursor = None) -> Page[User]:
    """Everybody who may use the console."""
    return part([User.model_validate(each._asdict()) for each in users.listed(desk.db)], limit, cursor)


@router.post("/users", status_code=201, tags=["people"])
def add_user(request: Request, desk: AtDesk, visitor: AsAdministrator, new: NewUser) -> User:
    """Let somebody use the console."""
    with desk.db.transaction():
        number = users.add(desk.db, new.name, new.password, new.role)
        users.set_grants(desk.db, number, new.grants)
        audit.note(desk.db, visitor.name, client_of(request), "user added", user=new.name, role=new.role, grants=new.grants)
    return the_user(desk, number)


@router.patch("/users/{number}", tags=["people"])
def change_user(request: Request, desk: AtDesk, visitor: AsAdministrator, number: Number, patch: UserPatch) -> User:
    """Give somebody another role, other grants or another password."""
    name = the_user(desk, number).name
    with desk.db.transaction():
        if patch.role is not None:
            users.set_role(desk.db, number, patch.role)
        if patch.grants is not None:
            users.set_grants(desk.db, number, patch.grants)
        if patch.password is not None:
            users.set_password(desk.db, number, patch.password)
        given = patch.model_dump(exclude_none=True, exclude={"password"})
        audit.note(
            desk.db, visitor.name, client_of(request), "user changed", user=name, password=patch.password is not None, **given
        )
    return the_user(desk, number)


@router.delete("/users/{number}", status_code=204, tags=["people"])
def remove_user(request: Request, desk: AtDesk, visitor: AsAdministrator, number: Number) -> Response:
    """Let somebody use the console no more; their tokens and logins end."""
    name = the_user(desk, number).name
    users.remove(desk.db, number)
    audit.note(desk.db, visitor.name, client_of(request), "user removed", user=name)
    return Response(status_code=204)


@router.get("/audit", tags=["people"])
def read_audit(desk: AtDesk, _visitor: AsAdministrator, limit: Limit = 50, cursor: Cursor = None) -> Page[AuditEntry]:
    """Who has done what, the latest first."""
    found = audit.read(desk.db, cursor, limit + 1)
    items = [AuditEntry(**each._asdict()) for each in found[:limit]]
    return Page(items=items, next=items[-1].id if len(found) > limit else None)


def need_full(visitor: Visitor) -> None:
    """Raises ProblemError for a token that only reads figures: it is about no person."""
    if visitor.ceiling == METRICS:
        raise ProblemError(
            403, f"a token with the scope {METRICS} reads /metrics and nothing else; this takes {VIEWER}", "forbidden"
        )


def the_user(desk: Desk, number: int) -> User:
    """Somebody. Raises ProblemError."""
    found = users.find(desk.db, number)
    if found is None:
        raise ProblemError(404, f"there is no user {number}")
    return User.model_validate(found._asdict())


def without_user(token: tokens.Token) -> dict[str, Any]:
    """A token as its owner sees it."""
    return {name: value for name, value in token._asdict().items() if name != "user_id"}
