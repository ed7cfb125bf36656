"""Where the console's process begins as a master's child: one inherited descriptor, whose first message says the rest."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.console.serving import Manner, opened, run
from prefork.instances.database import Unusable
from prefork.journal import Journal, Sink
from prefork.kernel import set_title
from prefork.orders import take_orders

if TYPE_CHECKING:
    from prefork.channel import Channel

OUT_OF_REACH = "data_dir {} is out of reach for the option user; choose one that is not, such as one below /var/lib"


def main() -> None:
    """Run the console until the master ends it."""
    channel, orders, descriptors = take_orders(int(sys.argv[1]))
    set_title("prefork: console")
    as_json = orders["log_format"] == "json"
    journal = Journal(Sink(2), level=orders["log_level"], as_json=as_json, logger="prefork.console")
    place = Path(orders["data_dir"])
    try:
        db = opened(place, journal, orders["name"])
    except Unusable as error:
        channel.send("unavailable", reason=str(error) if os.access(place, os.X_OK) else OUT_OF_REACH.format(place))
        return
    threading.Thread(target=follow, args=(channel, journal), name="log", daemon=True).start()
    gc.freeze()
    manner = Manner(
        orders["console_certificate"], orders["console_key"], tuple(orders["console_proxies"]), orders["console_insecure"]
    )
    scheme = "https" if manner.certificate else "http"
    address = orders["address"].replace("http", scheme, 1)
    run(db, socket.socket(fileno=descriptors[0]), manner, journal, lambda: channel.send("ready", address=address))


def follow(channel: Channel, journal: Journal) -> None:
    """Write to another log whenever the master has one, which makes it our standard error."""
    while True:
        said, descriptors = channel.receive()
        if said is None:
            return
        journal.sink.replace(descriptors[0])


if __name__ == "__main__":
    main()
