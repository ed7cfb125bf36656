"""Events as lines of the log: for people, as JSON, for journald; and access lines in the formats that other programs read.

Access lines are as many as requests, so each of their formats is written out: nothing generic happens there. What a client has
sent forges neither a line nor a field of one. No descriptors here.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from prefork.events import Access, Event

if TYPE_CHECKING:
    from collections.abc import Callable

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog's numbers, as in sd-daemon(3)
# What nginx escapes, in its form. Text of a client is latin-1: a character is a byte.
ESCAPED = {byte: f"\\x{byte:02X}" for byte in range(256) if not 32 <= byte < 127 or chr(byte) in '"\\'}
quoted: Callable[[str], str] = json.JSONEncoder().encode


class Stamp:
    """The time as text, made once a second."""

    def __init__(self, pattern: str, clock: Callable[[float], time.struct_time] = time.localtime) -> None:
        self.pattern = pattern
        self.clock = clock
        self.second = 0
        self.text = ""

    def at(self, second: int) -> str:
        """A second since the epoch in words."""
        if second != self.second:
            self.second = second
            self.text = time.strftime(self.pattern, self.clock(second))
        return self.text


class Lines:
    """Makes lines of events.

    `logger` names the writer, `access` the format of access lines (prefork, odoo, combined, json). `journald`: each line begins
    with its priority and text has neither time nor pid, for journald knows them.
    """

    def __init__(self, *, as_json: bool, logger: str, access: str = "prefork", journald: bool = False) -> None:
        self.plain = self._json if as_json else self._text
        formats = {"prefork": self._access, "odoo": self._odoo, "combined": self._combined, "json": self._access_json}
        self.access = formats[access]
        self.own = access == "prefork"  # access lines are those of `told`
        self.logger = logger
        self.journald = journald
        self.opened_at, self.opened = 0, ""  # when a line of an answer began last (milliseconds), and how
        self.pid = os.getpid()
        self.stamp = Stamp("%Y-%m-%d %H:%M:%S")
        self.combined_stamp = Stamp("%d/%b/%Y:%H:%M:%S %z")
        self.odoo_stamp = Stamp("%Y-%m-%d %H:%M:%S", time.gmtime)
        self.werkzeug_stamp = Stamp("%d/%b/%Y %H:%M:%S", time.gmtime)

    def of(self, event: Event, now: float) -> bytes:
        """An event of then (seconds since 1970) as one line, or several where a traceback follows; with the last line's end."""
        text = self.access(event, now) if type(event) is Access else self.plain(event, now)
        if self.journald:
            priority = f"<{PRIORITIES[event.level]}>"
            text = priority + text.replace("\n", f"\n{priority}")
        return text.encode() + b"\n"

    def opening(self, at: float | None = None) -> str:
        """How a line with the words of `told` begins now, or then (seconds since 1970), where access lines are our own."""
        moment = int((time.time() if at is None else at) * 1000)
        if moment != self.opened_at:  # one of many answers in the same millisecond has said it
            head = self._head(moment / 1000, "INFO", "prefork.access")
            self.opened_at, self.opened = moment, f"<{PRIORITIES['info']}>{head}" if self.journald else head
        return self.opened

    def answered(self, words: str, at: float | None = None) -> bytes:
        """The words of `told` as one line, of now or then, where access lines are our own."""
        return f"{self.opening(at)}{words}\n".encode()

    def _head(self, now: float, level: str, logger: str) -> str:
        """What stands before the words."""
        if self.journald:
            return f"{logger}: "
        return f"{self.stamp.at(int(now))},{int(now * 1000) % 1000:03d} {self.pid} {level} {logger}: "

    def _text(self, event: Event, now: float) -> str:
        # Control characters in client-made text (a target, a header) must not forge lines or drive a terminal.
        words = event.sentence()
        if not words.isprintable():
            words = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in words)
        return self._head(now, event.level.upper(), self.logger) + words

    def _json(self, event: Event, now: float) -> str:
        return json.dumps(
            {
                "time": self._time(now),
                "process": self.pid,
                "level": event.level,
                "event": event.name(),
                **event.values(),
                "message": event.sentence(),
            }
        )

    def _time(self, now: float) -> str:
        return f"{self.stamp.at(int(now)).replace(' ', 'T')}.{int(now * 1000) % 1000:03d}"

    def _access(self, event: Access, now: float) -> str:
        return self._head(now, "INFO", "prefork.access") + words_of(event)

    def _access_json(self, event: Access, now: float) -> str:
        return (
            f'{{"time": "{self._time(now)}", "process": {self.pid}, "level": "info", "event": "access", '
            f'"client": {quoted(event.client)}, "method": {quoted(event.method)}, "target": {quoted(event.target)}, '
            f'"protocol": "{event.protocol}", "status": {event.status}, "bytes": {event.bytes}, "wait": {event.wait:.6f}, '
            f'"service": {event.service:.6f}, "cpu": {event.cpu:.6f}, "worker": "{event.worker}", '
            f'"queries": {event.queries}, "sql": {event.sql:.6f}, "tag": {quoted(event.tag)}, "trace": "{event.trace}", '
            f'"request_id": {quoted(event.request_id)}, "referer": {quoted(event.referer)}, '
            f'"user_agent": {quoted(event.user_agent)}, "message": {quoted(words_of(event))}}}'
        )

    def _combined(self, event: Access, now: float) -> str:
        return (
            f"{event.client or '-'} - - [{self.combined_stamp.at(int(now))}] "
            f'"{event.method} {escaped(event.target)} {event.protocol}" {event.status} {event.bytes} '
            f'"{escaped(event.referer) or "-"}" "{escaped(event.user_agent) or "-"}"'
        )

    def _odoo(self, event: Access, now: float) -> str:
        second = int(now)
        # Odoo's columns are the number of queries, their time and the rest of the time; three dashes where it knows none of them.
        rest = max(0.0, event.service - event.sql)
        perf = "- - -" if event.worker == "-" else f"{event.queries} {event.sql:.3f} {rest:.3f}"
        # The first word of what Odoo's host says of a request is its database.
        database = event.tag.partition(" ")[0] or "?"
        return (
            f"{self.odoo_stamp.at(second)},{int(now * 1000) % 1000:03d} {self.pid} INFO {database} werkzeug: "
            f"{event.client or '-'} - - [{self.werkzeug_stamp.at(second)}] "
            f'"{event.method} {escaped(event.target)} {event.protocol}" {event.status} - {perf}'
        )


