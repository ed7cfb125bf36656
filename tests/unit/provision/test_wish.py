"""What is wrong with a wish by itself."""

import pytest

from prefork.instances.changes import Invalid
from prefork.provision.wish import Wish, check


@pytest.mark.parametrize("name", ["told", "memory", "options"])
def test_a_further_option_that_says_nothing_may_have_any_name(name: str) -> None:
    check(Wish(app="shop:app", memory=1 << 30, options={name: ""}))


@pytest.mark.parametrize("wish", [Wish(app="shop:app\nuser = root"), Wish(app="shop:app", options={"db_name": "a ; b"})])
def test_a_value_that_would_be_more_than_one_line_is_refused(wish: Wish) -> None:
    with pytest.raises(Invalid) as raised:
        check(wish)
    assert list(raised.value.sentences.values()) == ["a value is one line, and no ; or # stands behind a space in it"]
