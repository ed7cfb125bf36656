"""Odoo's long polls (15) without a thread for each: who has to wait is told so at once, and asked again when the bell has rung."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Callable

    from prefork.worker.hosts.odoo.bell import Bell
    from prefork.worker.live.called import Answer

KEY = "prefork.watch"  # in the environ


class Watch:
    """One request: fulfils `worker/live/called.py`. `answered` has Odoo's application answer it, given this."""

    def __init__(self, ring: Callable[[], None], bell: Bell, answered: Callable[[Watch], Answer]) -> None:
        self.ring = ring
        self.bell = bell
        self.answered = answered
        self.waits = False

    def ask(self) -> Answer:
        """Have Odoo answer as things are now."""
        self.waits = False
        answer = self.answered(self)
        answer.close()
        return answer

    def leave(self) -> None:
        """Nothing more is asked."""
        self.bell.detach(self)


def adapt(bell: Bell) -> None:
    """Have Odoo's long polls in this process answer at once."""
    import odoo

    bus: Any = importlib.import_module("odoo.addons.bus.models.bus")

    def poll(dbname: str, channels: Any, last: int, options: Any = None, timeout: Any = None) -> Any:  # noqa: ARG001 - Odoo's
        watch: Watch = odoo.http.request.httprequest.environ[KEY]
        named = [bus.channel_with_db(dbname, channel) for channel in channels]
        peek = (options or {}).get("peek")
        if not peek:
            bell.attach(watch, map(bus.hashable, named))  # before it looks: what comes in between rings
        with odoo.modules.registry.Registry(dbname).cursor() as cursor:
            environment = odoo.api.Environment(cursor, odoo.SUPERUSER_ID, {})
            notifications = environment["bus.bus"]._poll(named, last, options or {})
        if peek:
            return {"notifications": notifications, "channels": named}
        watch.waits = not notifications
        return notifications

    bus.dispatch.poll = poll
