"""The console's application: its routes behind the gate, over one desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from prefork import __version__
from prefork.console import api, login, problems, relay, scrape
from prefork.console.api.examples import fill
from prefork.console.desk import Desk
from prefork.console.gate import Gate
from prefork.console.pages.own import Own
from prefork.console.pages.routes import routes
from prefork.instances import changes, provisions

if TYPE_CHECKING:
    from prefork.instances.database import Database
    from prefork.provision.premises import Premises

API = "/api/v1"
ABOUT = (
    "Every call takes a token (`Authorization: Bearer …`) or the cookie of a login. Errors are `application/problem+json` "
    "(RFC 9457), lists have `items` and the cursor `next`, 20 requests a second are answered."
)


class Application(FastAPI):
    """One whose document has examples."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        return super().openapi() if self.openapi_schema else fill(super().openapi())


def create(db: Database, *, insecure: bool = False, premises: Premises | None = None) -> FastAPI:
    """The application over what a database has. What an earlier console has begun is nobody's any more."""
    changes.abandon(db)
    provisions.abandon(db)
    desk = Desk(db, insecure, premises)
    # Its own pages about the API would load scripts from elsewhere.
    app = Application(
        title="Prefork", version=__version__, description=ABOUT, openapi_url=f"{API}/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.desk = desk
    problems.install(app)
    relay.install(app)
    app.include_router(login.router)
    app.include_router(scrape.router)
    app.include_router(api.router, prefix=API)
    app.state.source = lambda request, visitor: Own(request, desk, visitor)
    app.router.routes.extend(routes())
    app.add_middleware(Gate, desk=desk)
    return app
