"""Notes: a FastAPI application with a lifespan, a database, a background task and a WebSocket."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

DATA = Path(os.environ.get("NOTES_DATA", Path(__file__).parent / "data"))
TABLES = """
CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS words (note INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""
PAUSE = 0.2  # seconds between two looks for a note that is new


class Note(BaseModel):
    text: str


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A connection for one thread, committed at its end."""
    with closing(sqlite3.connect(DATA / "notes.db", timeout=30)) as connection, connection:
        yield connection


def prepare() -> None:
    DATA.mkdir(exist_ok=True)
    with database() as connection:
        connection.executescript(TABLES)


@asynccontextmanager
async def lifespan(_app: FastAPI):
    """Begins in each worker, after the fork and before its first request."""
    await asyncio.to_thread(prepare)
    yield {"worker": os.getpid()}


app = FastAPI(title="Notes", lifespan=lifespan)


@app.get("/notes")
def read() -> list[dict[str, object]]:
    """A function that is no coroutine runs in a thread: its database holds no other request up."""
    with database() as connection:
        rows = connection.execute("SELECT id, text, number FROM note LEFT JOIN words ON note = id ORDER BY id DESC LIMIT 100")
        return [{"id": number, "text": text, "words": words} for number, text, words in rows]


@app.post("/notes", status_code=201)
def write(note: Note, after: BackgroundTasks) -> dict[str, int | None]:
    with database() as connection:
        number = connection.execute("INSERT INTO note (text) VALUES (?)", [note.text]).lastrowid
    after.add_task(count, number, note.text)
    return {"id": number}


def count(number: int, text: str) -> None:
    """Runs after the answer; a reload waits for its end."""
    with database() as connection:
        connection.execute("INSERT INTO words VALUES (?, ?)", [number, len(text.split())])


def newest() -> int:
    with database() as connection:
        return connection.execute("SELECT coalesce(max(id), 0) FROM note").fetchone()[0]


@app.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Tells the newest note's number, and again when there is another, whichever worker wrote it."""
    await socket.accept()
    telling = asyncio.create_task(tell(socket))
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        telling.cancel()


async def tell(socket: WebSocket) -> None:
    told = -1
    while True:
        number = await asyncio.to_thread(newest)
        if number != told:
            await socket.send_json({"newest": number, "worker": socket.state.worker})
            told = number
        await asyncio.sleep(PAUSE)
