"""What goes wrong, as RFC 9457 has it: a JSON object with a type, a title, a status and a sentence that says what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from prefork.instances.changes import BeyondPlan, Conflict, Invalid
from prefork.instances.database import Unusable
from prefork.instances.local import Denied, Unreachable
from prefork.instances.users import Declined

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:prefork:problem:"


class ProblemError(Exception):
    """Ends a request with a status and a sentence. `more` are members of the object, `headers` those of the answer."""

    def __init__(self, status: int, detail: str, kind: str = "", headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.headers = headers
        self.more = more

    @property
    def phrase(self) -> str:
        """What its status is called."""
        return HTTPStatus(self.status).phrase


def answer(problem: ProblemError) -> JSONResponse:
    """The object. Without a type of its own, a problem is what its status says."""
    kind = TYPES + problem.kind if problem.kind else "about:blank"
    content = {"type": kind, "title": problem.phrase, "status": problem.status, "detail": problem.detail}
    return JSONResponse(content | problem.more, problem.status, problem.headers, MEDIA_TYPE)


def told(error: Exception) -> ProblemError:
    """An exception as a problem."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, BeyondPlan):
        return ProblemError(422, str(error), "plan-limit", errors=error.sentences)
    if isinstance(error, Invalid):
        return ProblemError(422, str(error), "invalid-settings", errors=error.sentences)
    if isinstance(error, Unreachable):
        return ProblemError(503, str(error), "unreachable")
    if isinstance(error, Unusable):
        return ProblemError(503, f"the console's own file cannot be used ({error.__cause__}); see to its disk", "unusable")
    if isinstance(error, RequestValidationError):
        errors = {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
        return ProblemError(422, "; ".join(f"{where}: {said}" for where, said in errors.items()), "invalid-request", errors=errors)
    if isinstance(error, HTTPException):
        return ProblemError(error.status_code, str(error.detail), headers=dict(error.headers or {}))
    return ProblemError(409, str(error), "conflict" if isinstance(error, Conflict) else "refused")


EXPECTED = (ProblemError, Invalid, Conflict, Declined, Denied, Unreachable, Unusable, RequestValidationError, HTTPException)


def install(app: FastAPI) -> None:
    """Have every exception that a route may raise told so."""

    async def explain(_request: Request, error: Exception) -> JSONResponse:
        return answer(told(error))

    for kind in EXPECTED:
        app.add_exception_handler(kind, explain)
