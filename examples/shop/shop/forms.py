"""What visitors send, checked: the forms' secret token, quantities, and the customer's name and address.

Every refusal is a sentence that says what to change. Nothing here touches the database.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from flask import Flask, abort, request, session

from .catalogue import BY_SLUG

MOST = 99  # pieces of one product
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")

LIMITS = {"name": 80, "email": 120, "address": 300}
ASKED = {
    "name": "Please tell us your name.",
    "email": "Please give an e-mail address, like ada@example.org.",
    "address": "Please tell us where to send your forks.",
}


def install(app: Flask) -> None:
    app.before_request(refuse_forgery)
    app.jinja_env.globals.update(form_token=token)


def token() -> str:
    """Return this visitor's secret, which every form sends back."""
    if "token" not in session:
        session["token"] = secrets.token_urlsafe(24)
    return str(session["token"])


def refuse_forgery() -> None:
    """Refuse a form that another site sent; the API takes JSON only and knows no session, so it needs no token."""
    if request.method in ("GET", "HEAD", "OPTIONS") or request.blueprint == "api" or request.url_rule is None:
        return
    if not secrets.compare_digest(request.form.get("token", "").encode(), token().encode()):
        abort(400, "This form has expired. Go back, reload the page and send it again.")


def quantity(value: Any, least: int = 1) -> int:
    """Return a number of pieces; ValueError with a sentence."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}", text) or not least <= int(text) <= MOST:
        raise ValueError(f"A quantity is a whole number from {least} to {MOST}, not {text[:20]!r}.")
    return int(text)


def product(value: Any) -> str:
    """Return the slug of a product we sell; ValueError with a sentence."""
    if not isinstance(value, str) or value not in BY_SLUG:
        raise ValueError(f"We sell no {str(value)[:40]!r}; the list of products is at /api/products.")
    return value


def reference(value: Any) -> str | None:
    """Return the sender's own name for an order, or None; ValueError with a sentence."""
    if value is None:
        return None
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        raise ValueError("A reference is 1 to 64 letters, digits or . _ : - signs.")
    return value


def customer(sent: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the customer's fields as they will be kept, and the complaints, by field."""
    kept = {field: sent.get(field, "").strip() for field in LIMITS}
    complaints = {field: complaint for field in LIMITS if (complaint := _complaint(field, kept[field]))}
    return kept, complaints


def _complaint(field: str, text: str) -> str:
    if not text or (field == "email" and not EMAIL.fullmatch(text)):
        return ASKED[field]
    if len(text) > LIMITS[field]:
        return f"That is longer than {LIMITS[field]} characters; please shorten it."
    if CONTROL.search(text) or (field != "address" and "\n" in text):
        return "Please leave out line breaks and other control characters."
    return ""
