"""Lines of the log: what is in them, who can read them, and that no client can forge them."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime
from typing import Any

import pytest

from prefork.events import Access, BootFailed, Event, LinesDropped, RequestRefused, WorkerExited, WorkerReady
from prefork.lines import ESCAPED, Lines, Stamp, escaped

READY = WorkerReady("http.1", 42, 1, 0.5)
ACCESS = Access(
    client="127.0.0.1",
    method="GET",
    target="/a?b",
    protocol="HTTP/1.1",
    status=200,
    bytes=1234,
    wait=0.0011,
    service=0.25,
    cpu=0.0049,
    worker="http.1",
    request_id="k7mqtw-12",
    referer="https://shop.example/",
    user_agent="curl/8.5.0",
)
ODD = ["/a\r\n2026 forged", "/\x1b[2J", "/\x85next", '/" 200 5 wait=0', "/\0", "/\\", "/\xff\xfe", "\x7f"]
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def with_(**said: Any) -> Access:
    """ACCESS, and what is said otherwise."""
    return Access(**{**ACCESS.values(), **said})


def line(event: Event, *, as_json: bool = False, access: str = "prefork", journald: bool = False) -> str:
    text = Lines(as_json=as_json, logger="prefork.master", access=access, journald=journald).of(event, time.time()).decode()
    assert text.endswith("\n")
    return text[:-1]


def test_text() -> None:
    sentence = r"Worker http\.1 \(pid 42\) of generation 1 is ready after 0\.5 s"
    assert re.fullmatch(rf"{STAMP} {os.getpid()} INFO prefork\.master: {sentence}", line(READY))


def test_json() -> None:
    before = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - the log's time is local
    said = json.loads(line(RequestRefused("::1", 400, "k7mqtw-1", 'a "reason"\n'), as_json=True))
    assert before <= datetime.fromisoformat(said.pop("time")) <= datetime.now()  # noqa: DTZ005
    assert said == {
        "process": os.getpid(),
        "level": "info",
        "event": "request_refused",
        "client": "::1",
        "status": 400,
        "request_id": "k7mqtw-1",
        "reason": 'a "reason"\n',
        "message": 'Refused a request (k7mqtw-1) from ::1 with 400: a "reason"\n',
    }


def test_who_wrote_a_line_and_whom_it_is_about_are_told_apart() -> None:
    said = json.loads(line(READY, as_json=True))
    assert (said["process"], said["pid"]) == (os.getpid(), 42)


def test_a_time_is_made_once_a_second() -> None:
    asked = []

    def clock(second: float) -> time.struct_time:
        asked.append(second)
        return time.gmtime(second)

    stamp = Stamp("%S", clock)
    assert [stamp.at(second) for second in (61, 61, 62)] == ["01", "01", "02"]
    assert asked == [61, 62]


def test_control_characters_in_sentences_are_escaped_but_tracebacks_have_lines() -> None:
    said = line(BootFailed("http.1", 42, 1, "\x1b[2J", "Traceback:\n\tboom\x07"))
    assert said.endswith("could not get ready: \\x1b[2J\nTraceback:\n\tboom\\x07")


# journald.


@pytest.mark.parametrize(
    ("event", "priority"),
    [(WorkerExited("http.1", 42), 7), (READY, 6), (LinesDropped(3), 3)],
    ids=["debug", "info", "error"],
)
def test_journald_is_told_the_priority_and_nothing_that_it_knows(event: Event, priority: int) -> None:
    assert line(event, journald=True) == f"<{priority}>prefork.master: {event.sentence()}"
    assert json.loads(line(event, as_json=True, journald=True).removeprefix(f"<{priority}>"))["message"] == event.sentence()


def test_journald_gets_the_priority_with_each_line_of_a_traceback() -> None:
    said = line(BootFailed("http.1", 42, 1, "boom", "Traceback:\n  one\n  two"), journald=True).split("\n")
    assert [text[:3] for text in said] == ["<3>"] * 4
    assert said[1:] == ["<3>Traceback:", "<3>  one", "<3>  two"]


@pytest.mark.parametrize("access", ["prefork", "odoo", "combined", "json"])
def test_journald_strips_what_stands_before_an_access_line(access: str) -> None:
    said = line(ACCESS, access=access, journald=True)
    assert said.startswith("<6>")
    assert said.count("<6>") == 1
    if access == "prefork":
        assert said.startswith('<6>prefork.access: 127.0.0.1 "GET')


# Access lines.


def test_prefork() -> None:
    expected = 'prefork.access: 127.0.0.1 "GET /a?b" 200 1234 wait=1.1ms service=250.0ms cpu=4.9ms http.1 k7mqtw-12'
    assert re.fullmatch(rf"{STAMP} {os.getpid()} INFO {re.escape(expected)}", line(ACCESS))


@pytest.mark.parametrize("as_json", [False, True])
def test_an_access_line_in_json_is_like_every_other_event(as_json: bool) -> None:
    said = json.loads(line(ACCESS, as_json=as_json, access="json"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", said.pop("time"))
    assert said.pop("message").startswith('127.0.0.1 "GET /a?b" 200 1234')
    assert said == {"process": os.getpid(), "level": "info", "event": "access", **ACCESS.values()}
    other = json.loads(line(READY, as_json=True))
    assert list(said)[:3] == [name for name in other if name != "time"][:3]


def test_combined_is_what_apache_and_nginx_write() -> None:
    """With the expression that GoAccess, AWStats and fail2ban's filters are built around."""
    expected = (
        r"(?P<client>\S+) - - \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
        r'"(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
    )
    found = re.fullmatch(expected, line(ACCESS, access="combined"))
    assert found
    assert found["request"] == "GET /a?b HTTP/1.1"
    assert (found["client"], found["status"], found["bytes"]) == ("127.0.0.1", "200", "1234")
    assert (found["referer"], found["agent"]) == ("https://shop.example/", "curl/8.5.0")
    at = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert 0 <= time.time() - at.timestamp() < 60


