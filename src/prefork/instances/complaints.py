"""What is wrong with a server that answers, from its status, in words. Pure; what is wrong for longer is an alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVING = ("running", "reloading")


def complaints(status: Mapping[str, Any]) -> Iterator[str]:
    """One after the other; none where all is as it should be."""
    if status["state"] not in SERVING:
        yield f"the server is {status['state']}"
    if status["ready"] < status["wanted"]:
        yield f"{status['ready']} of {status['wanted']} workers are ready"
    if loop := status["crash_loop"]:
        yield f"workers failed at their start {loop['failures']} times in a row"
    longest = max((lane["waiting"] for lane in status["lanes"]), default=0)  # each lane has so many places of its own
    if longest >= status["queue"]["size"]:
        yield f"the queue is full with {longest} requests"
