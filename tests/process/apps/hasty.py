"""The echo application in an environment that is in a hurry: many applications set a timeout for the services they call."""

import socket

from echo import app

socket.setdefaulttimeout(0.1)

__all__ = ["app"]
