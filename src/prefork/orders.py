"""The master's first message to a process that it has started: with it the process knows what it is for, and whose it is.

Everything that is exec'd begins so, also inside the application's interpreter.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from prefork.channel import Channel
from prefork.kernel import FILES, die_with, open_up_to


def bond() -> dict[str, Any]:
    """What each of them is told of its master: who that is, and how many files it could open before it took leave to open more."""
    return {"master": os.getpid(), "open_files": FILES}


def take_orders(descriptor: int) -> tuple[Channel, dict[str, Any], list[int]]:
    """The channel behind an inherited descriptor, the orders and the descriptors that came with them.

    From now on the process dies with its master; where that has gone already it leaves at once. It may open as many files as
    programs are used to: with more, those that close every number, whether it is open or not, take minutes.
    """
    channel = Channel(socket.socket(fileno=descriptor))
    orders, descriptors = channel.receive()
    if orders is None:
        sys.exit()
    die_with(orders["master"])
    open_up_to(orders["open_files"])
    return channel, orders, descriptors
