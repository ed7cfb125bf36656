"""A server's log, read line by line while it runs: JSON lines are events, the rest is what the application itself printed.

Waiting blocks on a condition variable and ends with the log when the event does not come. Never drops a line.
"""

import json
import threading
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
from typing import IO, Any

Event = dict[str, Any]
ROUTINE_LINES = 3


class Log:
    """The lines of one server. Positions (marks) count events from the start."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: list[tuple[bool, str]] = []
        self._events: list[Event] = []
        self._positions: dict[str, list[int]] = {}
        self._output: list[str] = []
        self._followed = self._finished = 0  # streams: a server that is started again has another one

    def follow(self, stream: IO[bytes]) -> threading.Thread:
        """Read `stream` to its end in a thread of its own, which is returned running. The stream is closed at its end."""
        with self._changed:
            self._followed += 1
        thread = threading.Thread(target=self._read, args=(stream,), name="log", daemon=True)
        thread.start()
        return thread

    def mark(self) -> int:
        """The position behind the last event so far."""
        with self._changed:
            return len(self._events)

    def events(self, name: str | None = None, after: int = 0, **fields: object) -> list[Event]:
        """The events since the mark `after` with this name (all when None) and these values."""
        with self._changed:
            if name is None:
                found = self._events[after:]
            else:
                # By name, because every access line wakes those who wait for something else.
                positions = self._positions.get(name, [])
                found = [self._events[position] for position in positions[bisect_left(positions, after) :]]
            return [event for event in found if _matches(event, fields)]

    def wait_for(self, name: str, timeout: float = 30.0, after: int = 0, **fields: object) -> Event:
        """The first event since the mark `after` with this name and these values; waits `timeout` seconds for it.

        Raises AssertionError with the log when it does not come, at once when the log has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.ended or self.events(name, after, **fields), timeout)
            found = self.events(name, after, **fields)
            if found:
                return found[0]
            wanted = " ".join([name, *(f"{key}={value!r}" for key, value in fields.items())])
            why = "the log has ended" if self.ended else f"{timeout} s have passed"
            raise AssertionError(f"no event {wanted} since mark {after}, and {why}; the log:\n{self.text()}")

    @property
    def ended(self) -> bool:
        """Whether every process that could write to the log has ended."""
        return self._finished == self._followed > 0

    @property
    def output(self) -> list[str]:
        """The lines that are no events: what the application's own processes printed."""
        with self._changed:
            return list(self._output)

    def text(self) -> str:
        """The log to read: events as `time level event: sentence`, everything else as it came.

        Of successful requests in a row only the last are shown, and how many came before them.
        """
        shown: list[str] = []
        with self._changed:
            for routine, lines in groupby(self._lines, key=lambda line: line[0]):
                texts = [text for _, text in lines]
                if routine and len(texts) > ROUTINE_LINES:
                    shown.append(f"… {len(texts) - ROUTINE_LINES} successful requests …")
                    texts = texts[-ROUTINE_LINES:]
                shown += texts
        return "\n".join(shown)

    def _read(self, stream: IO[bytes]) -> None:
        with stream, suppress(OSError):  # so a terminal says that nobody has it open any more
            self._add_all(stream)
        with self._changed:
            self._finished += 1
            self._changed.notify_all()

    def _add_all(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="backslashreplace").rstrip("\n")
            event = _parse(text)
            with self._changed:
                if event is None:
                    self._output.append(text)
                else:
                    self._positions.setdefault(event["event"], []).append(len(self._events))
                    self._events.append(event)
                self._lines.append((_is_routine(event), text if event is None else _worded(event)))
                self._changed.notify_all()


def _parse(line: str) -> Event | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _matches(event: Event, fields: dict[str, object]) -> bool:
    return all(key in event and event[key] == value for key, value in fields.items())


def _is_routine(event: Event | None) -> bool:
    return event is not None and event["event"] == "access" and event.get("status", 0) < 400


def _worded(event: Event) -> str:
    head = f"{event.get('time', '')} {event.get('level', '')} {event['event']}: {event.get('message', '')}"
    return f"{head}\n{event['traceback']}" if event.get("traceback") else head
