"""The counter: visitors talk to each other and to us. What is said is kept, and open pages hear it at once."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, jsonify, redirect, render_template, request, session, url_for
from sqlalchemy import text

from . import live
from .database import rows, transaction
from .forms import CONTROL

blueprint = Blueprint("chat", __name__, url_prefix="/chat")
SHOWN = 50  # lines on a page
KEPT = 1000  # lines in the database
LONGEST = {"who": 40, "text": 500}


@blueprint.get("")
def show() -> str:
    return render_template("chat.html", lines=lines(0), longest=LONGEST, who=session.get("who", ""))


@blueprint.get("/lines")
def missed() -> Any:
    """What was said after a line: for a page that has not been listening for a moment."""
    return jsonify(lines(request.args.get("after", 0, type=int)))


@blueprint.post("")
def say() -> Any:
    """Keep a line, and have everybody hear it."""
    sent = {field: " ".join(request.form.get(field, "").split()) for field in LONGEST}
    for field, longest in LONGEST.items():
        if not sent[field] or len(sent[field]) > longest or CONTROL.search(sent[field]):
            abort(400, f"Please tell us your name and a line of up to {LONGEST['text']} characters.")
    session["who"] = sent["who"]
    with transaction() as shop:
        number = shop.execute(text("INSERT INTO chat (who, text) VALUES (:who, :text) RETURNING id"), sent).scalar_one()
        shop.execute(text("DELETE FROM chat WHERE id <= :last"), {"last": number - KEPT})
        live.tell(shop, live.CHAT, {"id": number, **sent})
    if request.accept_mimetypes.best == "application/json":
        return jsonify(id=number, **sent), 201
    return redirect(url_for("chat.show"), 303)


def lines(after: int) -> list[dict[str, Any]]:
    """Return the last lines after a number, the oldest first."""
    found = rows("SELECT id, who, text FROM chat WHERE id > :after ORDER BY id DESC LIMIT :shown", after=after, shown=SHOWN)
    return found[::-1]
