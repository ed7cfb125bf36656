"""Reading a log: events, other lines, waiting."""

import json
import os
import time

import pytest

from prefork.testing import Log


@pytest.fixture
def written():
    """A log and the descriptor that writes to it."""
    reader, writer = os.pipe()
    log = Log()
    thread = log.follow(os.fdopen(reader, "rb"))
    yield log, writer
    os.close(writer)
    thread.join(5)
    assert log.ended


def event(name: str, **fields: object) -> bytes:
    return json.dumps({"event": name, **fields}).encode() + b"\n"


def test_events_are_told_from_what_the_application_prints(written):
    log, writer = written
    os.write(writer, b'plain\n{"event": broken\n{"no": "event"}\n[1]\n\xff\n' + event("ready", worker="http.1"))
    assert log.wait_for("ready")["worker"] == "http.1"
    assert log.output == ["plain", '{"event": broken', '{"no": "event"}', "[1]", "\\xff"]
    assert log.text().splitlines()[0] == "plain"


def test_waiting_wakes_for_the_event_with_the_fields_after_the_mark(written):
    log, writer = written
    os.write(writer, event("ready", worker="http.1", generation=1))
    log.wait_for("ready")
    mark = log.mark()
    os.write(writer, event("ready", worker="http.2", generation=1) + event("ready", worker="http.1", generation=2))
    assert log.wait_for("ready", after=mark, worker="http.1")["generation"] == 2
    assert [found["worker"] for found in log.events("ready", after=mark)] == ["http.2", "http.1"]
    assert len(log.events()) == 3


def test_an_event_that_does_not_come_fails_with_the_whole_log(written):
    log, writer = written
    os.write(writer, event("starting", message="Prefork starts", traceback="Traceback: x"))
    log.wait_for("starting")
    with pytest.raises(
        AssertionError, match=r"(?s)no event ready worker='http.1' since mark 0, and 0.05 s.*Prefork starts\nTraceback: x"
    ):
        log.wait_for("ready", timeout=0.05, worker="http.1")


def test_successful_requests_in_a_row_are_folded_and_failed_ones_shown(written):
    log, writer = written
    for number, status in enumerate([200] * 9 + [502] + [200] * 2):
        os.write(writer, event("access", status=status, message=f"request {number}"))
    log.wait_for("access", status=502)
    os.write(writer, event("stopped"))
    log.wait_for("stopped")
    shown = [line.split("request ")[-1] for line in log.text().splitlines()]
    assert shown == ["… 6 successful requests …", "6", "7", "8", "9", "10", "11", "  stopped: "]
    assert len(log.events("access")) == 12


def test_waiting_ends_at_once_when_the_log_has_ended():
    reader, writer = os.pipe()
    log = Log()
    log.follow(os.fdopen(reader, "rb"))
    os.close(writer)
    begun = time.monotonic()
    with pytest.raises(AssertionError, match="the log has ended"):
        log.wait_for("ready", timeout=20)
    assert time.monotonic() - begun < 10
