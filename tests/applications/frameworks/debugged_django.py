"""Asks what `prefork.django.debugging` makes of the example's applications for a file of one of its apps; prints the answers."""

import asyncio
import json
import os
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"

from django.conf import settings

from prefork.django import debugging

PATH = "/static/notes/notes.css"


def by_wsgi():
    environ = {"SCRIPT_NAME": "", "PATH_INFO": PATH}
    setup_testing_defaults(environ)
    status = []
    answer = validator(debugging.wsgi())(environ, lambda said, _headers, _error=None: status.append(said) or print)
    try:
        return [*status, b"".join(answer).decode()]
    finally:
        answer.close()


async def by_asgi():
    settings.ASGI_APPLICATION = "mysite.asgi.application"
    application, sent = debugging.asgi(), []
    scope = {"type": "http", "method": "GET", "path": PATH, "headers": [], "query_string": b"", "http_version": "1.1"}
    told = iter([{"type": "http.request", "body": b""}])

    async def receive():
        return next(told, None) or await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await application(scope, receive, send)
    return [sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()]


print(json.dumps({"wsgi": by_wsgi(), "asgi": asyncio.run(by_asgi())}))
