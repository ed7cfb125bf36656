"""What real processes use in a window."""

import os
import time

from prefork.usage.window import spent


def burn(seconds: float) -> None:
    """Use as much processor time, however long that takes."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_what_a_process_uses_between_the_two_looks_counts() -> None:
    assert 0.05 <= spent([os.getpid()], 0.05, burn)[os.getpid()] < 1.0


def test_who_is_gone_is_left_out() -> None:
    assert spent([4_194_305], 0.0) == {}
