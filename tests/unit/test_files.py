"""Files below a directory, and nothing else: whatever a path says, wherever links lead, and whatever changes meanwhile."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.descriptors import held, opened_since

from prefork import files
from prefork.files import Opened, Places, absent, content_type, open_below, relative

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = held()
    yield
    assert not opened_since(before), "descriptors are left open"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """root/ with a file and a directory, secret.txt beside it."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"inside")
    (root / "sub" / "b.txt").write_bytes(b"below")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return root


def read(root: Path | str, path: Path | str) -> bytes:
    opened = open_below(str(root), str(path))
    try:
        return os.pread(opened.descriptor, 100, 0)
    finally:
        os.close(opened.descriptor)


@pytest.mark.parametrize("path", ["a.txt", "./a.txt", "sub/../a.txt", "sub//../../root/a.txt"])
def test_a_file_below(root: Path, path: str) -> None:
    assert read(root, path) == b"inside"
    assert read(root, root / path) == b"inside"
    assert read(f"{root}/", path) == b"inside"


def test_what_is_known_of_it(root: Path) -> None:
    os.utime(root / "a.txt", ns=(0, 1_234_567_890_987_654_321))
    opened = open_below(str(root), "a.txt")
    assert opened.about == (b'"112210f4b16c1cb1-6"', 1_234_567_890, 6)
    assert not os.get_inheritable(opened.descriptor)
    os.close(opened.descriptor)


def test_nothing_was_modified_in_the_future_or_before_time_began(root: Path) -> None:
    for ns in (1 << 62, -(10**9)):
        os.utime(root / "a.txt", ns=(0, ns))
        opened = open_below(str(root), "a.txt")
        assert 0 <= opened.about.modified <= time.time()
        os.close(opened.descriptor)


@pytest.mark.parametrize("path", ["../secret.txt", "sub/../../secret.txt", "/etc/passwd", "../root.txt", "../rooted/x"])
def test_a_file_elsewhere(root: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "root.txt").write_bytes(b"secret")
    (tmp_path / "rooted").mkdir()
    (tmp_path / "rooted" / "x").write_bytes(b"secret")
    with pytest.raises(PermissionError, match="is not below"):
        open_below(str(root), path)


