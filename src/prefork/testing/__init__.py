"""A kit for tests against a real server: start one, watch its log, load it, and be sure that it left nothing behind.

For this project and for its users. It needs no plugin of a test runner and the standard library only. It never imports the
application, and it reads the server as an operator does: its log, its control socket and `/proc`.
"""

from prefork.testing.client import Answer, BrokenAnswer, Connection, Request
from prefork.testing.load import Failure, Load, Outcome
from prefork.testing.log import Event, Log
from prefork.testing.ports import free_port
from prefork.testing.server import Server

__all__ = ["Answer", "BrokenAnswer", "Connection", "Event", "Failure", "Load", "Log", "Outcome", "Request", "Server", "free_port"]
