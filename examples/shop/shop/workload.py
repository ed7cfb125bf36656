"""The work that tells servers apart: a tiny page, a long computation, a long wait, a failure and a crash.

Everything here is read-only, so a server may safely ask once more when a worker dies with it.
"""

from __future__ import annotations

import csv
import io
import math
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, current_app, jsonify, request

from . import report
from .catalogue import PRODUCTS

if TYPE_CHECKING:
    from .served import Worker

blueprint = Blueprint("workload", __name__)
LONGEST_WAIT = 60.0  # seconds


def worker() -> Worker:
    found: Worker = current_app.extensions["worker"]
    return found


@blueprint.get("/fast")
def fast() -> str:
    return f"<!doctype html><title>Fast</title><p>Served by worker {worker().pid}.\n"


@blueprint.get("/who")
def who() -> Any:
    return jsonify(worker().describe())


@blueprint.get("/report.pdf")
def sales_report() -> Response:
    """Print the sales ledger, ?pages=100: seconds of pure Python on one core."""
    text = request.args.get("pages", str(report.PAGES))
    if not (text.isascii() and text.isdigit() and len(text) < 5 and report.FEWEST <= int(text) <= report.MOST):
        abort(400, f"pages is a whole number from {report.FEWEST} to {report.MOST}.")
    started = time.perf_counter()
    printed = report.render(int(text), printed_by=f"worker {worker().pid}")
    answer = Response(printed, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = 'inline; filename="sales-ledger.pdf"'
    answer.headers["Server-Timing"] = f"report;dur={(time.perf_counter() - started) * 1000:.0f}"
    return answer


@blueprint.get("/export")
def export() -> Response:
    """Wait for a slow partner, ?seconds=3, then send the stock as CSV."""
    time.sleep(_seconds(request.args.get("seconds", "3")))
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(["product", "name", "price", "length_mm"])
    writer.writerows([p.slug, p.name, f"{p.price / 100:.2f}", p.length] for p in PRODUCTS)
    answer = Response(sheet.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = 'attachment; filename="products.csv"'
    return answer


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        abort(400, f"seconds is a number from 0 to {LONGEST_WAIT:.0f}.")
    return seconds


@blueprint.get("/boom")
def boom() -> Response:
    raise RuntimeError("boom: an exception that nobody caught, to see what the server makes of it")


@blueprint.get("/crash")
def crash() -> Response:
    """Kill this worker in the middle of the request, unless the server is already asking a second time."""
    if worker().attempt > 1:
        return Response("served on the second attempt\n", mimetype="text/plain")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process cannot outlive its SIGKILL")