@pytest.mark.parametrize("path", ["nothing", "a.txt/b", "nothing/a.txt", "x" * 300, "loop"])
def test_what_is_not_there(root: Path, path: str) -> None:
    (root / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        open_below(str(root), path)
    assert absent(caught.value)


def test_links(root: Path, tmp_path: Path) -> None:
    (root / "in").symlink_to("sub/b.txt")
    (root / "in-absolute").symlink_to(root / "sub")
    (root / "out").symlink_to(tmp_path / "secret.txt")
    (root / "out-and-in").symlink_to(tmp_path / "back")
    (tmp_path / "back").symlink_to(root / "a.txt")
    (root / "up").symlink_to("..")
    assert read(root, "in") == read(root, "in-absolute/b.txt") == b"below"
    assert read(root, "out-and-in") == read(root, "up/root/a.txt") == b"inside"
    for path in ("out", "up/secret.txt"):
        with pytest.raises(PermissionError):
            open_below(str(root), path)


def test_a_root_that_is_a_link_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(root)
    assert read(tmp_path / "current", "a.txt") == b"inside"
    assert read(tmp_path / "current", root / "a.txt") == b"inside"
    assert read(root, tmp_path / "current" / "a.txt") == b"inside"


def test_a_root_that_is_switched_meanwhile_is_one_or_the_other(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a deployment does, between any two of our steps."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_bytes(b"other!")
    current = tmp_path / "current"
    really = os.open
    for step in range(1, 4):
        current.unlink(missing_ok=True)
        current.symlink_to(root)
        opened = []

        def switch(
            path: str, flags: int, *rest: int, dir_fd: int | None = None, step: int = step, opened: list[str] = opened
        ) -> int:
            opened.append(path)
            if len(opened) == step:
                current.unlink()
                current.symlink_to(other)
            return really(path, flags, *rest, dir_fd=dir_fd)

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", switch)
            assert read(current, "a.txt") == (b"other!" if step == 1 else b"inside")


def test_the_root_of_everything(root: Path) -> None:
    assert read("/", root / "a.txt") == b"inside"
    assert read("/", str(root / "a.txt")[1:]) == b"inside"


@pytest.mark.parametrize("path", ["", ".", "sub", "fifo", "socket", "/dev/null", "/proc/self"])
def test_what_is_no_file_is_looked_at_and_not_opened(root: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a FIFO lets its writer go on, opening a device may rewind a tape."""
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    flags, really = [], os.open

    def watched(path: str, flag: int, *rest: int, dir_fd: int | None = None) -> int:
        flags.append(flag)
        return really(path, flag, *rest, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", watched)
        with pytest.raises((FileNotFoundError, PermissionError)):
            open_below("/" if path.startswith("/") else str(root), path)
    assert all(flag & os.O_PATH for flag in flags)


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_devices_below_a_root_are_no_files(root: Path, kind: int) -> None:
    if os.geteuid() == 0:
        os.mknod(root / "device", kind | 0o600, os.makedev(1, 3))
    else:
        (root / "device").symlink_to("/dev/null")
    with pytest.raises((FileNotFoundError, PermissionError)):
        open_below(str(root), "device")


def test_between_look_and_open_nothing_else_can_take_its_place(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = files.described

    def swap(descriptor: int, path: str) -> object:
        about = look(descriptor, path)
        (root / "a.txt").unlink()
        (root / "a.txt").symlink_to(tmp_path / "secret.txt")
        return about

    monkeypatch.setattr(files, "described", swap)
    assert read(root, "a.txt") == b"inside"


def test_a_directory_that_becomes_a_link_and_back_lets_nothing_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.txt").write_bytes(b"secret")
    link, stop = tmp_path / "link", threading.Event()

    def swap() -> None:
        while not stop.is_set():
            link.symlink_to(tmp_path / "outside")
            os.rename(root / "sub", tmp_path / "aside")
            os.rename(link, root / "sub")
            os.unlink(root / "sub")
            os.rename(tmp_path / "aside", root / "sub")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = {"below": 0, "elsewhere": 0, "absent": 0}
    deadline = time.monotonic() + 30  # the two threads take turns as the machine pleases
    try:
        while time.monotonic() < deadline and not (seen["below"] and seen["elsewhere"] and sum(seen.values()) > 3000):
            try:
                assert read(root, "sub/b.txt") == b"below"
                seen["below"] += 1
            except PermissionError:
                seen["elsewhere"] += 1
            except FileNotFoundError:
                seen["absent"] += 1
    finally:
        stop.set()
        swapper.join()
    assert seen["below"]
    assert seen["elsewhere"], "the race was never run"


def test_errors_that_may_pass_are_no_absence() -> None:
    for number in (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOMEM, errno.ETIMEDOUT, errno.ENOTCONN):
        assert not absent(OSError(number, "said"))
    for number in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        assert absent(OSError(number, "said"))


# URLs.


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (b"a.txt", "a.txt"),
        (b"sub/a%20b.txt", "sub/a b.txt"),
        (b"sub//a.txt", "sub/a.txt"),
        (b"%61.txt", "a.txt"),
        (b"%2561.txt", "%61.txt"),
        (b"gr%C3%B6%C3%9Fe", "größe"),
        (b"sub%2fa.txt", "sub/a.txt"),
        (b"a;b=c", "a;b=c"),
        (b"a\\..\\b", "a\\..\\b"),
        (b"100%", "100%"),
        (b"%zz", "%zz"),
        (b".well-known/x", ".well-known/x"),
        (b"a..b/c.", "a..b/c."),
    ],
)
def test_what_a_path_means(path: bytes, meant: str) -> None:
    assert relative(path) == meant


@pytest.mark.parametrize(
    "path",
    [b"", b"/", b"sub/", b"..", b".", b"../a", b"a/../b", b"a/./b", b"%2e%2e/a", b"%2E%2e%2Fa", b".%2e/a", b"a%2f..%2fb", b"..%2fa",
     b"%2f..%2fa", b".hidden", b"a/.git/config", b"%2ehidden", b".well-known/.secret", b"a%00b", b"a\0b", b"a%2f", b"..."],
)  # fmt: skip
def test_what_could_mean_something_else_is_nothing(path: bytes) -> None:
    assert relative(path) is None


@given(st.lists(st.sampled_from([b".", b"..", b"/", b"%2e", b"%2F", b"%00", b"a", b"\xff", b"%", b"\\", b"%252e"]), max_size=8))
def test_no_spelling_leads_up_or_to_something_hidden(parts: list[bytes]) -> None:
    meant = relative(b"".join(parts))
    if meant is not None:
        assert not meant.startswith("/")
        assert not meant.endswith("/")
        assert "\0" not in meant
        assert not any(segment.startswith(".") or not segment for segment in meant.split("/"))


def test_any_bytes_make_the_name_they_are(root: Path) -> None:
    name = os.fsdecode(b"\xff\xfe")
    (root / name).write_bytes(b"inside")
    meant = relative(b"%FF%fe")
    assert meant
    assert read(root, meant) == b"inside"


def test_the_longest_prefix_counts() -> None:
    places = Places((("/static", "/one"), ("/static/sub/", "/two"), ("/other", "/three")))
    assert places.find(b"/static/a") == ("/one", "a")
    assert places.find(b"/static/sub/a") == ("/two", "a")
    assert places.find(b"/static/sub/deep/a") == ("/two", "deep/a")
    assert places.find(b"/static/sub") == ("/one", "sub")
    assert places.find(b"/static/subtle/a") == ("/one", "subtle/a")
    assert places.find(b"/other/") == ("/three", None)
    assert places.find(b"/other/../static/a") == ("/three", None)
    for path in (b"/static", b"/statics/a", b"/", b"", b"*", b"static/a", b"http://h/static/a", b"/STATIC/a"):
        assert places.find(path) is None


def test_the_root_prefix_has_what_no_other_has() -> None:
    places = Places((("/", "/all"), ("/static", "/one")))
    assert places.find(b"/a/b") == ("/all", "a/b")
    assert places.find(b"/static/a") == ("/one", "a")
    assert places.find(b"/") == ("/all", None)
    assert places.find(b"*") is None


# Media types.


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", b"text/plain; charset=utf-8"),
        ("a.css", b"text/css; charset=utf-8"),
        ("a.json", b"application/json; charset=utf-8"),
        ("a.svg", b"image/svg+xml; charset=utf-8"),
        ("a.png", b"image/png"),
        ("a.tar.gz", b"application/gzip"),
        ("a.css.gz", b"application/gzip"),
        ("a.txt.bz2", b"application/octet-stream"),
        ("a.unheard", b"application/octet-stream"),
        ("a", b"application/octet-stream"),
        ("", b"application/octet-stream"),
        ("data:text/html,a", b"application/octet-stream"),
        ("//[x/a.png", b"image/png"),
        ("a.b:c.png", b"image/png"),
    ],
)
def test_media_types(name: str, kind: bytes) -> None:
    assert content_type(name) == kind
    assert content_type(f"/srv/files/{name}") == kind


@given(st.text(max_size=30))
def test_every_name_has_a_type(name: str) -> None:
    assert b"/" in content_type(name)


def test_what_is_opened_is_the_callers(root: Path) -> None:
    opened = open_below(str(root), "a.txt")
    assert isinstance(opened, Opened)
    os.remove(root / "a.txt")
    assert os.pread(opened.descriptor, 10, 0) == b"inside"
    os.close(opened.descriptor)
