"""What the master orders, carried out: workers come and go, settings change, the server stops."""

from __future__ import annotations

import select
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.dispatcher.live import Keeper
from prefork.dispatcher.loops import EventLoop
from prefork.dispatcher.options import Options
from prefork.dispatcher.workers import Sentence, Worker

if TYPE_CHECKING:
    from prefork.dispatcher.loop import Dispatcher


class Orders:
    """One at a time."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def carry_out(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Do what an order says with the descriptors that came with it."""
        kind = order["kind"]
        if kind == "add":
            self._add(order, descriptors)
        elif kind == "retire":
            if (worker := self.dispatcher.traffic.worker(order["slot"])) is not None:
                self.dispatcher.traffic.departures.retire(worker)
        elif kind == "condemn":
            self._condemn(order)
        elif kind == "options":
            self.dispatcher.traffic.apply(Options.received(order["options"]))
        elif kind == "log":
            self._switch_log(descriptors[0])
        elif kind == "give up":
            self.dispatcher.traffic.give_up(order["reason"])
        elif kind == "drain":
            self.dispatcher.traffic.draining = True
            self.dispatcher.drain.begin(order["delay"], order["timeout"])

    def _switch_log(self, log: int) -> None:
        self.dispatcher.journal.sink.replace(log)  # which makes it our standard error
        for worker in self.dispatcher.traffic.everybody():
            if worker.loop is None or worker is worker.loop.places[0]:
                worker.log_to(2)

    def _condemn(self, order: dict[str, Any]) -> None:
        worker = self.dispatcher.traffic.worker(order["slot"])
        if worker is None or worker.pid != order["pid"]:
            # It has left, or its death is on its way to the master.
            self.dispatcher.channel.send("acquitted", slot=order["slot"], pid=order["pid"])
        elif self.dispatcher.traffic.departures.condemn(
            worker, order["number"], Sentence(order["status"], order["reason"], order["incident"])
        ):
            request = worker.exchange.described(worker.slot) if worker.exchange else None
            self.dispatcher.wires.tell_master("condemned", worker, request=request)
        else:
            self.dispatcher.wires.tell_master("acquitted", worker)

    def _add(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """A worker is ready: the end of its pair, its pidfd, and the counters of its control group where it has one."""
        if order["places"]:
            self._add_loop(order, descriptors)
            return
        wire, pidfd, *rest = descriptors
        counters = rest[0] if rest else None
        slot = self.dispatcher.scoreboard.slot(order["slot"])
        kind = Keeper if order["pool"] == "websocket" else Worker
        worker = kind(order["slot"], order["name"], order["pid"], slot, socket.socket(fileno=wire), pidfd, counters)
        if isinstance(worker, Keeper):
            worker.speaks = order["speaks"]
        self.dispatcher.poller.watch(wire, partial(self.dispatcher.wires.listen, worker), select.EPOLLIN)
        self.dispatcher.poller.watch(pidfd, partial(self.dispatcher.wires.lost, worker), select.EPOLLIN)
        worker.log_to(2)  # it may have been forked before a rotation and be introduced after it
        self.dispatcher.traffic.add(worker)

    def _add_loop(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """One with an event loop, and the ends of all its pairs."""
        first, size = order["slot"], order["places"]
        wires, (pidfd, *rest) = descriptors[:size], descriptors[size:]
        counters = rest[0] if rest else None
        self.dispatcher.door.leave_room(size)
        loop = EventLoop(first, size, order["pid"], self.dispatcher.scoreboard.slot(first), pidfd, counters)
        self.dispatcher.poller.watch(pidfd, partial(self.dispatcher.wires.lost_loop, loop), select.EPOLLIN)
        for number, wire in enumerate(wires, first):
            slot = self.dispatcher.scoreboard.slot(number)
            worker = Worker(number, order["name"], order["pid"], slot, socket.socket(fileno=wire), pidfd, counters)
            worker.loop = loop
            loop.places.append(worker)
            self.dispatcher.poller.watch(wire, partial(self.dispatcher.wires.listen, worker), select.EPOLLIN)
        loop.places[0].log_to(2)
        for worker in list(loop.places):
            self.dispatcher.traffic.add(worker)
