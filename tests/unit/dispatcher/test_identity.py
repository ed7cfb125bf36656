"""What a request is called."""

from __future__ import annotations

import pytest

from prefork.dispatcher.identity import NAME, SANE, Identity

HOST = (b"host", b"x")


def ids(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [value for name, value in headers if name == NAME]


@pytest.mark.parametrize("given", [b"a", b"7f3a:1/2+3=@x.y_z-9", b"x" * 128])
def test_an_id_that_a_request_brings_is_kept(given: bytes) -> None:
    headers = [HOST, (NAME, given)]
    assert Identity().of(headers) == given.decode()
    assert headers == [HOST, (NAME, given)]


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b'"', b"<b>", b"a\xe9", b"a,b", b"a\tb", b"%00"])
def test_one_that_could_do_harm_is_replaced(given: bytes) -> None:
    headers = [(NAME, given), HOST]
    made = Identity().of(headers)
    assert headers == [HOST, (NAME, made.encode())]


def test_a_request_with_two_of_them_gets_its_own() -> None:
    headers = [(NAME, b"one"), HOST, (NAME, b"two")]
    made = Identity().of(headers)
    assert made not in {"one", "two"}
    assert ids(headers) == [made.encode()]


def test_ids_are_short_sane_and_different() -> None:
    one, other = Identity(), Identity()
    made = [identity.of([]) for identity in (one, other) for _ in range(100)] + [one.make()]
    assert len(set(made)) == 201
    assert all(SANE.match(each.encode()) and len(each) <= 12 for each in made)
