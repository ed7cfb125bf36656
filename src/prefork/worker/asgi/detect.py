"""Which of the two interfaces an application has, told from how it can be called. It is not called for that."""

from __future__ import annotations

import inspect
from typing import Any

ASGI, WSGI = "asgi", "wsgi"


def interface(app: Any) -> str:
    """`asgi` for what is called with scope, receive and send, or has to be awaited; `wsgi` for all else that can be called.

    Whatever takes two arguments as well as three, such as `*args`, is WSGI unless it is a coroutine function.
    """
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(type(app), "__call__", None)):  # noqa: B004 - no check
        return ASGI
    return ASGI if takes(app, 3) and not takes(app, 2) else WSGI


def takes(app: Any, count: int) -> bool:
    """Whether something can be called with so many arguments; not when it does not say, as compiled code may not."""
    try:
        inspect.signature(app).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True
