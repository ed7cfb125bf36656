"""Heads as proxies may pass them on, out of few parts, so that many of them are alike but for what stands in a line, or in none."""

from __future__ import annotations

import hypothesis.strategies as st

NAMES = [
    b"X-Forwarded-For:", b"x-forwarded-FOR:", b"X-Real-IP:", b"X-Request-ID:", b"X-Forwarded-Proto:", b"X-Forwarded-Host:",
    b"X-Forwarded-For :", b"X_Real_IP:", b"XX-Real-IP:", b"Forwarded:", b"Accept:", b" X-Real-IP:", b"",
]  # fmt: skip
VALUES = [
    b"", b" ", b" 192.0.2.1", b"192.0.2.1", b" 192.0.2.2, 10.0.0.1", b" 10.0.0.1,127.0.0.1", b" 2001:db8::1", b" fe80::1%x",
    b" https", b" a", b"  a", b" a ", b" a b", b" a,b", b" a\tb", b"\ta", b" \0", b" \1", b" caf\xe9", b" " + b"x" * 128,
    b" " + b"x" * 129, b" a\rb", b" a\nX-Real-IP: b",
]  # fmt: skip
LINE = st.builds(bytes.__add__, st.sampled_from(NAMES), st.sampled_from(VALUES))


@st.composite
def forwarded(draw: st.DrawFn) -> bytes:
    """One head, whole; some are refused."""
    target = draw(st.sampled_from([b"/", b"/", b"http://other/x"]))
    lines = draw(st.lists(LINE, max_size=4))
    lines.insert(draw(st.integers(0, len(lines))), b"Host: h")
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, *lines, b"", b""])
