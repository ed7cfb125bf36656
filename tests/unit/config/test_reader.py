import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.config.layers import load
from prefork.config.problems import ConfigurationError, Problem
from prefork.config.reader import read_file, read_text


def texts(text: str) -> dict[str, str]:
    reading = read_text(text, "x.conf")
    assert reading.problems == []
    return {entry.key if entry.section == "options" else f"{entry.section}.{entry.key}": entry.text for entry in reading.entries}


def sentences(text: str) -> list[str]:
    return [str(problem) for problem in read_text(text, "x.conf").problems]


def test_the_header_is_optional_and_other_sections_are_told_apart() -> None:
    assert texts("a = 1\n[options]\nb = 2\n[queue_job]\nchannels = root:2 # kept\n") == {
        "a": "1",
        "b": "2",
        "queue_job.channels": "root:2 # kept",
    }


@pytest.mark.parametrize(
    "line",
    ["a = 4", "a=4", "a: 4", "A = 4", "a = 4  # x", "a = 4 ; y", "a = 4\t#", "a = 4 # x = y ; z", "a = 4\u00a0# x", "a = 4   "],
)
def test_ways_to_write_a_value(line: str) -> None:
    assert texts(line) == {"a": "4"}


def test_a_comment_sign_within_a_word_is_no_comment() -> None:
    assert texts("a = x#y\nb = x;y\nc = # nothing") == {"a": "x#y", "b": "x;y", "c": ""}


@pytest.mark.parametrize("key", ["db_password", "admin_passwd", "smtp_password", "store_dsn", "proxy_access_token", "my_secret"])
@pytest.mark.parametrize("text", ["hunter # 2", "; hunter", "a ;b #c", "host=x password='a #b'"])
def test_secrets_keep_every_character(key: str, text: str) -> None:
    assert texts(f"{key} = {text}") == {key: text}


def test_comment_lines_blank_lines_and_continuations() -> None:
    text = "# one\n; two\n   # three\n\na = x,\n    y,  # why\n    # not a value\n\n    z\nb = 1\n"
    assert texts(text) == {"a": "x,\ny,\nz", "b": "1"}


def test_a_block_may_be_indented_as_a_whole() -> None:
    assert texts("    a = 1\n    b = 2\n      c\n") == {"a": "1", "b": "2\nc"}


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert texts("\ufeff[options]\r\na = 1\r\nb = 2\r") == {"a": "1", "b": "2"}


def test_lines_that_are_nothing() -> None:
    assert sentences("a = 1\nfoo\n[open\n= 3\n") == [
        f"x.conf:{line}: the line is neither `key = value`, a [section] nor a comment; begin a comment with # or ;"
        for line in (2, 3, 4)
    ]


def test_duplicates_name_both_lines_and_not_the_text() -> None:
    assert sentences("a = 1\n\nA = 2\n[x]\na = 3\na = 4") == [
        "x.conf:3: a: already set in line 1; remove one of the two",
        "x.conf:6: a: already set in line 5; remove one of the two",
    ]


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_bytes(b"a = 1\nb = \xff\n")
    assert [str(p) for p in read_file(tmp_path / "x.conf", "x.conf").problems] == [
        "x.conf:2: the line is not UTF-8 text; save the file as UTF-8"
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    advice = "check the path and its permissions"
    for path, reason in (
        (tmp_path / "none", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (Path("\0"), "its name cannot be used"),
    ):
        assert [str(p) for p in read_file(path, "x").problems] == [f"x: the file cannot be read: {reason}; {advice}"]


def test_what_can_be_read_once_is_no_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reading, writing = os.pipe()
    for path in (tmp_path / "fifo", Path(f"/dev/fd/{reading}"), Path("/dev/zero")):
        (problem,) = read_file(path, "x").problems
        assert str(problem) == "x: it can be read once, and a reload or another command reads it again; write it to a file"
    os.close(reading)
    os.close(writing)
    assert not read_file(Path(os.devnull), "x").problems


KEYS = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)
WORDS = st.text(st.characters(exclude_characters="#;", exclude_categories=("Cc", "Cs", "Z")), max_size=20)


@given(st.dictionaries(KEYS, st.lists(WORDS.filter(bool), max_size=4)))
def test_what_is_written_reads_back(values: dict[str, list[str]]) -> None:
    text = "".join(f"{key} = " + "\n    ".join(words) + "\n" for key, words in values.items())
    assert texts(text) == {key: "\n".join(words) for key, words in values.items()}


LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            ["workers", "app", "app_dir", "http_port", "queue_timeout", "umask", "user", "python", "logfile", "preload", "db_name"]
        ).flatmap(lambda key: st.text(max_size=20).map(lambda text: f"{key} = {text}")),
    )
)


@given(LINES.map("\n".join))
def test_any_text_is_settings_or_a_configuration_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.conf").write_text(text, encoding="utf-8", errors="surrogateescape")
    problems: tuple[Problem, ...] | None = None
    try:
        load(Path("any.conf"), {}, {"HOME": str(folder)}, folder)
    except ConfigurationError as error:
        problems = error.problems
    assert problems is None or (problems and all(problem.sentence for problem in problems))


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.conf"
    path.write_bytes(raw)
    reading = read_file(path, "bytes.conf")
    assert len({(entry.section, entry.key) for entry in reading.entries}) == len(reading.entries)