def test_what_is_not_known_is_a_dash_in_combined() -> None:
    assert line(with_(referer="", user_agent="", client=""), access="combined").endswith('"-" "-"')
    assert line(with_(client=""), access="combined").startswith("- - - [")


# An access line of Odoo 18 as its documentation and forums show it.
ODOO = '2026-11-21 05:32:04,292 15843 INFO ? werkzeug: 127.0.0.1 - - [21/Nov/2026 05:32:04] "GET /web HTTP/1.1" 200 - 0 0.000 0.250'
ODOO_LINE = (
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} (?P<pid>\d+) INFO (?P<database>\S+) werkzeug: (?P<client>\S+) - - "
    r'\[\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.[01]" (?P<status>\d{3}) - '
    r"(?P<perf>\d+ \d+\.\d{3} \d+\.\d{3}|- - -)"
)


def test_odoo_is_what_odoo_writes() -> None:
    assert re.fullmatch(ODOO_LINE, ODOO)
    found = re.fullmatch(ODOO_LINE, line(ACCESS, access="odoo"))
    assert found
    assert (found["database"], found["client"], found["method"], found["path"]) == ("?", "127.0.0.1", "GET", "/a?b")
    assert (found["status"], found["perf"]) == ("200", "0 0.000 0.250")
    at = datetime.fromisoformat(found["time"] + "+00:00")  # whatever the machine's zone is: Odoo writes UTC
    assert 0 <= time.time() - at.timestamp() < 60


def test_odoo_does_not_know_what_the_dispatcher_answers() -> None:
    found = re.fullmatch(ODOO_LINE, line(with_(worker="-"), access="odoo"))
    assert found
    assert found["perf"] == "- - -"


@pytest.mark.parametrize("odd", [*ODD, "/\u202eevil"], ids=ascii)
@pytest.mark.parametrize("access", ["prefork", "json"])
def test_a_target_forges_nothing(odd: str, access: str) -> None:
    said = line(with_(target=odd), access=access)
    assert said.isprintable()
    if access == "json":
        assert json.loads(said)["target"] == odd
    else:
        assert said.count('"') == 2
        assert re.search(r'" 200 1234 wait=1\.1ms service=250\.0ms cpu=4\.9ms http\.1 k7mqtw-12$', said)


def test_a_trace_stands_behind_the_id_of_the_request() -> None:
    traced = with_(trace="4bf92f3577b34da6a3ce929d0e0e4736", tag="shop order")
    assert line(traced).endswith(" k7mqtw-12 trace=4bf92f3577b34da6a3ce929d0e0e4736 [shop order]")
    assert json.loads(line(traced, access="json"))["trace"] == traced.trace


@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("field", ["target", "referer", "user_agent"])
@pytest.mark.parametrize("access", ["odoo", "combined"])
def test_no_text_of_a_client_forges_a_field(odd: str, field: str, access: str) -> None:
    plain, said = line(ACCESS, access=access), line(with_(**{field: odd}), access=access)
    assert said.isascii()
    assert said.isprintable()
    assert said.count('"') == plain.count('"')
    assert said.count("\\") == len(re.findall(r"\\x[0-9A-F]{2}", said)), "every backslash is one of ours"


def test_bytes_are_escaped_as_nginx_does() -> None:
    assert escaped('a "b"\\\n\xc3\xa9') == r"a \x22b\x22\x5C\x0A\xC3\xA9"
    assert escaped("/plain?a=b%20c") == "/plain?a=b%20c"
    assert set(map(chr, ESCAPED)) | set(map(chr, range(32, 127))) == set(map(chr, range(256)))
