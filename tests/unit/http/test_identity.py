"""What a request is called."""

from __future__ import annotations

import pytest

from prefork.http.identity import NAME, SANE, Identity, trace_of

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


TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([b"00-%b-00f067aa0ba902b7-01" % TRACE], TRACE.decode()),
        ([b"cc-%b-00f067aa0ba902b7-01-what.comes" % TRACE], TRACE.decode()),
        ([], ""),
        ([b"00-%b-00f067aa0ba902b7-01-more" % TRACE], ""),
        ([b"cc-%b-00f067aa0ba902b7-01more" % TRACE], ""),
        ([b"ff-%b-00f067aa0ba902b7-01" % TRACE], ""),
        ([b"00-%b-00f067aa0ba902b7-01" % TRACE.upper()], ""),
        ([b"00-%b-00f067aa0ba902b7-01" % (b"0" * 32)], ""),
        ([b"00-%b-%b-01" % (TRACE, b"0" * 16)], ""),
        ([b'" forged'], ""),
        ([b"00-%b-00f067aa0ba902b7-01" % TRACE] * 2, ""),
    ],
)
def test_the_trace_that_a_request_belongs_to(given: list[bytes], expected: str) -> None:
    assert trace_of([HOST, *((b"traceparent", value) for value in given)]) == expected
