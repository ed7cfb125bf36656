"""What a visitor sees when something goes wrong: a page for people, one JSON sentence for programs."""

from __future__ import annotations

from typing import Any

from flask import Flask, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound, ServiceUnavailable

from .database import AWAY

SENTENCES = {
    404: "There is no such page in this shop.",
    405: "This address does not take that kind of request.",
    413: "That is more than this shop accepts in one request (64 KiB).",
    500: "The shop's own code failed; the traceback is in the server's log. The worker lives and serves on.",
    503: "The shop's database cannot be used now. Please try again in a moment: nothing is lost, and nothing is ordered twice.",
}


def install(app: Flask) -> None:
    app.register_error_handler(HTTPException, answer)
    for error in AWAY:
        app.register_error_handler(error, away)


def answer(error: HTTPException) -> Any:
    """Return the error as the visitor can read it; a redirect passes unchanged."""
    if error.code is None or error.code < 400:
        return error
    standard = error.description == type(error).description or isinstance(error, InternalServerError)
    sentence = SENTENCES.get(error.code, error.description) if standard else error.description
    headers = [pair for pair in error.get_headers() if pair[0] in ("Allow", "Retry-After")]
    if request.path.startswith("/api/") or request.accept_mimetypes.best == "application/json":
        return jsonify(error=sentence), error.code, headers
    title = "Not found" if isinstance(error, NotFound) else error.name
    return render_template("error.html", code=error.code, title=title, sentence=sentence), error.code, headers


def away(_error: Exception) -> Any:
    """Answer 503 while the database is being started, is out, or others hold it up for too long."""
    return answer(ServiceUnavailable(retry_after=1))
