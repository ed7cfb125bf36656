"""A server that is run under a plan has no more HTTP workers than it allows, whoever asks."""

import signal

from .conftest import Echo


def test_a_plan_bounds_signal_and_command_but_neither_jobs_nor_a_step_back(echo: Echo) -> None:
    with echo(workers=2, plan="base") as server:
        server.signal(signal.SIGTTIN)
        refused = server.wait_for("scale_refused")
        assert (refused["level"], refused["workers"]) == ("warning", 3)
        assert refused["reason"] == "the plan base allows 2 HTTP workers, not 3; change the option plan and reload"
        answer = server.ask({"command": "scale", "workers": 3})
        assert (answer["ok"], answer["error"]) == (False, refused["reason"])
        server.signal(signal.SIGTTOU)
        assert server.wait_for("scaled")["workers"] == 1
        assert server.ask({"command": "scale", "workers": 2})["ok"]
