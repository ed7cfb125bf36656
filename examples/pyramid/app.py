"""Notes: a Pyramid application with a database and a page."""

import os
import sqlite3
from pathlib import Path

from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.view import view_config

DATA = Path(os.environ.get("NOTES_DATA", Path(__file__).parent / "data"))
TABLE = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"
PAGE = """<!doctype html>
<html lang="en">
<title>Notes</title>
<link rel="stylesheet" href="/static/notes.css">
<h1>Notes</h1>
<p>%d notes, read by worker %d</p>
</html>
"""


def database(request):
    """This request's own connection: none is open when the process forks."""
    DATA.mkdir(exist_ok=True)
    connection = sqlite3.connect(DATA / "notes.db", timeout=30)
    connection.execute(TABLE)
    request.add_finished_callback(lambda _request: connection.close())
    return connection


@view_config(route_name="page")
def page(request):
    (number,) = request.database.execute("SELECT count(*) FROM note").fetchone()
    return Response(PAGE % (number, os.getpid()))


@view_config(route_name="notes", request_method="GET", renderer="json")
def read(request):
    rows = request.database.execute("SELECT id, text FROM note ORDER BY id DESC LIMIT 100")
    return [{"id": number, "text": text} for number, text in rows]


@view_config(route_name="notes", request_method="POST", renderer="json")
def write(request):
    with request.database as connection:
        number = connection.execute("INSERT INTO note (text) VALUES (?)", [request.json_body["text"]]).lastrowid
    request.response.status = 201
    return {"id": number}


config = Configurator()
config.add_request_method(database, reify=True)
config.add_route("page", "/")
config.add_route("notes", "/notes")
config.scan(__name__)
app = config.make_wsgi_app()
