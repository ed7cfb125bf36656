from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from prefork.config import ConfigurationError, Settings, load

Configure = Callable[..., Settings]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Load settings from the text of a file, an environment and flags."""

    def configure(text: str = "", flags: Mapping[str, str] | None = None, **environ: str) -> Settings:
        (tmp_path / "odoo.conf").write_bytes(text.encode())
        return load(Path("odoo.conf"), flags or {}, {"HOME": str(tmp_path), **environ}, tmp_path)

    return configure


@pytest.fixture
def problems(configure: Configure) -> Callable[..., list[str]]:
    """The sentences of everything that is wrong with a configuration."""

    def problems(text: str = "", flags: Mapping[str, str] | None = None, **environ: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            configure(text, flags, **environ)
        return [str(problem) for problem in caught.value.problems]

    return problems
