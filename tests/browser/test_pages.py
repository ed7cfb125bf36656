"""Each page in a browser: nothing to complain about, nothing from elsewhere, nothing too wide; hostile text stays text."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from browsing import NARROW, WIDE, Shown, complaints_of
from invented import Invented, InventedProvisions, InventedUsers
from pages import PAGES
from playwright.sync_api import Browser, Response, expect

from prefork.instances.logs import Line

Show = Callable[[Invented], Shown]
LARGEST = 150 << 10  # bytes of the first page, as they are sent
MARKUP = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"'}}{{7*7}}"""


@pytest.mark.parametrize(("window", "empty"), [(WIDE, False), (NARROW, False), (NARROW, True)], ids=["wide", "narrow", "empty"])
def test_no_page_gives_a_browser_anything_to_complain_about(browser: Browser, show: Show, window: Any, empty: bool) -> None:
    """Neither scripts that fail nor what the policy forbids, no request to another host, nothing that is wider than the window."""
    shown = show(Invented(time.time(), empty))
    with browser.new_context(viewport=window) as context:
        page = shown.enter(context)
        complaints, hosts = complaints_of(page), set[str]()
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        looked_at = {
            name: path
            for name, path in PAGES.items()
            if not empty or path.startswith(("/alerts", "/account", "/instances/default"))
        }
        for name, path in looked_at.items():
            page.goto(shown.url + path)
            expect(page.locator("h1, h2").first).to_be_visible()
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= window["width"], f"{name} is {wide} pixels wide"
        assert complaints == []
        assert hosts == {shown.url.split("/")[2]}


class HostileProvisions(InventedProvisions):
    """The same of instances that the console runs."""

    def find(self, identity: str) -> Any:
        found = super().find(identity)
        if found is None:
            return None
        work = {"message": f"{MARKUP}\n{MARKUP}", "step": MARKUP, "who": MARKUP}
        told = {"directory": MARKUP, "ended_how": MARKUP, "failures": 1, "ended_at": self.now}
        works = {"work": found["work"] | work, "works": [each | work for each in found["works"]]}
        return found | told | works | {"run": found["run"] | {"app": MARKUP, "app_dir": MARKUP, "python": MARKUP}}


class HostileUsers(InventedUsers):
    """People with such names, and what they have done."""

    def listed(self) -> list[dict[str, Any]]:
        return [row | {"name": MARKUP} for row in super().listed()]

    def audit(self, before: int | None) -> Any:
        entries, older = super().audit(before)
        told = {"who": MARKUP, "client": MARKUP, "action": MARKUP, "instance": MARKUP, "details": {MARKUP: [MARKUP]}}
        return [row | told for row in entries], older


