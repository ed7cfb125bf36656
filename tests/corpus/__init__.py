"""Requests that servers have been deceived with, and their honest neighbours: smuggling, desync, other protocols.

Written from RFC 9110 and 9112 and from what is published about request smuggling (CL.TE, TE.CL, TE.TE, CL.0, 0.CL, TE.0, TERM.EXT).
The rule behind every entry: what two readers could understand in two ways is refused, and nothing behind it is read as a request.
"""

from __future__ import annotations

from . import chunking, framing, heads, requests
from .case import NEXT, SMUGGLED, Case, Seen

CASES: dict[str, Case] = {**framing.CASES, **chunking.CASES, **heads.CASES, **requests.CASES}

__all__ = ["CASES", "NEXT", "SMUGGLED", "Case", "Seen"]
