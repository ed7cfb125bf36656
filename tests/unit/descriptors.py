"""What this process holds open, asked by tests that must leave nothing behind.

They compare by what is *new*: a socket that an earlier test left in a cycle is closed whenever the collector comes by, and the
listing itself holds the lowest free number.
"""

import gc
import os


def held() -> set[str]:
    """The numbers of the open descriptors; the listing's own is among them."""
    return set(os.listdir("/proc/self/fd"))


def held_for_good() -> set[str]:
    """The same, once no garbage is left: what a test that counts has to begin with."""
    gc.collect()
    return held()


def opened_since(before: set[str]) -> set[str]:
    return held() - before
