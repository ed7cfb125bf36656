"""A visitor whose session is in Redis goes on while each application node is lost in turn, and then the node of Redis."""

import json
import threading
import time
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path

from tests.lab.rig import Rig, rigged, tell

from prefork.lab.door import Away, Door, Visitor, door, trusting
from prefork.lab.listener import AGAIN

HELD = 6.0  # seconds that a node is away, and that all is well between two blows
NODES = ("app1", "app2")


class Stroller(threading.Thread):
    """One visitor, one page after the other with the same cookie; `counts` are which visits the pages said they were."""

    def __init__(self, place: Door) -> None:
        super().__init__(daemon=True)
        self.place, self.trust, self.over = place, trusting(), threading.Event()
        self.cookie, self.begun, self.refused = "", 0, 0
        self.counts: list[int] = []

    def run(self) -> None:
        """Visit until it is over."""
        while not self.over.wait(AGAIN / 3):
            try:
                self.visit()
            except Away:
                pass  # which the edge is judged for elsewhere
            except (OSError, HTTPException):
                self.refused += 1

    def visit(self) -> None:
        """Ask for one page. Raises Away, OSError, HTTPException."""
        visitor = Visitor(self.place, self.trust)
        try:
            visitor.request("GET", "/visit", headers={"Connection": "close", "Cookie": self.cookie})
            answer = visitor.getresponse()
            said = answer.read()
        finally:
            visitor.close()
        if answer.status != 200:
            self.refused += 1
            return
        if given := answer.getheader("Set-Cookie"):
            self.cookie, self.begun = given.partition(";")[0], self.begun + 1
        self.counts.append(json.loads(said))

    def stop(self) -> None:
        """End, with the page that is under way."""
        self.over.set()
        self.join()


def run(place: Path) -> tuple[str, list[str]]:
    """One visitor for all of it, and what of its session was lost."""
    with rigged(place) as rig:
        stroller = Stroller(door(rig.estate))
        stroller.start()
        for name in NODES:
            lose(rig, name)
        seen, refused = len(stroller.counts), stroller.refused
        lose(rig, rig.having("sessions")[0].name)
        rig.await_fact(lambda: len(stroller.counts) > seen + 10, "the visitor is let in again")
        stroller.stop()
    counts = stroller.counts
    back = [later for earlier, later in pairwise(counts) if later <= earlier]
    tell(f"{len(counts)} visits, the last one is number {counts[-1]}, {refused} and {stroller.refused - refused} refused")
    text = (
        f"A visitor reads one page after the other; the session, in Redis, counts them. While both application nodes were lost in "
        f"turn {refused} of {seen + refused} pages failed. While the node of Redis was lost {stroller.refused - refused} were "
        f"answered 503, and then the session was there again: of {len(counts)} visits it had counted {counts[-1]}, and was begun "
        f"{'once' if stroller.begun == 1 else f'{stroller.begun} times'}."
    )
    wrong = [f"{refused} pages failed while application nodes were lost"] if refused else []
    wrong += [f"the session was begun {stroller.begun} times"] if stroller.begun != 1 else []
    return text, wrong + ([f"the session forgot visits: {back}"] if back else [])


def lose(rig: Rig, name: str) -> None:
    """A node loses its power for a while."""
    rig.kill(name)
    time.sleep(HELD)
    rig.start(name)
    rig.await_well()
    time.sleep(HELD)
