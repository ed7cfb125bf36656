"""What a template does when the system refuses, and how a worker for jobs stands back."""

import errno
import os

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.worker.template import POOLS, Template


def test_where_the_policy_is_forbidden_its_share_of_the_processors_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def forbidden(_pid: int, policy: int, _param: os.sched_param) -> None:
        asked.append(policy)
        raise PermissionError

    monkeypatch.setattr(os, "nice", asked.append)
    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    POOLS["cron"].stand_back()
    assert asked == [19, os.SCHED_IDLE]


@pytest.mark.parametrize("call", ["pipe", "fork"])
def test_a_process_that_the_system_refuses_is_no_end_of_its_template(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """It was: the application had to be imported again, for want of one process."""

    def refused() -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    before = held()
    monkeypatch.setattr(os, call, refused)
    assert Template.fork(Template.__new__(Template), {}, -1) == 0
    assert not opened_since(before)
