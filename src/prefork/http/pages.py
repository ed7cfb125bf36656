"""The page a client sees when the server answers instead of the application: HTML for people, JSON for programs.

It names the status and the request's id, to look up in the log, and nothing internal. Standard library only, Python 3.9+.
"""

from __future__ import annotations

import json

from prefork.http.framing import reason

WORDS = {
    404: "There is nothing here.",
    405: "This can only be read.",
    500: "The application failed while it worked on this request.",
    502: "The process that worked on this request ended. Whether its work was done is not known: check before you try again.",
    503: "The server is busy or about to stop. Please try again in a moment.",
    504: "This request took longer than is allowed.",
}

TOO_LARGE = "This request needed more memory than is allowed."  # a 503 with an incident

HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{status} {phrase}</title><style>
:root{{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}}
body{{min-height:90vh;margin:0;display:grid;place-items:center}}
main{{max-width:34rem;padding:2rem}}h1{{font-size:1.4rem;margin:0 0 .5rem}}p{{margin:.5rem 0}}small{{opacity:.7}}
</style></head><body><main><h1>{status} {phrase}</h1><p>{words}</p><p><small>{names}</small></p></main></body></html>
"""


def page(status: int, request_id: str, accept: bytes, incident: str = "") -> tuple[bytes, bytes]:
    """Content type and body for `status`. `accept` is the request's Accept header, `incident` names one, if there was one.

    A `request_id` may be a client's: only harmless ones are taken.
    """
    words = TOO_LARGE if status == 503 and incident else WORDS.get(status, "")
    if b"json" in accept and b"html" not in accept:
        said = {"status": status, "error": reason(status), "detail": words, "request_id": request_id, "incident": incident}
        return b"application/json", json.dumps({key: value for key, value in said.items() if value}).encode() + b"\n"
    names = f"Incident: {incident} · Request: {request_id}" if incident else f"Request: {request_id}"
    text = HTML.format(status=status, phrase=reason(status), words=words, names=names)
    return b"text/html; charset=utf-8", text.encode()
