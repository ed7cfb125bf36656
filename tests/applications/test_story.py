"""The comparison of the books finds each kind of error."""

import pytest

from .story import assert_books_agree


def test_books_that_agree():
    assert_books_agree(["a", "b", "x"], {"a", "b"}, {"x", "y"})


@pytest.mark.parametrize(
    ("found", "unknown", "error"),
    [
        (["a", "a", "b"], set(), "created twice"),
        (["a"], set(), "lost"),
        (["a", "b", "c"], set(), "never sent"),
        (["a", "b"], {"1", "2", "3", "4", "5"}, "5 were answered 502"),
    ],
)
def test_books_that_do_not(found, unknown, error):
    with pytest.raises(AssertionError, match=error):
        assert_books_agree(found, {"a", "b"}, unknown)
