"""The lab asks every statement of the store: a new one needs to be asked, too."""

from tests.lab.questions import QUESTIONS, ROOMS

from prefork.store.statements import statements


def test_every_statement_is_asked() -> None:
    known = {(room, name) for room in ROOMS for name in statements(f"{room}.sql")}
    assert {(each.room, each.name) for each in QUESTIONS} == known
