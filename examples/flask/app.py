"""Notes: a Flask application with a database, a page for people and an address for programs."""

import os
import sqlite3
from pathlib import Path

from flask import Flask, g, redirect, render_template, request, url_for

DATA = Path(os.environ.get("NOTES_DATA", Path(__file__).parent / "data"))
TABLE = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"

app = Flask(__name__)


def database():
    """This request's own connection: none is open when the process forks."""
    if "database" not in g:
        DATA.mkdir(exist_ok=True)
        g.database = sqlite3.connect(DATA / "notes.db", timeout=30)
        g.database.execute(TABLE)
    return g.database


@app.teardown_appcontext
def disconnect(_error=None):
    if "database" in g:
        g.database.close()


def notes():
    rows = database().execute("SELECT id, text FROM note ORDER BY id DESC LIMIT 100").fetchall()
    return [{"id": number, "text": text} for number, text in rows]


def add(text):
    with database() as connection:
        return connection.execute("INSERT INTO note (text) VALUES (?)", [text]).lastrowid


@app.get("/")
def page():
    return render_template("notes.html", notes=notes(), pid=os.getpid())


@app.post("/")
def written():
    add(request.form["text"])
    return redirect(url_for("page"))


@app.get("/notes")
def read():
    return notes()


@app.post("/notes")
def write():
    return {"id": add(request.get_json()["text"])}, 201
