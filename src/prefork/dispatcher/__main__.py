"""Where the dispatcher's process begins: one inherited descriptor, the master's channel, whose first message says the rest.

Before it, an argument says whether modules are to be imported in their compiled form, so this one imports none of them itself.
"""

from __future__ import annotations

import gc
import socket
import sys

from prefork import compiled


def main(descriptor: int) -> None:
    """Run the dispatcher until the master wants it no more."""
    from prefork.dispatcher.loop import Dispatcher
    from prefork.dispatcher.options import Options
    from prefork.journal import Journal, Sink
    from prefork.kernel import open_up_to, return_memory, set_title, take_short_turns
    from prefork.orders import take_orders
    from prefork.scoreboard import Scoreboard
    from prefork.trace import Trace

    channel, orders, descriptors = take_orders(descriptor)
    set_title("prefork: dispatcher")
    # Workers may have every processor busy, and one that has finished does nothing until we have had our turn.
    take_short_turns()
    open_up_to()
    scoreboard = Scoreboard(descriptors[0])
    spool, trace = descriptors[1], Trace(descriptors[2])
    listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors[3:]]
    for listener in listeners:
        listener.setblocking(False)
    options = Options.received(orders["options"])
    as_json = orders["log_format"] == "json"
    journal = Journal(
        Sink(2), level=options.log_level, as_json=as_json, logger="prefork.dispatcher", access=options.access_log_format
    )
    # What exists now lives as long as the process: keep it out of every collection.
    gc.freeze()
    return_memory()
    Dispatcher(channel, listeners, scoreboard, trace, spool, options, journal).run()


if __name__ == "__main__":
    if sys.argv[1] == "compiled":
        compiled.prefer()
    main(int(sys.argv[2]))
