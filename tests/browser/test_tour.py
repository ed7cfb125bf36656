"""The tour through the console of a real server, in a real browser."""

import re
from pathlib import Path

import pytest
from browsing import PATIENCE, complaints_of, log_in
from playwright.sync_api import Browser, Page, expect

from prefork.testing import Load, Request, Server, free_port

APPS = Path(__file__).parent / "apps"
WAIT = 60.0  # seconds for the console to start, on a busy machine


@pytest.mark.timeout(240)
def test_the_tour(browser: Browser) -> None:
    """Log in, read the line that hung, see the load, raise the workers to the plan's limit and no further, get the alert."""
    port = free_port()
    options: dict[str, object] = {"workers": 1, "plan": "base", "limit_time_real": "1s", "alert_incidents": 1, "access_log": False}
    options |= {"console": True, "console_port": port}
    with Server("kiosk:app", app_dir=APPS, **options) as server:
        password = server.wait_for("administrator_made", WAIT)["password"]
        server.wait_for("console_ready", WAIT)
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        complaints = complaints_of(page)

        log_in(page, f"http://127.0.0.1:{port}", password)
        expect(page).to_have_url(re.compile("/instances/default$"))
        hung = server.mark()
        with Load(server.url, lambda _thread, _number: Request("/report", expect=frozenset({504})), threads=1) as report:
            server.wait_for("incident_recorded", WAIT, after=hung)
            report.stop()
        read_the_guilty_line(page)

        page.get_by_role("link", name="Overview").click()
        with Load(server.url, threads=2) as load:
            see_the_chart_move(page)
            raise_the_workers(page)
            outcome = load.stop()
        assert outcome.failed == [], outcome.summary()
        assert len(server.workers()) == 2

        get_the_alert(page)
        assert complaints == []
        context.close()


def see_the_chart_move(page: Page) -> None:
    """Points come by themselves, and the usage of the load is in them."""
    chart = page.locator("[data-chart=usage]")
    expect(chart.locator("canvas")).to_be_visible()
    expect(page.locator("[data-series][data-points]")).to_have_count(1)
    before = int(page.locator("[data-series]").get_attribute("data-points") or 0)
    page.wait_for_function("least => Number(document.querySelector('[data-series]').dataset.points) >= least", arg=before + 2)
    expect(chart.locator(".keys li").first).to_contain_text(re.compile(r"in flight\s*[1-9][\d.]* %"))


def raise_the_workers(page: Page) -> None:
    """As many as the plan has, and not one more."""
    page.get_by_role("link", name="Settings").click()
    workers = page.get_by_label("HTTP workers")
    expect(workers).to_have_value("1")
    workers.fill("3")
    expect(page.locator("#meaning")).to_contain_text("The plan base allows 2 HTTP workers, not 3")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The plan does not include it.")
    expect(workers).to_have_value("3")

    workers.fill("2")
    expect(page.locator("#meaning")).to_contain_text("1 → 2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#progress")).to_have_attribute("data-state", "done")
    expect(page.locator("#state")).to_have_text("running")
    expect(page.locator("#changes").get_by_role("button", name="Undo")).to_be_visible()
    expect(page.get_by_label("HTTP workers")).to_have_value("2")


def read_the_guilty_line(page: Page) -> None:
    """The incident names it."""
    page.get_by_role("link", name="Incidents").click()
    page.locator("tbody th a").first.click()
    expect(page.locator(".guilty")).to_contain_text("kiosk.py")
    expect(page.locator(".guilty")).to_contain_text("write_report")
    expect(page.locator("main")).to_contain_text("GET /report")


def get_the_alert(page: Page) -> None:
    """What hung is one, and names the line; the page gets it by itself."""
    page.get_by_role("link", name="Alerts").click()
    active = page.locator("[aria-labelledby=active]")
    expect(active).to_contain_text("Many incidents", timeout=3 * PATIENCE)
    expect(active).to_contain_text("write_report")
