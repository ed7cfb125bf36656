"""The cookie that carries a session's id: signed, so that nobody can make one up, and closed to scripts and other sites. Pure.

Over https it is `Secure` and its name begins with `__Host-`, which browsers accept only for this very host, over https: no
neighbouring host and no plain connection can put one there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

ID = re.compile(r"[0-9a-f]{40}")
SHORTEST = 32  # characters of a secret
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Cookie(NamedTuple):
    """A cookie's name, the secrets that sign it (the first one new ones, any of them old ones), and its SameSite."""

    name: str
    secrets: tuple[bytes, ...]
    samesite: str = "Lax"

    def read(self, header: str, secure: bool) -> str | None:
        """The id in a Cookie header, if it carries one that we have signed."""
        wanted = self.named(secure)
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == wanted and (found := self.verified(value)):
                return found
        return None

    def verified(self, value: str) -> str | None:
        """The id in a cookie's value, if the signature is ours."""
        key, _, signature = value.partition(".")
        if not ID.fullmatch(key) or not signature.isascii():
            return None
        return key if any(hmac.compare_digest(sign(key, secret), signature) for secret in self.secrets) else None

    def written(self, key: str, secure: bool, seconds: float) -> str:
        """A Set-Cookie header's value for an id."""
        return self._line(f"{key}.{sign(key, self.secrets[0])}", secure, int(seconds))

    def removed(self, secure: bool) -> str:
        """A Set-Cookie header's value that makes the browser forget it."""
        return self._line("", secure, 0)

    def named(self, secure: bool) -> str:
        """Its name on the wire."""
        return f"__Host-{self.name}" if secure else self.name

    def _line(self, value: str, secure: bool, seconds: int) -> str:
        line = f"{self.named(secure)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={self.samesite}"
        return line + "; Secure" if secure else line


def new_id() -> str:
    """An id that nobody can guess, and a file can be called."""
    return secrets.token_hex(20)


def sign(key: str, secret: bytes) -> str:
    """The signature of an id."""
    digest = hmac.new(secret, b"prefork.session:" + key.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
