"""The application's functions in a worker's life: found by name, called with what they are told, never worse than they must be."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from prefork.worker.hooks import HookFailed, Hooks, Worker

WORKER = Worker("http.1", 42, 3)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module whose functions note what they were called with."""
    module: Any = ModuleType("shop")
    module.calls = []
    module.connect = module.calls.append
    module.engine = SimpleNamespace(dispose=module.calls.append)
    module.NAME = "shop"
    monkeypatch.setitem(sys.modules, "shop", module)
    return module


def loaded(**settings: str) -> Hooks:
    hooks = Hooks(settings)
    hooks.load()
    return hooks


@pytest.mark.parametrize("name", ["shop:connect", "shop:engine.dispose"])
def test_a_hook_is_told_which_worker_it_is_in(shop: Any, name: str) -> None:
    hooks = loaded(after_fork=name)
    hooks.call("after_fork", WORKER)
    hooks.call("worker_ready", WORKER)
    hooks.leave(WORKER)
    assert shop.calls == [("http.1", 42, 3)]
    assert (shop.calls[0].name, shop.calls[0].pid, shop.calls[0].generation) == WORKER


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("shop:conect", AttributeError, "worker_ready = shop:conect: 'shop' has no attribute 'conect'"),
        ("shop:engine.close", AttributeError, "worker_ready = shop:engine.close: namespace"),
        ("shop:NAME", TypeError, "worker_ready = shop:NAME: str cannot be called"),
        ("shap:connect", ImportError, "worker_ready = shap:connect: No module named 'shap'"),
    ],
)
def test_a_name_that_means_nothing(shop: Any, name: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as raised:
        loaded(after_fork="shop:connect", worker_ready=name)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize("error", [ValueError("no database"), SystemExit(3)])
def test_what_a_hook_raises_is_said_with_its_name(shop: Any, error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(worker: Worker) -> None:
        raise error

    shop.fail = fail
    hooks = loaded(after_fork="shop:fail", worker_exit="shop:fail")
    with pytest.raises(HookFailed, match=f"^after_fork = shop:fail raised {type(error).__name__}: {error}$"):
        hooks.call("after_fork", WORKER)
    assert capsys.readouterr().err == ""
    hooks.leave(WORKER)
    said = capsys.readouterr().err
    assert said.startswith("prefork: worker http.1 (pid 42) leaves, but:\nTraceback")
    assert f"worker_exit = shop:fail raised {type(error).__name__}" in said
