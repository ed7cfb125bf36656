"""What both applications do outside of their framework: a stream of known bytes, and notes about what was closed."""

import hashlib

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
