"""How a worker for jobs stands back."""

import os

import pytest

from prefork.worker.template import POOLS


def test_where_the_policy_is_forbidden_its_share_of_the_processors_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def forbidden(_pid: int, policy: int, _param: os.sched_param) -> None:
        asked.append(policy)
        raise PermissionError

    monkeypatch.setattr(os, "nice", asked.append)
    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    POOLS["cron"].stand_back()
    assert asked == [19, os.SCHED_IDLE]
