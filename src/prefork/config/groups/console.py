"""The options of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config import kinds
from prefork.config.option import grouped, option

if TYPE_CHECKING:
    from pathlib import Path


@grouped
class Console:
    """Where the console listens, who may reach it, and what commands bring along that ask one elsewhere."""

    console: bool = option(
        kinds.SWITCH, True, "Whether the console runs: its pages, its REST API and `/metrics`", applies="restart"
    )
    console_interface: str = option(kinds.WORD, "127.0.0.1", "The address that the console listens on", applies="restart")
    console_port: int = option(kinds.PORT, 8071, "The port of the console", applies="restart", minimum=1, maximum=65535)
    console_certificate: Path | None = option(
        kinds.PATH, None, "A certificate and those above it, in PEM; with it the console speaks TLS", applies="restart"
    )
    console_key: Path | None = option(
        kinds.PATH, None, "The key of `console_certificate`; not set means that it is in the same file", applies="restart"
    )
    console_proxies: tuple[str, ...] = option(
        kinds.NETWORKS,
        (),
        "The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` the console believes; they bring TLS",
        applies="restart",
    )
    console_insecure: bool = option(
        kinds.SWITCH,
        False,
        "Whether the console may listen on other addresses than loopback without TLS or a proxy: passwords can be read on the way",
        applies="restart",
    )
    console_token: str | None = option(
        kinds.SECRET, None, "What commands with `--console` come with: a token that the console there has made", secret=True
    )
    console_token_file: Path | None = option(
        kinds.PATH, None, "The file with that token; it counts before `console_token`, and `--token-file` before both"
    )
