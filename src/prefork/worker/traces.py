"""Tracebacks of the application's exceptions, as its developer wants to read them: without the frames above the application's."""

from __future__ import annotations

import importlib
import os
import traceback
from typing import TYPE_CHECKING

from prefork.worker.app import Refused

if TYPE_CHECKING:
    from types import TracebackType

OURS = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep, str(importlib.__file__), "<frozen importlib.")


def trace(error: BaseException) -> str:
    """The traceback of an exception, from the first frame that is the application's."""
    return "".join(traceback.format_exception(type(error), error, below(error.__traceback__)))


def below(frames: TracebackType | None) -> TracebackType | None:
    """The part of a traceback below our own calls; none where the application had not begun, as with a syntax error."""
    while frames and frames.tb_frame.f_code.co_filename.startswith(OURS):
        frames = frames.tb_next
    return frames


def sentence(error: BaseException) -> str:
    """What an exception says, with its type; one that refuses says all by itself."""
    if isinstance(error, Refused):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
