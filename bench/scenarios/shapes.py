"""Requests and answers of other shapes than hello world: a browser's headers, JSON, pages, files, uploads, a page of Django."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from drive import run_client
from figures import Column
from scenarios.hello import SECONDS, press

if TYPE_CHECKING:
    from lab import Lab
    from servers import Server

NAME = "shapes"
ROUNDS = 2
TITLE = "Other shapes"
METHOD = (
    "As above, over 16 kept-alive connections: a request with the thirteen headers of a browser; answers of 2 KiB of JSON, of "
    "64 KiB and of 10 MiB from memory; an upload of 1 MiB that the application reads to its end; a page of Django, a list of 50 "
    "rows from a template, with the middleware of `startproject` and no database (uvicorn has Django's ASGI application)."
)
BENCH = Path(__file__).parents[1]


class Shape(NamedTuple):
    """A load: its words, what it asks for, what wrk sends besides, and which application answers."""

    words: str
    path: str = "/"
    script: Path | None = None
    module: str = "hello"


SHAPES = {
    "browser": Shape("a browser's request", script=BENCH / "browser.lua"),
    "json": Shape("2 KiB of JSON", "/json"),
    "page": Shape("64 KiB", "/page"),
    "large": Shape("10 MiB", "/download"),
    "upload": Shape("1 MiB up", "/upload", BENCH / "put.lua"),
    "django": Shape("a page of Django", module="orders"),
}
COLUMNS = (
    *(
        column
        for key, shape in SHAPES.items()
        for column in (
            Column(f"rate_{key}", f"{shape.words}, requests/s", ratio=True),
            Column(f"cpu_{key}", "CPU µs each", ratio=True),
        )
    ),
    Column("errors", "errors, total", summary="total"),
)


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Every shape in turn, on one start of the server for each application."""
    figures = {"errors": 0.0}
    for module in dict.fromkeys(shape.module for shape in SHAPES.values()):
        with lab.serve(server, module) as served:
            run_client("count", served.port, "/", "--requests", "400")
            for key, shape in SHAPES.items():
                if shape.module == module:
                    rate, cpu, errors = press(served, 16, SECONDS, path=shape.path, script=shape.script)
                    figures |= {f"rate_{key}": rate, f"cpu_{key}": cpu, "errors": figures["errors"] + errors}
    return figures
