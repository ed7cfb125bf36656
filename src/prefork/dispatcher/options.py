"""What the dispatcher needs to know of the settings, in a form that travels to its process."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork.config.lanes import Lane
from prefork.config.tree import statics

if TYPE_CHECKING:
    from prefork.config import Settings

BROWSER = ("/_prefork/bus", str(Path(__file__).parent.parent / "bus" / "browser"))  # the URLs and the directory of the bus's client


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the same names; times in seconds, sizes in bytes."""

    proxy_mode: bool
    trusted_proxies: tuple[str, ...]
    http_enable: bool
    http_port: int
    websocket_workers: int
    websocket_port: int
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
    def of(cls, settings: Settings) -> Options:
        """The dispatcher's part of `settings`, and the static files of Odoo's add-ons, which are looked for now."""
        own = {field.name: getattr(settings, field.name) for field in fields(cls) if field.name != "addons"}
        if settings.bus:
            own["static"] = (BROWSER, *settings.static)
        return cls(**own, addons=statics(settings))

    @classmethod
    def received(cls, values: dict[str, Any]) -> Options:
        """From what `sent` made; JSON has lists only."""
        lists: dict[str, Any] = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        lanes = tuple(Lane(name, tuple(patterns), reserved, limit) for name, patterns, reserved, limit in values["lanes"])
        return cls(**{**values, **lists, "lanes": lanes})

    def sent(self) -> dict[str, Any]:
        """As JSON's types."""
        return asdict(self)
