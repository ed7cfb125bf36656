"""Tracebacks begin where the application does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from prefork.worker.hosts.named import Named
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from pathlib import Path


def told(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    name = f"application_of_{folder.name}"
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(Exception) as caught:
        Named(f"{name}:app").load()
    own = caught.value.__traceback__
    assert own
    caught.value.__traceback__ = own.tb_next  # without the frame of this test, which is nobody's in a template
    return trace(caught.value).splitlines()


def test_an_import_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(tmp_path, "import json\njson.loads('{')\n", monkeypatch)
    assert lines[0] == "Traceback (most recent call last):"
    assert f"application_of_{tmp_path.name}.py" in lines[1]
    assert any("json" in line and "decoder.py" in line for line in lines), "what the application called is told"
    assert lines[-1].startswith("json.decoder.JSONDecodeError")


def test_code_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(tmp_path, "def app(:\n", monkeypatch)
    assert f"application_of_{tmp_path.name}.py" in lines[0]
    assert lines[-1].startswith("SyntaxError")
    assert not any("prefork" in line for line in lines)
