"""Debian's Chromium, somebody who logs in with it, and a console in a thread of this process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvicorn
from invented import Invented, console
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from prefork.testing import free_port

CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 20_000  # milliseconds: eight others may compute at the same time


@contextmanager
def opened() -> Iterator[Browser]:
    """Debian's Chromium. Its sandbox refuses to run as root, and a container's shared memory may be too small for it."""
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Shown(NamedTuple):
    """A console that runs in a thread of this process."""

    url: str
    password: str

    def enter(self, context: BrowserContext) -> Page:
        """A page of somebody who has logged in."""
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        log_in(page, self.url, self.password)
        return page


def log_in(page: Page, url: str, password: str) -> None:
    """As people do."""
    page.goto(f"{url}/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda address: "/login" not in address)


def complaints_of(page: Page) -> list[str]:
    """What the browser holds against a page from now on; that the server refused something is none of it."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@contextmanager
def shown(directory: Path, source: Invented) -> Iterator[Shown]:
    """A console that shows what a source says."""
    app, password = console(directory, source)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, name="console", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        threading.Event().wait(0.01)
    try:
        yield Shown(f"http://127.0.0.1:{port}", password)
    finally:
        server.should_exit = True
        thread.join()
