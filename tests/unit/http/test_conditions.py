"""RFC 9110, 13 and 14, clause by clause; and that nothing a client sends gets more than the file, or an exception."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.http.conditions import File, Part, choose, described, listed, moment, part, tag_of

MODIFIED = 784111777
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER, LATER = b"Sun, 06 Nov 1994 08:49:36 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT"
FILE = File(b'"a"', MODIFIED, 1000)
WEAK = File(b'W/"a"', MODIFIED, 1000)
WHOLE = Part(200, 0, 1000)


def ask(method: str = "GET", file: File = FILE, **headers: bytes) -> Part:
    return choose(method, [(name.replace("_", "-").encode(), value) for name, value in headers.items()], file)


def test_without_conditions() -> None:
    assert ask() == WHOLE
    assert choose("GET", [(b"host", b"h"), (b"accept", b"*/*")], FILE) == WHOLE


# 13.1.1 If-Match: strong comparison.


@pytest.mark.parametrize("value", [b"*", b" * ", b'"a"', b'"b", "a"', b'"b","a"', b',, "a" ,', b'"b" , "a"'])
def test_if_match_that_matches(value: bytes) -> None:
    assert ask(if_match=value) == WHOLE


@pytest.mark.parametrize("value", [b'"b"', b'W/"a"', b"a", b"", b'"a', b'w/"a"', b'x"a"', b'"b" "a"', b'*, "b"'])
def test_if_match_that_does_not(value: bytes) -> None:
    assert ask(if_match=value) == Part(412, 0, 0)


def test_if_match_never_matches_a_weak_tag_of_ours() -> None:
    assert ask(file=WEAK, if_match=b'W/"a"').status == 412
    assert ask(file=WEAK, if_match=b'"a"').status == 412
    assert ask(file=WEAK, if_match=b"*").status == 200


# 13.1.2 If-None-Match: weak comparison.


@pytest.mark.parametrize("value", [b"*", b'"a"', b'W/"a"', b'"b", W/"a"', b'"b",\t"a"'])
@pytest.mark.parametrize("file", [FILE, WEAK])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match_that_matches(value: bytes, file: File, method: str) -> None:
    assert ask(method, file, if_none_match=value) == Part(304, 0, 0)


@pytest.mark.parametrize("value", [b'"b"', b"a", b"", b'"A"', b'w/"a"', b'"\\"a"'])
def test_if_none_match_that_does_not(value: bytes) -> None:
    assert ask(if_none_match=value) == WHOLE


def test_a_list_in_several_lines_is_one_list() -> None:
    """RFC 9110, 5.3."""
    for tags in ([b'"a"', b'"b"'], [b'"b"', b'"a"']):
        assert choose("GET", [(b"if-none-match", tag) for tag in tags], FILE).status == 304
        assert choose("GET", [(b"if-match", tag) for tag in tags], FILE).status == 200


# 13.1.3 If-Modified-Since, 13.1.4 If-Unmodified-Since.


def test_if_modified_since() -> None:
    assert ask(if_modified_since=DATE).status == 304
    assert ask(if_modified_since=LATER).status == 304
    assert ask(if_modified_since=EARLIER) == WHOLE
    assert ask("HEAD", if_modified_since=DATE).status == 304


def test_if_unmodified_since() -> None:
    assert ask(if_unmodified_since=DATE) == WHOLE
    assert ask(if_unmodified_since=LATER) == WHOLE
    assert ask(if_unmodified_since=EARLIER).status == 412


@pytest.mark.parametrize("value", [b"", b"yesterday", b"Sun, 99 Nov 1994 08:49:37 GMT", DATE + b", " + DATE, b"\xff", b"0"])
def test_what_is_no_date_is_ignored(value: bytes) -> None:
    assert ask(if_modified_since=value) == WHOLE
    assert ask(if_unmodified_since=value) == WHOLE


def test_more_than_one_date_is_ignored() -> None:
    assert choose("GET", [(b"if-modified-since", DATE), (b"if-modified-since", DATE)], FILE) == WHOLE


# 13.2.1: other methods. 13.2.2: the order.


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_what_another_method_has_done_no_condition_prevents(method: str) -> None:
    assert ask(method, if_match=b'"b"', if_none_match=b"*", range=b"bytes=0-0") == WHOLE


def test_tags_count_before_dates() -> None:
    assert ask(if_match=b'"a"', if_unmodified_since=EARLIER) == WHOLE
    assert ask(if_none_match=b'"b"', if_modified_since=LATER) == WHOLE
    assert ask(if_none_match=b'"a"', if_modified_since=EARLIER).status == 304


def test_if_match_counts_before_if_none_match() -> None:
    assert ask(if_match=b'"b"', if_none_match=b'"a"').status == 412
    assert ask(if_match=b'"a"', if_none_match=b'"a"').status == 304
    assert ask(if_unmodified_since=EARLIER, if_modified_since=DATE).status == 412


def test_conditions_count_before_ranges() -> None:
    assert ask(if_none_match=b'"a"', range=b"bytes=0-0").status == 304
    assert ask(if_match=b'"b"', range=b"bytes=0-0").status == 412
    assert ask(if_match=b'"a"', range=b"bytes=0-0").status == 206


# 13.1.5 If-Range.


@pytest.mark.parametrize("value", [b'"a"', b' "a"', DATE])
def test_if_range_that_holds(value: bytes) -> None:
    assert ask(if_range=value, range=b"bytes=0-0").status == 206


@pytest.mark.parametrize("value", [b'"b"', b'W/"a"', b'"b", "a"', b"*", EARLIER, LATER, b"", b"x"])
def test_if_range_that_does_not(value: bytes) -> None:
    assert ask(if_range=value, range=b"bytes=0-0") == WHOLE


def test_if_range_does_not_hold_for_a_weak_tag() -> None:
    assert ask(file=WEAK, if_range=b'W/"a"', range=b"bytes=0-0") == WHOLE


# 14.1.2, 14.2: ranges.


@pytest.mark.parametrize(
    ("value", "offset", "length"),
    [
        (b"bytes=0-499", 0, 500),
        (b"bytes=500-999", 500, 500),
        (b"bytes=-500", 500, 500),
        (b"bytes=999-", 999, 1),
        (b"bytes=0-", 0, 1000),
        (b"bytes=0-0", 0, 1),
        (b"bytes=900-5000", 900, 100),
        (b"bytes=-5000", 0, 1000),
        (b"BYTES=1-2", 1, 2),
        (b"bytes = 1 - 2 ", 1, 2),
        (b"bytes=0-18446744073709551615", 0, 1000),
    ],
)
def test_a_range(value: bytes, offset: int, length: int) -> None:
    assert ask(range=value) == Part(206, offset, length)


@pytest.mark.parametrize("value", [b"bytes=1000-", b"bytes=1000-2000", b"bytes=-0", b"bytes=99999999999999999999-"])
def test_a_range_outside_the_file(value: bytes) -> None:
    assert ask(range=value) == Part(416, 0, 0)


@pytest.mark.parametrize(
    "value",
    [b"", b"bytes=", b"bytes=-", b"bytes=5-4", b"bytes=a-b", b"bytes=0x1-2", b"lines=0-1", b"bytes=0-1,5-6", b"bytes=0-1,",
     b"bytes=+1-2", b"bytes=1-2\n", b"0-1", b"bytes=-1-2"],
)  # fmt: skip
def test_what_is_no_single_range_gets_the_whole(value: bytes) -> None:
    assert ask(range=value) == WHOLE


def test_two_lines_are_two_ranges() -> None:
    assert choose("GET", [(b"range", b"bytes=0-0"), (b"range", b"bytes=1-1")], FILE) == WHOLE


def test_ranges_are_for_get_only() -> None:
    assert ask("HEAD", range=b"bytes=0-0") == WHOLE
    assert ask("HEAD", range=b"bytes=5000-") == WHOLE


@pytest.mark.parametrize("value", [b"bytes=0-", b"bytes=0-99", b"bytes=-5", b"bytes=7-"])
def test_an_empty_file_is_sent_whole(value: bytes) -> None:
    assert ask(file=File(b'"a"', MODIFIED, 0), range=value) == Part(200, 0, 0)


# 8.8.2 and 5.6.7: dates.


@pytest.mark.parametrize("value", [DATE, b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_all_three_forms_of_a_date_are_in_utc(value: bytes, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert moment(value) == MODIFIED
    finally:
        monkeypatch.undo()
        time.tzset()


# What the answer says.


def test_headers() -> None:
    def said(chosen: Part) -> dict[bytes, bytes]:
        return dict(described(FILE, chosen))

    assert said(WHOLE) == {b"Last-Modified": DATE, b"ETag": b'"a"', b"Accept-Ranges": b"bytes"}
    assert said(Part(304, 0, 0)) == said(WHOLE)
    assert said(Part(206, 0, 1))[b"Content-Range"] == b"bytes 0-0/1000"
    assert said(Part(416, 0, 0))[b"Content-Range"] == b"bytes */1000"


def test_tags_differ_with_time_and_size() -> None:
    tags = {tag_of(modified, size) for modified in (0, 1, 1 << 62) for size in (0, 1, 1 << 40)}
    assert len(tags) == 9
    assert all(listed(tag, tag, weak=False) for tag in tags)


# Whatever arrives.

NAMES = st.sampled_from([b"if-match", b"if-none-match", b"if-range", b"range", b"if-modified-since", b"if-unmodified-since"])
PIECES = [
    b'"a"',
    b"W/",
    b'"',
    b"*",
    b",",
    b" ",
    b"bytes=",
    b"-",
    b"0",
    b"7",
    b"999",
    b"1000",
    DATE,
    b"GMT",
    b"Nov",
    b":",
    b"\\",
    b"\t",
]
VALUES = st.one_of(st.binary(max_size=30), st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
SIZES = st.one_of(st.integers(0, 20), st.integers(0, 1 << 62))


@given(st.sampled_from(["GET", "HEAD", "POST"]), st.lists(st.tuples(NAMES, VALUES), max_size=4), SIZES)
def test_nothing_raises_and_every_part_is_inside_the_file(method: str, headers: list[tuple[bytes, bytes]], size: int) -> None:
    chosen = choose(method, headers, File(b'"a"', MODIFIED, size))
    assert chosen.status in {200, 206, 304, 412, 416}
    assert 0 <= chosen.offset <= chosen.offset + chosen.length <= size
    if chosen.status == 206:
        assert chosen.length > 0
    elif chosen.status == 200:
        assert chosen == Part(200, 0, size)
    else:
        assert chosen.length == 0


@given(st.integers(0, 1 << 70), st.one_of(st.none(), st.integers(0, 1 << 70)), st.integers(1, 1 << 62))
def test_a_range_is_what_it_says(first: int, last: int | None, size: int) -> None:
    chosen = part(b"bytes=%d-%b" % (first, b"" if last is None else b"%d" % last), size)
    if last is not None and last < first:
        assert chosen == Part(200, 0, size)
    elif first >= size:
        assert chosen.status == 416
    else:
        assert chosen == Part(206, first, min(size - 1 if last is None else last, size - 1) - first + 1)


@given(st.lists(VALUES, max_size=4), st.sampled_from([b'"a"', b'W/"a"', b'""']))
def test_a_strong_comparison_never_matches_a_weak_tag(values: list[bytes], tag: bytes) -> None:
    value = b", ".join(values)
    if listed(value, tag, weak=False) and value.strip(b" \t") != b"*":
        assert not tag.startswith(b"W/")
        assert tag in value.replace(b"W/" + tag, b"")
    if tag.startswith(b"W/"):
        assert not listed(value, tag, weak=False) or value.strip(b" \t") == b"*"


@given(st.binary(max_size=60))
def test_no_date_raises(value: bytes) -> None:
    found = moment(value)
    assert found is None or isinstance(found, int)


@given(st.integers(0, 4_000_000_000))
def test_our_own_dates_are_understood(seconds: int) -> None:
    assert moment(formatdate(seconds, usegmt=True).encode()) == seconds


def test_long_lists_take_no_time() -> None:
    started = time.monotonic()
    for value in (b'"' * 30000, b'"x", ' * 5000 + b"x", b"W/" * 15000, b" ," * 15000 + b"x", b"bytes=" + b" " * 30000):
        assert not listed(value, b'"a"', weak=True)
        ask(range=value, if_range=value, if_modified_since=value)
    assert time.monotonic() - started < 5
