from typing import Any, Callable

from prefork.messages import Request
from prefork.worker.borrowing import Borrower
from prefork.worker.http import Desk

class Shortcut:
    def __init__(self, borrower: Borrower, desk: Desk, application: Callable[..., Any]) -> None: ...
    def take(self) -> Request | None: ...
