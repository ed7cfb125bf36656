"""What was acknowledged is owed; what is missing of it is counted, never guessed."""

from prefork.lab.accounts import Ledger, Request, gap


def order(key: int, ended: float = 1.0, why: str = "", refused: bool = False) -> Request:
    return Request("write", ended - 0.1, ended, key=key, why=why, refused=refused)


def page(ended: float, why: str = "", took: float = 0.1) -> Request:
    return Request("read", ended - took, ended, why=why)


def ledger(*requests: Request) -> Ledger:
    made = Ledger()
    for each in requests:
        made.note(each)
    return made


def heard(made: Ledger, *keys: int) -> None:
    made.hear({"messages": [{"position": key, "channel": "orders", "payload": key} for key in keys]})


def kept(orders: list[int], fulfilled: list[int], lost: int = 0) -> dict[str, object]:
    return {"orders": orders, "fulfilled": fulfilled, "lost": lost}


def test_an_acknowledged_order_that_is_not_there_is_lost() -> None:
    account = ledger(order(1), order(2)).account(kept([1], [1]))
    assert (account.acknowledged, account.lost) == (2, 1)


def test_an_order_that_was_not_acknowledged_is_owed_nothing() -> None:
    account = ledger(order(1, why="status 502"), order(2, refused=True, why="refused")).account(kept([1], []))
    assert (account.writes, account.acknowledged, account.lost, account.jobs_lost, account.messages_lost) == (2, 0, 0, 0, 0)


def test_jobs_and_messages_are_counted_for_orders_that_are_there() -> None:
    made = ledger(order(1), order(2), order(3), order(4))
    heard(made, 1, 2, 2)
    account = made.account(kept([1, 2, 3], [1, 1, 3], lost=1))
    assert (account.lost, account.jobs_lost, account.jobs_twice, account.runs_broken) == (1, 1, 1, 1)
    assert (account.messages_lost, account.messages_twice) == (1, 1)


def test_a_gap_is_between_two_requests_that_went_well() -> None:
    assert gap([page(1.0), page(2.0, why="status 502"), page(4.5), page(5.0)]) == 3.5
    assert gap([page(1.0)]) == 0.0


def test_failed_refused_and_slow_requests_are_apart() -> None:
    refused = [Request("read", 7.0, 7.5, refused=True, why="no route"), Request("write", 9.0, 9.25, refused=True, why="no route")]
    account = ledger(page(1.0, took=0.4), page(2.0, why="status 502", took=0.9), *refused).account(kept([], []))
    assert (account.reads, account.reads_failed, account.slowest_read) == (3, 1, 0.4)
    assert (account.refused, account.refused_for) == (2, 2.25)
    assert account.reasons == ("1 × read: status 502",)


def test_settled_is_when_every_order_that_is_there_has_its_job_and_its_message() -> None:
    made = ledger(order(1), order(2))
    heard(made, 1)
    assert not made.settled(kept([1, 2], [1, 2]))
    assert made.settled(kept([1], [1])), "what is lost is waited for by nobody"
    heard(made, 2)
    assert made.settled(kept([1, 2], [1, 2]))
    assert not made.settled(kept([1, 2], [1]))


def test_the_position_to_come_back_with() -> None:
    made = Ledger()
    made.hear({"subscribed": ["orders"], "position": 7})
    assert (made.listening, made.last) == (True, 7)
    made.hear({"messages": [{"position": 9, "channel": "", "payload": {"lost": True}}]})
    assert (made.last, made.told_lost) == (9, 1)
    made.hear({"subscribed": ["orders"], "position": 30})
    assert made.last == 9, "what came between the two is still to come"


def test_every_number_of_an_account_is_said() -> None:
    said = "\n".join(ledger(order(1), page(2.0, why="status 500")).account(kept([], [])).sentences())
    for sentence in ("1 read, 1 failed", "1 sent, 1 acknowledged, 1 lost", "0 lost, 0 done twice", "1 × read: status 500"):
        assert sentence in said
