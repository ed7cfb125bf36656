"""What the dispatcher needs to know of the settings, in a form that travels to its process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from prefork.lanes import Lane

BROWSER = ("/_prefork/bus", str(Path(__file__).parent.parent / "bus" / "browser"))  # the URLs and the directory of the bus's client


class Options(NamedTuple):
    """Settings of the same names, options or what follows from them; times in seconds, sizes in bytes."""

    proxy_mode: bool
    trusted_proxies: tuple[str, ...]
    http_enable: bool
    http_port: int
    websocket_workers: int
    websocket_port: int
    open_live_port: bool
    websocket_paths: tuple[str, ...]
    longpolling_paths: tuple[str, ...]
    websocket_routes: tuple[str, ...]
    bus: bool
    queue_size: int
    queue_timeout: float
    lanes: tuple[Lane, ...]
    limit_time_real_routes: tuple[tuple[str, float], ...]
    header_timeout: float
    body_timeout: float
    keepalive_timeout: float
    max_header_size: int
    max_body_size: int
    static: tuple[tuple[str, str], ...]
    addons: tuple[tuple[str, str], ...]
    static_max_age: float
    health_paths: tuple[str, ...]
    lend_connections: bool
    access_log: bool
    access_log_format: str
    access_log_exclude: tuple[str, ...]
    log_level: str

    @classmethod
    def received(cls, values: dict[str, Any]) -> Options:
        """From what `sent` made; JSON has lists only."""
        lists: dict[str, Any] = {name: tuples(value) for name, value in values.items() if isinstance(value, list)}
        lanes = tuple(Lane(name, tuple(patterns), reserved, limit) for name, patterns, reserved, limit in values["lanes"])
        return cls(**{**values, **lists, "lanes": lanes})

    def sent(self) -> dict[str, Any]:
        """As JSON's types."""
        return self._asdict()


def tuples(values: list[Any]) -> tuple[Any, ...]:
    """A list as a tuple, and pairs in it as well: compiled code takes no list for one."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)
