"""The lab asks every statement of the store: a new one needs to be asked, too, and each with the values that it takes."""

import re

import pytest
from tests.lab.questions import QUESTIONS, ROOMS, Question

from prefork.store.statements import statements


def test_every_statement_is_asked() -> None:
    known = {(room, name) for room in ROOMS for name in statements(f"{room}.sql")}
    assert {(each.room, each.name) for each in QUESTIONS} == known


@pytest.mark.parametrize("question", QUESTIONS, ids=[each.title for each in QUESTIONS])
def test_each_is_asked_with_its_values(question: Question) -> None:
    text = question.text.decode()
    if isinstance(question.values, list):
        assert text.count("%s") == len(question.values)
    else:
        assert set(re.findall(r"%\((\w+)\)s", text)) == set(question.values or ())
