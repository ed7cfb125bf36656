"""The settings on their way to the dispatcher: they arrive as they were sent, also in types, which compiled code insists on."""

from __future__ import annotations

import json

from prefork.dispatcher.options import Options
from prefork.lanes import Lane

from .conftest import OPTIONS


def test_what_arrives_equals_what_was_sent() -> None:
    options = OPTIONS._replace(
        lanes=(Lane("slow", ("/reports/*",), 1, 2),),
        limit_time_real_routes=(("/mark*", 1.0), ("/subp*", 0.0)),
        static=(("/files", "/srv/files"),),
        addons=(("web", "/srv/web"),),
    )
    assert Options.received(json.loads(json.dumps(options.sent()))) == options