def words_of(event: Access) -> str:
    """An access line of our own."""
    return told(
        asking(event.client, event.method, event.target),
        event.status, event.bytes, event.wait, event.service, event.cpu, event.worker, event.request_id,
        more(event.queries, event.sql, event.trace, event.tag),
    )  # fmt: skip


# Not as an f-string, which compiled code puts together from a call for each of its numbers.
TOLD = "%s %d %d wait=%.1fms service=%.1fms cpu=%.1fms %s %s%s"


def told(
    asking: str, status: int, size: int, wait: float, service: float, cpu: float, worker: str, request_id: str, more: str
) -> str:
    """The words of an access line of our own, times in milliseconds."""
    return TOLD % (asking, status, size, wait * 1e3, service * 1e3, cpu * 1e3, worker, request_id, more)


def asking(client: str, method: str, target: str) -> str:
    """How such a line begins."""
    target = printable(target)
    if '"' in target:
        target = target.replace('"', "\\x22")  # the quotes around the request are ours
    return f'{client} "{method} {target}"'


def more(queries: int, sql: float, trace: str, tag: str) -> str:
    """How it ends: what a host has counted, its client traces and the application has said of it, where there is anything."""
    told = f" sql={queries}/{sql * 1e3:.1f}ms" if queries else ""
    if trace:
        told += f" trace={trace}"
    return f"{told} [{printable(tag)}]" if tag else told


def printable(text: str) -> str:
    """Text that forges no line."""
    return text if text.isprintable() else ascii(text)[1:-1]


def escaped(text: str) -> str:
    """A client's text between quotes: quotes, backslashes and all that is not printable ASCII as `\\xHH`."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(ESCAPED)
