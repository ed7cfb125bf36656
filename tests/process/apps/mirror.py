"""A WSGI application that says in one header what it was asked, so that a HEAD tells it too."""

import json

from referee import refereed

quoted = json.JSONEncoder().encode


def mirror(environ, start_response):
    body = environ["wsgi.input"].read(-1)
    # Put together from its parts: fuzzing measures the server, and a list as JSON costs six times as much.
    seen = ", ".join([quoted(environ["REQUEST_METHOD"]), quoted(environ["REQUEST_URI"]), quoted(body.decode("latin-1"))])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5"), ("X-Seen", f"[{seen}]")])
    return [b"seen\n"]


app = refereed(mirror)
