"""An application that says in one header what it was asked, so that a HEAD tells it too; of WSGI, and of ASGI."""

import json

from referee import refereed

quoted = json.JSONEncoder().encode


def mirror(environ, start_response):
    seen = told(environ["REQUEST_METHOD"], environ["REQUEST_URI"], environ["wsgi.input"].read(-1))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5"), ("X-Seen", seen)])
    return [b"seen\n"]


def told(method, target, body):
    # Put together from its parts: fuzzing measures the server, and a list as JSON costs six times as much.
    return f"[{', '.join([quoted(method), quoted(target), quoted(body.decode('latin-1'))])}]"


app = refereed(mirror)


async def asgi_app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event["body"]
        more = event["more_body"]
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    seen = told(scope["method"], target.decode("latin-1"), body)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5"), (b"x-seen", seen.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"seen\n"})
