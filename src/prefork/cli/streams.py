"""The standard streams of a command: closed ones lead nowhere, and what cannot be written there is told from all other errors.

A server on a full disk fails elsewhere, with the same words of the system.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))  # by their descriptors
FULL = frozenset((EDQUOT, EFBIG, EIO, ENOSPC))  # a disk that is full or broken, or a terminal that has gone


class Unwritten(OSError):
    """A standard stream takes no more. Nothing else raises it."""


class Output:
    """A standard stream whose errors are its own: all else is the stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream. Raises Unwritten."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise told_apart(error) from None

    def flush(self) -> None:
        """As the stream. Raises Unwritten."""
        try:
            self._stream.flush()
        except OSError as error:
            raise told_apart(error) from None


def told_apart(error: OSError) -> OSError:
    """The error of a stream. That its reader has left is nobody's fault, and click's to know."""
    return Unwritten(error.errno, error.strerror) if error.errno in FULL else error


@contextmanager
def watched() -> Iterator[None]:
    """Have output and error raise errors of their own for a while."""
    before = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    own = {name: Output(stream) for name, stream in before.items()}
    for name, output in own.items():
        setattr(sys, name, output)
    try:
        yield
    finally:
        for name, stream in before.items():
            if getattr(sys, name) is own[name]:  # click puts its own there when a reader has left
                setattr(sys, name, stream)


def open_all() -> None:
    """Have input, output and error lead nowhere where they are closed: what is opened first would take their place."""
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def end(error: Unwritten) -> NoReturn:
    """End because the output takes no more. What is left of it must not be tried again at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    click.echo(f"prefork: the output cannot be written: {(error.strerror or str(error)).lower()}", err=True)
    sys.exit(1)
