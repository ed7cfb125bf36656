"""Where another server listens, as our options have it: interfaces, one port, unix sockets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prefork.config.addresses import port


@dataclass(frozen=True)
class Address:
    """One place to listen: a host with a port, or a unix socket's path."""

    host: str = ""
    port: int | None = None
    path: str = ""


def address(text: str) -> Address:
    """Read `host:port`, `:port`, `*:port`, `[::1]:port`, `port`, `unix:path` or a path. Raises ValueError with a sentence."""
    if text.startswith("unix:"):
        return Address(path=text.removeprefix("unix:").removeprefix("//"))
    if text.startswith(("/", "./", "../")) or text.endswith((".sock", ".socket")):
        return Address(path=text)
    host, colon, end = text.rpartition(":")
    number = port(end)
    if not colon and not re.fullmatch(r"\d+", end, re.ASCII):
        host, number = text, 8000
    if number is None:
        raise ValueError(f'"{text}" is not an address with a port')
    host = host.strip("[]")
    return Address("" if host == "*" else host, number)


def listening(addresses: list[Address]) -> tuple[dict[str, str], str]:
    """Our options for them, and a sentence about those that have no place ("" where all have)."""
    ports = list(dict.fromkeys(each.port for each in addresses if each.port))
    taken = [each for each in addresses if each.path or each.port == ports[0]]
    interfaces = [f"unix:{each.path}" if each.path else each.host or "0.0.0.0" for each in taken]  # noqa: S104 - as the file has it
    options = {"http_interface": ", ".join(dict.fromkeys(interfaces))}
    if ports:
        options["http_port"] = str(ports[0])
    others = ", ".join(str(port) for port in ports[1:])
    return options, f"all addresses have one port here, {ports[0]}; let a proxy listen on {others}" if others else ""
