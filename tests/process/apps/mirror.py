"""A WSGI application that says in one header what it was asked, so that a HEAD tells it too."""

import json

from referee import refereed


def mirror(environ, start_response):
    body = environ["wsgi.input"].read(-1)
    seen = [environ["REQUEST_METHOD"], environ["REQUEST_URI"], body.decode("latin-1")]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5"), ("X-Seen", json.dumps(seen))])
    return [b"seen\n"]


app = refereed(mirror)
