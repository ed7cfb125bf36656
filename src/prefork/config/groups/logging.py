"""The options of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config import kinds
from prefork.config.option import Derived, grouped, option

if TYPE_CHECKING:
    from pathlib import Path


@grouped
class Logging:
    """What is written about the server and its requests, and where."""

    logfile: Path | None = option(kinds.PATH, None, "The file to log to; not set means standard error", applies="restart")
    log_level: str = option(
        kinds.LEVEL, "info", "The least important messages to log; the names that Odoo uses are understood too", applies="restart"
    )
    log_format: str = option(kinds.FORMAT, "text", "Lines for people, or one JSON object per line", applies="restart")
    access_log: bool = option(kinds.SWITCH, True, "Whether each request is logged")
    access_log_format: str = option(
        kinds.ACCESS,
        Derived(lambda values, _: "json" if values["log_format"] == "json" else "prefork", "that of `log_format`"),
        "Our own line with waiting and processor time, the line that Odoo writes, that of Apache and nginx, or a JSON object",
        applies="restart",
    )
    access_log_exclude: tuple[str, ...] = option(
        kinds.PATTERNS, (), "Paths, such as `/web/health*`, whose requests are logged only when they fail"
    )
