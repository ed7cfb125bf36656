"""The lab's one bridge, in a namespace of its own, and the cable from it to each node. Cuts are made in the bridge.

An address of the lab is never known to the machine itself, so it may be one that the machine's own network has. Runs iproute2's and
nftables' programs in the namespaces of a process.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BRIDGE = "lab0"
NEWNET = 0x40000000  # CLONE_NEWNET
TABLE = "lab"
OPEN = f"""
table bridge {TABLE} {{
    set cut {{ type ifname . ifname; }}
    chain forward {{
        type filter hook forward priority 0;
        meta iifname . meta oifname @cut drop
    }}
}}
"""


class Unconnected(Exception):
    """The machine does not allow it; the sentence says what."""


def lay(hub: int, address: str, prefix: int) -> None:
    """Make the bridge in the namespace of the process `hub`, where clients have this address."""
    batch(hub, [f"link add {BRIDGE} type bridge forward_delay 0", f"addr add {address}/{prefix} dev {BRIDGE}"])
    batch(hub, ["link set lo up", f"link set {BRIDGE} up"])


def connect(hub: int, number: int, node: int, address: str, prefix: int) -> None:
    """A cable from the bridge to the process of a node, which knows its end as eth0."""
    port = cable(number)
    # That of a node which has just died may still be there.
    subprocess.run([*inside(hub, "--net"), "ip", "link", "delete", port], capture_output=True, check=False)
    # A machine that comes back has the network card that its neighbours know.
    card = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    batch(hub, [f"link add {port} type veth peer name eth0 address {card} netns {node}", f"link set {port} master {BRIDGE} up"])
    batch(node, ["link set lo up", f"addr add {address}/{prefix} dev eth0", "link set eth0 up"])


def cable(number: int) -> str:
    """The bridge's end of the cable to a node, which may have a longer name than an interface."""
    return f"node{number}"


def can_cut(hub: int) -> bool:
    """Whether the kernel filters what crosses the bridge; the filter is there afterwards."""
    if (filtered(hub, "list", "table", "bridge", TABLE)).returncode == 0:
        return True
    return filtered(hub, "-f", "-", text=OPEN).returncode == 0


def cut(hub: int, one: int, other: int) -> None:
    """Let nothing pass between two nodes, by their numbers. Raises Unconnected."""
    element = f"{{ {cable(one)} . {cable(other)}, {cable(other)} . {cable(one)} }}"
    made = filtered(hub, "add", "element", "bridge", TABLE, "cut", element)
    if made.returncode:
        raise Unconnected(f"the link cannot be cut: {made.stderr.strip() or 'nft says nothing'}")


def heal(hub: int) -> None:
    """Let everything pass again."""
    filtered(hub, "flush", "set", "bridge", TABLE, "cut")


def filtered(hub: int, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run nft on the bridge."""
    return subprocess.run([*inside(hub, "--net"), "nft", *arguments], input=text, capture_output=True, text=True, check=False)


def batch(pid: int, commands: Iterable[str]) -> None:
    """Run commands of `ip` in the network of a process. Raises Unconnected."""
    text = "".join(f"{each}\n" for each in commands)
    made = subprocess.run([*inside(pid, "--net"), "ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Unconnected(f"the network cannot be made: {made.stderr.strip()}")


def inside(pid: int, *namespaces: str) -> list[str]:
    """The beginning of a command that runs in the namespaces of a process."""
    return ["nsenter", f"--target={pid}", *namespaces, "--"]


def join(hub: int) -> None:
    """Have this process, and all that it starts, be a client of the lab. There is no way back. Raises Unconnected."""
    try:
        descriptor = os.open(f"/proc/{hub}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise Unconnected("the lab's network cannot be entered by this account; become root") from None
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, NEWNET):
            raise Unconnected(f"the lab's network cannot be entered: {os.strerror(ctypes.get_errno()).lower()}; become root")
    finally:
        os.close(descriptor)