class Hostile(Invented):
    """All that others have a say in contains markup."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.provisions = HostileProvisions(now)
        self.users = HostileUsers(now)

    def rows(self) -> list[dict[str, Any]]:
        return [row | {"name": MARKUP, "application": MARKUP, "error": MARKUP} for row in super().rows()]

    def status(self, identity: str) -> Any:
        found = super().status(identity)
        return found | {"workers": [row | {"job": MARKUP, "name": f"http.1 {MARKUP}"} for row in found["workers"]]}

    def stacks(self, identity: str, worker: str) -> Any:
        return super().stacks(identity, worker) | {"stacks": f'  File "/srv/{MARKUP}.py", line 7 in {MARKUP}\n', "worker": MARKUP}

    def incidents(self, identity: str) -> Any:
        request = {"method": MARKUP, "target": f"/{MARKUP}", "client": MARKUP, "id": MARKUP, "attempt": 1, "tag": MARKUP}
        children = [{"pid": 1, "name": MARKUP, "memory": 1}]
        more: dict[str, Any] = {"request": request, "children": children, "cause": MARKUP, "reason": MARKUP, "advice": MARKUP}
        stacks = f'  File "/srv/{MARKUP}.py", line 7 in {MARKUP}\n'
        return [replace(each, worker=MARKUP, node=MARKUP, stacks=stacks, **more) for each in super().incidents(identity)]

    def jobs(self, identity: str) -> Any:
        return [row | {"schedule": MARKUP, "tz": MARKUP} for row in super().jobs(identity)]

    def routes(self, identity: str) -> Any:
        return [row | {"method": MARKUP, "path": f"/{MARKUP}", "tips": [MARKUP]} for row in super().routes(identity)]

    def log(self, identity: str, level: str, text: str) -> Any:
        return [line._replace(text=MARKUP) for line in super().log(identity, level, text)]

    def series(self, identity: str, span: str) -> Any:
        found = super().series(identity, span)
        samples = [sample | {"memory": {"workers": {MARKUP: 1 << 20}, "mean": 0, "most": 0}} for sample in found["samples"]]
        return found | {"samples": samples, "marks": [{"at": self.now - 60, "kind": "reload", "text": MARKUP}]}

    def alerts(self) -> Any:
        found = super().alerts()
        return found | {"active": [row | {"title": MARKUP, "text": MARKUP, "instance": MARKUP} for row in found["active"]]}

    def tokens(self) -> Any:
        return [row | {"name": MARKUP} for row in super().tokens()]


class Gone(Invented):
    """Somebody has measured up to ten minutes ago, and now there is one point more."""

    def series(self, identity: str, span: str) -> Any:
        found = super().series(identity, span)
        return found | {"samples": [sample for sample in found["samples"] if 600 < self.now - sample["at"] < 3000]}

    async def live(self, identity: str) -> AsyncIterator[tuple[str, Any]]:
        yield "sample", self.sample(time.time(), 30)
        await asyncio.Event().wait()


def test_where_nobody_has_measured_no_line_leads_on_to_the_next_point(browser: Browser, show: Show) -> None:
    gone = Gone(time.time())
    shown = show(gone)
    with browser.new_context(viewport=NARROW) as context:
        page = shown.enter(context)
        page.goto(shown.url + "/instances/default?range=1h")
        known = len(gone.series("default", "1h")["samples"])
        expect(page.locator("[data-series]")).to_have_attribute("data-points", str(known + 2))


def test_what_is_marked_on_charts_fits_a_narrow_window(browser: Browser, show: Show, invented: Invented) -> None:
    shown = show(invented)
    with browser.new_context(viewport=NARROW) as context:
        page = shown.enter(context)
        page.goto(shown.url + "/instances/default?range=24h")
        expect(page.locator(".marks")).to_contain_text("GET /reports/monthly")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_what_handing_over_costs_is_told_where_there_is_something_to_do(browser: Browser, show: Show, invented: Invented) -> None:
    shown = show(invented)
    with browser.new_context(viewport=NARROW) as context:
        page = shown.enter(context)
        page.goto(shown.url + "/instances/erp")
        expect(page.locator("#figures")).to_contain_text("lend_connections = True: it gives nothing here")
        expect(page.locator("main")).to_contain_text("3.1 % of the requests")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        page.goto(shown.url + "/instances/default")
        expect(page.locator("#figures")).not_to_contain_text("lend_connections")


def test_hostile_text_stays_text(browser: Browser, show: Show) -> None:
    """Names, log lines, stacks, addresses, alerts: whatever others have written is shown as they have written it."""
    shown = show(Hostile(time.time()))
    with browser.new_context(viewport=WIDE) as context:
        page = shown.enter(context)
        complaints = complaints_of(page)
        paths = {
            **PAGES,
            "search": f"/instances/default/log?text={MARKUP}",
            "cause": f"/instances/default/incidents?cause={MARKUP}",
        }
        for name, path in paths.items():
            page.goto(shown.url + path)
            expect(page.locator("h1, h2").first).to_be_visible()
            if name == "overview":
                expect(page.locator("[data-chart=memory] .keys")).to_contain_text("<img src=x")
                expect(page.locator(".marks")).to_contain_text("<script>")
            assert page.locator("img[src=x], script:not([src])").count() == 0, name
            assert "49" not in page.title(), name
            assert page.title() != "owned", name
        assert complaints == []
        page.goto(shown.url + "/instances/default/incidents/9ac1f07e")
        expect(page.locator("main")).to_contain_text(MARKUP)


def test_the_first_page_is_small(browser: Browser, show: Show, invented: Invented) -> None:
    """Everything that a new visitor fetches for the page with all charts, in bytes on the wire."""
    shown = show(invented)
    with browser.new_context(viewport=WIDE) as context:
        page = shown.enter(context)
        page.goto("about:blank")
        sizes: dict[str, int] = {}
        fetched: list[Response] = []
        page.on("response", lambda response: fetched.append(response))
        client = context.new_cdp_session(page)
        client.send("Network.enable")
        client.send("Network.setCacheDisabled", {"cacheDisabled": True})
        client.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
        page.goto(shown.url + "/instances/default")
        expect(page.locator("[data-chart=usage] canvas")).to_be_visible()
        assert any("uplot.js" in response.url for response in fetched)
        assert 20_000 < sum(sizes.values()) <= LARGEST


def test_settings_can_be_saved_and_jobs_run_without_scripts(browser: Browser, show: Show, invented: Invented) -> None:
    """Forms are forms."""
    shown = show(invented)
    with browser.new_context(viewport=NARROW, java_script_enabled=False) as context:
        page = shown.enter(context)
        page.goto(shown.url + "/instances/default/settings")
        page.get_by_label("HTTP workers").fill("9")
        page.get_by_role("button", name="What would it mean?").click()
        expect(page.locator("#meaning")).to_contain_text("The plan base allows 4 HTTP workers, not 9.")
        page.get_by_label("HTTP workers").fill("3")
        page.get_by_role("button", name="Save").click()
        expect(page).to_have_url(re.compile(r"settings\?change=4$"))
        expect(page.get_by_role("status")).to_contain_text("Applying the change")
        page.goto(shown.url + "/instances/default/jobs")
        page.get_by_role("button", name="Run now shop.tasks:reindex").click()
        expect(page.get_by_role("status")).to_contain_text("It runs as soon as a worker for jobs is free.")
        page.goto(shown.url + "/account")
        page.get_by_label("Name").fill("prometheus")
        page.get_by_role("button", name="Make a token").click()
        expect(page.locator(".secret")).to_contain_text("prefork_")


def test_a_new_instance_says_what_it_will_get_while_it_is_typed(browser: Browser, show: Show, invented: Invented) -> None:
    shown = show(invented)
    with browser.new_context(viewport=WIDE) as context:
        page = shown.enter(context)
        complaints = complaints_of(page)
        page.goto(shown.url + "/instances")
        page.get_by_role("button", name="New instance").click()
        page.get_by_label("Name").fill("Wiki")
        page.get_by_label("Id", exact=True).fill("wiki")
        page.get_by_label("Application", exact=True).fill("wiki.wsgi:app")
        expect(page.locator("#prospect")).to_contain_text("8102")
        page.get_by_label("Plan").select_option("free")
        page.get_by_label("HTTP workers").fill("2")
        expect(page.locator("#prospect")).to_contain_text("The plan free allows 1 HTTP worker, not 2.")
        assert complaints == []
        page.get_by_label("HTTP workers").fill("")
        page.get_by_label("Further options").fill("jobs = wiki.jobs")
        page.get_by_role("button", name="Make and start").click()
        expect(page).to_have_url(shown.url + "/instances/wiki/server")
        page.get_by_role("button", name="Start").click()
        page.get_by_label("Its directory").fill("/srv/wiki-2")
        page.get_by_role("button", name="Upgrade").click()
        expect(page.get_by_label("Its directory")).to_have_value("/srv/wiki")
        page.get_by_label("Its data, too").check()
        page.get_by_role("button", name="Delete Wiki").click()
        expect(page).to_have_url(shown.url + "/instances")
    run = {"app": "wiki.wsgi:app", "plan": "free", "options": {"jobs": "wiki.jobs"}}
    assert invented.provisions.asked == [
        ("make", "wiki", "Wiki", run),
        ("start", "wiki"),
        ("upgrade", "wiki", {"app_dir": "/srv/wiki-2"}),
        ("delete", "wiki", True),
    ]


def test_a_form_from_elsewhere_changes_nothing(browser: Browser, show: Show, invented: Invented) -> None:
    """One without the login's token is refused, and says what to do."""
    shown = show(invented)
    with browser.new_context() as context:
        page = shown.enter(context)
        answer = context.request.post(f"{shown.url}/instances/default/retire", form={"pid": "4101", "csrf": "guessed"})
        assert answer.status == 403
        assert "open the page again" in answer.text().lower()
        assert invented.retired == []
        page.goto(shown.url + "/instances/default/workers")
        page.get_by_role("button", name="Retire http.1").click()
        expect(page.get_by_role("status")).to_contain_text("another one takes its place")
        assert invented.retired == [4101]


