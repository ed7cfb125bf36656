"""The master's first message to a process that it has started: with it the process knows what it is for, and whose it is.

Everything that is exec'd begins so, also inside the application's interpreter.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from prefork.kernel import die_with
from prefork.messages import Channel


def take_orders(descriptor: int) -> tuple[Channel, dict[str, Any], list[int]]:
    """The channel behind an inherited descriptor, the orders and the descriptors that came with them.

    From now on the process dies with its master; where that has gone already it leaves at once.
    """
    channel = Channel(socket.socket(fileno=descriptor))
    orders, descriptors = channel.receive()
    if orders is None:
        sys.exit()
    die_with(orders["master"])
    return channel, orders, descriptors
