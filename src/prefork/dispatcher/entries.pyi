from prefork.dispatcher.loans import Loans
from prefork.dispatcher.receipts import Receipts
from prefork.dispatcher.workers import Worker

class Entries:
    def __init__(self, receipts: Receipts) -> None: ...
    def enter(self, worker: Worker, loans: Loans, pieces: list[bytes]) -> None: ...
