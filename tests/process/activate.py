"""What systemd does for a unit with a socket unit: opens sockets, passes them as descriptors from 3 on, becomes the server.

    activate.py tcp:ADDRESS:PORT | unix:PATH | idle | datagram … -- COMMAND …

Its variables are those of systemd; the names of the descriptors are the kinds of the sockets.
"""

import os
import socket
import sys


def opened(what: str) -> socket.socket:
    kind, _, place = what.partition(":")
    if kind == "unix":
        made = socket.socket(socket.AF_UNIX)
        made.bind(place)
        made.listen()
    elif kind == "tcp":
        host, _, port = place.rpartition(":")
        both = host == "both"
        made = socket.create_server(
            ("::" if both else host, int(port)), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both
        )
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    return made


if __name__ == "__main__":
    end = sys.argv.index("--")
    wanted = sys.argv[1:end]
    sockets = [opened(what) for what in wanted]
    high = [os.dup2(each.fileno(), 100 + number, inheritable=False) for number, each in enumerate(sockets)]
    for number, descriptor in enumerate(high, 3):
        os.dup2(descriptor, number)
    names = ":".join(what.partition(":")[0] for what in wanted)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=names)
    os.execv(sys.argv[end + 1], sys.argv[end + 1 :])
