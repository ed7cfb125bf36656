"""Who the client is: only a trusted peer may say so, and what it repeats from strangers counts for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.http.proxies import FORWARDED, Origin, Proxies, named

PROXIES = Proxies(("127.0.0.0/8", "10.0.0.0/8", "::1", "fd00::/8", "192.0.2.7"))
PEER = ("127.0.0.1", 4711)
HOST = (b"host", b"inner:8069")


def origin(*headers: tuple[bytes, bytes], peer: tuple[str, int] = PEER) -> Origin:
    return PROXIES.origin(peer, [HOST, *headers])


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "10.1.2.3", "::1", "fd00::5", "192.0.2.7", "::ffff:10.1.2.3", "fd00::1%eth0", ""]
)
def test_trusted(address: str) -> None:
    assert PROXIES.trusts(address)


@pytest.mark.parametrize(
    "address",
    [
        "128.0.0.1",
        "192.0.2.8",
        "::2",
        "fe80::1",
        "::ffff:11.0.0.1",
        "0.0.0.0",
        "::",
        "localhost",
        "127.0.0.1 ",
        "127.1",
        "010.0.0.1",
    ],
)
def test_not_trusted(address: str) -> None:
    assert not PROXIES.trusts(address)


def test_nobody_is_trusted_without_networks() -> None:
    assert not Proxies(()).trusts("127.0.0.1")


@pytest.mark.parametrize("name", FORWARDED)
def test_what_a_stranger_says_is_taken_away(name: bytes) -> None:
    stranger = ("203.0.113.9", 1)
    assert origin((name, b"1.2.3.4"), (b"x", b"y"), peer=stranger) == Origin(stranger, "http", [HOST, (b"x", b"y")])


@pytest.mark.parametrize(
    ("chains", "client"),
    [
        ([b"203.0.113.9"], "203.0.113.9"),
        ([b" 203.0.113.9 , 10.0.0.1"], "203.0.113.9"),
        ([b"1.2.3.4, 203.0.113.9, 10.0.0.1, 10.0.0.2"], "203.0.113.9"),
        ([b"1.2.3.4", b"203.0.113.9", b"10.0.0.1"], "203.0.113.9"),
        ([b"2001:db8::9, ::1"], "2001:db8::9"),
        ([b"::ffff:203.0.113.9"], "::ffff:203.0.113.9"),
        ([b"10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ([b"1.2.3.4, unknown, 10.0.0.1"], "10.0.0.1"),
        ([b"1.2.3.4, 203.0.113.9:4711"], None),
        ([b"unknown"], None),
        ([b'fe80::1%" 200 5, 10.0.0.1'], "10.0.0.1"),
        ([b""], None),
        ([b"1.2.3.4,"], None),
        ([b"\xff\xfe"], None),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours(chains: list[bytes], client: str | None) -> None:
    found = origin(*((b"x-forwarded-for", chain) for chain in chains))
    assert found.client == ((client, 0) if client else PEER)
    assert found.scheme == "http"


@given(st.binary(max_size=40))
def test_no_chain_is_a_fault(chain: bytes) -> None:
    client, _ = origin((b"x-forwarded-for", chain)).client
    assert client == PEER[0] or client.encode("latin-1") in chain


@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        (b"https", "https"),
        (b"HTTPS", "https"),
        (b"wss", "https"),
        (b"http", "http"),
        (b"ftp", "http"),
        (b"https, http", "http"),
        (b"http,https", "https"),
    ],
)
def test_the_scheme_that_the_nearest_proxy_saw(said: bytes, scheme: str) -> None:
    assert origin((b"x-forwarded-proto", said)).scheme == scheme


@pytest.mark.parametrize(
    ("said", "host"),
    [
        (b"shop.example", b"shop.example"),
        (b"evil, shop.example:443", b"shop.example:443"),
        (b"", b"inner:8069"),
        (b'"><script>', b"inner:8069"),
        (b"evil/path", b"inner:8069"),
        (b"\xe4", b"inner:8069"),
    ],
)
def test_the_host_that_the_client_asked_for(said: bytes, host: bytes) -> None:
    found = origin((b"x-forwarded-host", said))
    assert found.headers == [(b"host", host), (b"x-forwarded-host", said)]


def test_headers_without_forwarding_are_left_alone() -> None:
    headers = [HOST, (b"x", b"y")]
    assert PROXIES.origin(PEER, headers).headers is headers


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        (b"shop.example", "http", ("shop.example", 80)),
        (b"shop.example", "https", ("shop.example", 443)),
        (b"shop.example:8069", "https", ("shop.example", 8069)),
        (b"shop.example:", "http", ("shop.example", 80)),
        (b"[::1]", "http", ("[::1]", 80)),
        (b"[::1]:8069", "http", ("[::1]", 8069)),
        (b":8069", "http", ("localhost", 8069)),
        (b"", "http", ("localhost", 80)),
    ],
)
def test_a_server_without_an_address_has_the_name_that_it_is_called_by(host: bytes, scheme: str, expected: tuple[str, int]) -> None:
    assert named(Origin(("", 0), scheme, [(b"host", host)])) == expected
    assert named(Origin(("", 0), "http", [])) == ("localhost", 80)
