"""The application of hello.py with a bus on which everybody may hear everything."""

from typing import Any

from hello import app

__all__ = ["app"]


def authorize(environ: dict[str, Any], channels: frozenset[str]) -> bool:
    """May these be heard?"""
    del environ, channels
    return True
