"""Puts a page together: the templates, and what they can use. The gate's headers keep everything else out of it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from prefork import __version__
from prefork.console.pages.stack import culprit
from prefork.console.pages.words import FILTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.instances.roles import Visitor

STATIC = Path(__file__).parents[1] / "static"
VENDOR = STATIC / "vendor"
UNBUILT = "The console's pages were not built, because npm was missing: install it and run make setup again. The API works."


def current(here: str, link: str) -> Markup:
    """Marks the link that leads to where one is."""
    return Markup('aria-current="page"') if here == link else Markup("")


@cache
def asset(name: str) -> str:
    """The address of a file, another one when its content is another: so browsers may keep it for good."""
    file = STATIC / name
    mark = hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.exists() else "missing"
    return f"/static/{name}?{mark}"


environment = Environment(
    loader=PackageLoader("prefork.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
environment.filters.update(FILTERS, culprit=culprit)
environment.globals.update(asset=asset, current=current, version=__version__, section="", visitor=None)


def page(
    template: str, visitor: Visitor | None, code: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """An answer for a browser. Without the built files it is a sentence: never a page that looks broken."""
    if not VENDOR.is_dir():
        return HTMLResponse(UNBUILT, code if code >= 400 else 503, headers)
    return HTMLResponse(environment.get_template(template).render(visitor=visitor, **values), code, headers)
