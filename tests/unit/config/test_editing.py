"""Options are set in a file that somebody has written by hand, and nothing else of it changes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.config.editing import Unusable, merged, rewrite
from prefork.config.reader import read_text
from prefork.config.texts import LONGEST

VALUES = {"workers": "9", "max_cron_threads": "1"}


def edited(text: str) -> str:
    return merged(text, read_text(text, "test"), VALUES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[options]\nworkers = 9\nmax_cron_threads = 1\n"),
        ("workers = 2\n", "workers = 9\nmax_cron_threads = 1\n"),
        ("[options]\n", "[options]\nworkers = 9\nmax_cron_threads = 1\n"),
        ("[options]\nworkers=2", "[options]\nworkers=9\nmax_cron_threads = 1\n"),
        (
            "[options]\n; ours\nworkers = 2  ; two\n\n# proxy\nproxy_mode = True\n\n[queue_job]\na = b\n",
            "[options]\n; ours\nworkers = 9  ; two\n\n# proxy\nproxy_mode = True\nmax_cron_threads = 1\n\n[queue_job]\na = b\n",
        ),
        ("[queue_job]\nworkers = 3\n", "[options]\nworkers = 9\nmax_cron_threads = 1\n\n[queue_job]\nworkers = 3\n"),
        ("max_cron_threads = 1\r\nworkers = 9\r\n", "max_cron_threads = 1\r\nworkers = 9\r\n"),
        ("WORKERS : 2\r\nlog_level = info\r\n", "WORKERS : 9\r\nlog_level = info\r\nmax_cron_threads = 1\r\n"),
        ("addons_path = /a,\n  # both\n  /b\n", "addons_path = /a,\n  # both\n  /b\nworkers = 9\nmax_cron_threads = 1\n"),
        ("workers =\n   2\nhttp_port = 1\n", "workers =9\nhttp_port = 1\nmax_cron_threads = 1\n"),
        ("http_port = 1\nworkers =\n   2\n", "http_port = 1\nworkers =9\nmax_cron_threads = 1\n"),
    ],
)
def test_comments_order_and_other_sections_stay(before: str, after: str) -> None:
    assert edited(before) == after
    assert edited(after) == after


@given(
    st.lists(st.sampled_from(["workers = 2", "; c", "", "[options]", "[x]", "a = 1", "  b", "\tworkers: 3 # c", "#"]), max_size=9)
)
def test_whatever_can_be_read_is_set_and_says_what_it_said(lines: list[str]) -> None:
    text = "\n".join(lines)
    reading = read_text(text, "test")
    if reading.problems:
        return
    before = {(entry.section, entry.key): entry.text for entry in reading.entries}
    again = read_text(edited(text), "test")
    assert not again.problems
    after = {(entry.section, entry.key): entry.text for entry in again.entries}
    assert after == {**before, **{("options", name): value for name, value in VALUES.items()}}


def test_rights_and_links_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "odoo.conf", tmp_path / "link.conf"
    file.write_text("workers = 2\n")
    file.chmod(0o600)
    link.symlink_to(file)
    assert rewrite(link, VALUES) == ["workers", "max_cron_threads"]
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == "workers = 9\nmax_cron_threads = 1\n"
    assert rewrite(link, VALUES) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.conf", "odoo.conf"]


def test_a_byte_order_mark_stays_the_first_character(tmp_path: Path) -> None:
    (tmp_path / "new.conf").write_text("\ufeff[options]\nworkers = 2\n")
    rewrite(tmp_path / "new.conf", VALUES)
    assert (tmp_path / "new.conf").read_text() == "\ufeff[options]\nworkers = 9\nmax_cron_threads = 1\n"


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    rewrite(tmp_path / "new.conf", VALUES)
    assert (tmp_path / "new.conf").read_text() == "[options]\nworkers = 9\nmax_cron_threads = 1\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"workers = 2\nworkers = 3\n", "already set in line 1"),
        (b"[options]\nnonsense\n", "the line is neither"),
        (b"workers = \xff\n", "is not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_left_as_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "odoo.conf"
    file.write_bytes(content)
    with pytest.raises(Unusable, match=said) as refused:
        rewrite(file, VALUES)
    assert "left as it is" in str(refused.value)
    assert file.read_bytes() == content


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be written: no such file or directory; choose another file"):
        rewrite(tmp_path / "none" / "odoo.conf", VALUES)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be read: is a directory"):
        rewrite(tmp_path, VALUES)


@pytest.mark.parametrize("kind", ["pipe", "full", "null"])
def test_what_is_no_file_stays_what_it_is(tmp_path: Path, kind: str) -> None:
    """Nobody waits for a pipe, a device has no end, and neither becomes a file."""
    place = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(f"/dev/{kind}")
    before = place.stat()
    with pytest.raises(Unusable, match=f"{kind} is a device or a pipe, and was left as it is; name a file"):
        rewrite(place, VALUES)
    assert (place.stat().st_ino, place.stat().st_mode) == (before.st_ino, before.st_mode)


def test_what_is_longer_than_any_file_of_options_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "prefork.conf"
    file.touch()
    os.truncate(file, LONGEST + 1)
    with pytest.raises(Unusable, match=f"cannot be read: it is longer than {LONGEST} bytes"):
        rewrite(file, VALUES)
    os.truncate(file, 0)
    assert rewrite(file, VALUES) == list(VALUES)


def test_what_this_account_may_not_write_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "odoo.conf"
    file.write_text("workers = 2\n")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything
    with pytest.raises(Unusable, match="cannot be written by this account"):
        rewrite(file, VALUES)


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "odoo.conf"
    file.write_text("workers = 2\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unusable, match="no space left on device; it was left as it is"):
        rewrite(file, VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["odoo.conf"]
    assert file.read_text() == "workers = 2\n"
