"""What both applications do outside of their framework: a stream of known bytes, and notes about what was closed."""

import asyncio
import hashlib
import os
import time

PART = b"0123456789abcdef" * 4096


def note(file, line):
    """Tell the test what has happened."""
    with open(file, "a") as trace:
        trace.write(f"{line}\n")


def parts(file, count):
    """`count` parts, without end when it is negative; noted when it is closed or used up."""
    sent = 0
    try:
        while sent != count:
            yield PART
            sent += 1
    finally:
        note(file, "generator closed")


async def end(file):
    """Wait until the test lets it end, and note it."""
    while not os.path.exists(f"{file}.go"):  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.01)
    note(file, "done")


def pauses(until):
    """Pauses, one after the other: one of so many seconds, or short ones until the test makes a file of this name."""
    if not until.startswith("/"):
        yield float(until)
        return
    while not os.path.exists(until):
        yield 0.01


def block(until):
    """Make them in a thread."""
    for pause in pauses(until):
        time.sleep(pause)


async def linger(until):
    """Make them on a loop."""
    for pause in pauses(until):
        await asyncio.sleep(pause)


def torn():
    """One part, then an exception."""
    yield PART
    raise LookupError("torn")


def facts(uploaded):
    """Size and digest of an uploaded file."""
    digest, size = hashlib.sha256(), 0
    while data := uploaded.read(65536):
        digest.update(data)
        size += len(data)
    return {"size": size, "digest": digest.hexdigest()}
