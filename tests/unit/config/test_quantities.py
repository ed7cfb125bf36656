import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.config.quantities import about, size, size_words, time, time_words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("671088640", 671088640),
        ("640M", 671088640),
        ("640 MB", 671088640),
        ("640mib", 671088640),
        ("2.5GiB", 2684354560),
        ("32K", 32768),
        ("1T", 1 << 40),
        ("1 byte", 1),
        ("7 bytes", 7),
        ("7B", 7),
        ("0.3K", 307),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "-1", "M", "640 X", "1e9", "2,5G", "640M M", "٣", "9" * 19, "0x10", "1.5.2M", "inf"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write bytes"):
        size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("0.25", 0.25),
        ("2m", 120.0),
        ("2 min", 120.0),
        ("1h30m", 5400.0),
        ("1 h 30 min", 5400.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("1d", 86400.0),
        ("1m1s1ms", 61.001),
        ("90sec", 90.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert time(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "m", "2x", "30m1h", "1m1m", "1 2", "nan", "1e3", "2m3", "9" * 13])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write seconds"):
        time(text)


@given(st.integers(0, 10**17))
def test_a_shown_size_reads_back(count: int) -> None:
    assert size(size_words(count)) == count


@given(st.integers(0, 10**13))
def test_a_shown_time_reads_back_to_the_millisecond(milliseconds: int) -> None:
    assert round(time(time_words(milliseconds / 1000)) * 1000) == milliseconds


@given(st.text())
def test_any_text_is_a_size_or_a_sentence(text: str) -> None:
    for read in (size, time):
        found: float | str
        try:
            found = read(text)
        except ValueError as error:
            found = str(error)
        assert "; write" in found if isinstance(found, str) else found >= 0


def test_sums_are_rounded() -> None:
    assert [about(n) for n in (17, 2048, 1 << 31, 3 * 671088640)] == ["17 bytes", "2 KiB", "2 GiB", "1.9 GiB"]
