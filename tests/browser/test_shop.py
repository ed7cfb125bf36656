"""Two visitors of the example shop in a real browser: what one says the other reads, also across a reload, and stock is live."""

import json
from pathlib import Path

import psycopg
import pytest
from browsing import NARROW, WIDE
from click.testing import CliRunner, Result
from facts import await_fact
from playwright.sync_api import Browser, Page, Route, expect
from tests.conftest import ROOT

import prefork
from prefork.cli import main
from prefork.config.embedded import address_in
from prefork.testing import Server

SHOP = ROOT / "examples" / "shop"


def arrive(page: Page, server: Server, target: str) -> Page:
    """Open a page and wait until it listens."""
    page.goto(server.url + target)
    listens(page)
    return page


def listens(page: Page) -> None:
    page.wait_for_selector("html[data-live=open]", state="attached", timeout=30_000)


def say(page: Page, who: str, text: str) -> None:
    page.get_by_label("Your name").fill(who)
    page.get_by_label("What you want to say").fill(text)
    page.get_by_role("button", name="Say").click()


def jobs(server: Server, *words: str) -> Result:
    """What a command about jobs ends with."""
    return CliRunner().invoke(main, ["jobs", *words, "-c", server.configuration])


def counted(server: Server) -> bool:
    """Whether the stock has been counted, of all at the first time."""
    found = jobs(server, "history", "shop.jobs.restock", "--json")
    return found.exit_code == 0 and any(run["outcome"] == "done" for run in json.loads(found.output))


@pytest.mark.timeout(120)
def test_visitors_talk_across_a_reload_and_see_the_stock_change(browser: Browser) -> None:
    live = {"websocket_workers": 1, "websocket_authorize": "shop.live:authorize", "websocket_farewell": "1s", "jobs": "shop.jobs"}
    server = Server("shop:create_app()", app_dir=SHOP, python=SHOP / ".venv/bin/python", **live)
    with server, browser.new_context(viewport=WIDE) as one, browser.new_context(viewport=NARROW) as other:
        server.wait_for("database_ready", 30)
        ada, tine = (arrive(context.new_page(), server, "/chat") for context in (one, other))
        fork = arrive(one.new_page(), server, "/products/cake-fork")
        say(ada, "Ada", "Which fork for <b>cheesecake</b>?")
        expect(tine.get_by_text("Which fork for <b>cheesecake</b>?")).to_be_visible()
        server.reload()
        say(tine, "Tine", "The cake fork.")
        expect(ada.get_by_text("The cake fork.")).to_be_visible()
        for page in (ada, tine):
            listens(page)
            expect(page.locator("[data-line]")).to_have_count(2)
        shelf = fork.locator("[data-stock=cake-fork]").first
        await_fact(lambda: "shop.jobs.restock" in jobs(server, "list").output, "the jobs are declared", server)
        assert jobs(server, "run", "shop.jobs.restock").exit_code == 0
        await_fact(lambda: counted(server), "the stock is counted", server, 60)
        expect(shelf).to_contain_text("in stock")


@pytest.mark.timeout(120)
def test_a_page_hears_of_what_changed_while_it_was_loaded(browser: Browser) -> None:
    live = {"websocket_workers": 1, "websocket_authorize": "shop.live:authorize", "jobs": "shop.jobs"}
    server = Server("shop:create_app()", app_dir=SHOP, python=SHOP / ".venv/bin/python", **live)
    with server, browser.new_context(viewport=WIDE) as context:
        server.wait_for("database_ready", 30)
        await_fact(lambda: counted(server), "the stock is counted", server, 60)

        def change(route: Route) -> None:
            """The page is there, and cannot listen yet."""
            with psycopg.connect(address_in(Path(server.data_dir)), autocommit=True) as connection:
                prefork.bus.publish(connection, "stock", {"product": "cake-fork", "pieces": 7})
            route.continue_()

        page = context.new_page()
        page.route("**/bus.js", change)
        page.goto(server.url + "/products/cake-fork")
        expect(page.locator("[data-stock=cake-fork]").first).to_have_text("7 in stock")
