"""The lab asks every statement of the store: a new one needs to be asked, too."""

import re

import pytest
from tests.lab.questions import QUESTIONS, ROOMS, Question

from prefork.store.statements import statements


def test_every_statement_is_asked() -> None:
    known = {(room, name) for room in ROOMS for name in statements(f"{room}.sql")}
    assert {(each.room, each.name) for each in QUESTIONS} == known


@pytest.mark.parametrize("question", QUESTIONS, ids=[each.title for each in QUESTIONS])
def test_it_is_asked_with_all_that_it_takes(question: Question) -> None:
    named = {name.decode() for name in re.findall(rb"%\((\w+)\)s", question.text)}
    if named:
        assert named <= question.values.keys()
    else:
        assert question.text.count(b"%s") == len(question.values or ())
