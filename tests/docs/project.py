"""The project `mysite` that the pages serve, of both interfaces."""

import sys

from tests.docs.script import Script

WSGI = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"""
ASGI = """\
async def application(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
"""


def mysite(page: Script, place: str) -> None:
    """Put it into a directory of the page's, with an environment."""
    page.put(f"{place}mysite/__init__.py", "")
    page.put(f"{place}mysite/wsgi.py", WSGI)
    page.put(f"{place}mysite/asgi.py", ASGI)
    page.place(f"{place}venv").symlink_to(sys.prefix)


def served(page: Script, command: str, port: str = "8069") -> str:
    """What a server says at its start; it answers, and stops."""
    said = page.start(command)
    assert page.get(port=port) == "served"
    page.stop()
    return said
