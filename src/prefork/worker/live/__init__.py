"""What a websocket worker does: the connections that the dispatcher has handed over, in one event loop.

It answers handshakes and long polls, speaks the subscription protocol, and limits what a client can take. What is published comes
from a hub, which is somebody else's. A connection's socket belongs to this process alone.
"""