class Talking(Invented):
    """A server that has logged a line more each time somebody looks."""

    def log(self, identity: str, level: str, text: str) -> Any:
        self.looks += 1
        news = [Line("2026-11-21 23:00:00", "info", f"look {number}") for number in range(1, self.looks + 1)]
        return [*super().log(identity, level, text) * 3, *news]


def test_the_log_is_followed_until_somebody_scrolls_away(browser: Browser, show: Show) -> None:
    shown = show(Talking(time.time()))
    with browser.new_context(viewport=WIDE) as context:
        page = shown.enter(context)
        page.clock.install()
        page.goto(shown.url + "/instances/default/log")
        latest = page.locator(".log li").last
        for look in ("look 1", "look 2"):
            expect(latest).to_contain_text(look)
            expect(latest).to_be_in_viewport()
            page.clock.fast_forward(3500)
        expect(latest).to_contain_text("look 3")
        page.locator(".window").evaluate("window => window.scrollTo(0, -window.scrollHeight)")
        page.clock.fast_forward(3500)
        expect(latest).to_contain_text("look 4")
        expect(latest).not_to_be_in_viewport()


def test_a_wrong_password_is_told_and_the_way_in_leads_on(browser: Browser, show: Show, invented: Invented) -> None:
    """To the page that was asked for, and to no other site."""
    shown = show(invented)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(shown.url + "/instances/default/log")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        page.get_by_label("Password").fill(shown.password)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(shown.url + "/instances/default/log")
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_url(shown.url + "/login")
