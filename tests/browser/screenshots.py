"""Looks at every page, wide and narrow, light and dark, with invented data; writes docs/screenshots. Run by `make screenshots`."""

import base64
import shutil
import tempfile
import time
from pathlib import Path

from browsing import NARROW, WIDE, log_in, opened, shown
from invented import Invented
from pages import PAGES
from playwright.sync_api import Page

PLACE = Path(__file__).parents[2] / "docs" / "screenshots"
LARGEST = 100 << 10  # bytes
QUALITIES = (82, 70, 55, 40)
SETTLED = "() => document.querySelectorAll('.plot').length === document.querySelectorAll('.plot canvas').length"


def main() -> None:
    """All of them."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as directory, shown(Path(directory), Invented(time.time())) as console, opened() as browser:
        for size, window in (("desktop", WIDE), ("phone", NARROW)):
            for scheme in ("light", "dark"):
                with browser.new_context(viewport=window, color_scheme=scheme, reduced_motion="reduce") as context:
                    page = context.new_page()
                    page.goto(console.url + "/login")
                    shoot(page, f"login-{size}-{scheme}")
                    log_in(page, console.url, console.password)
                    for name, path in PAGES.items():
                        page.goto(console.url + path)
                        page.wait_for_function(SETTLED)
                        shoot(page, f"{name}-{size}-{scheme}")


def shoot(page: Page, name: str) -> None:
    """The whole page as WebP, which Chromium writes and Playwright does not, as good as fits."""
    client = page.context.new_cdp_session(page)
    content = client.send("Page.getLayoutMetrics")["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": content["width"], "height": content["height"], "scale": 1}
    for quality in QUALITIES:
        told = {"format": "webp", "quality": quality, "captureBeyondViewport": True, "clip": clip}
        picture = base64.b64decode(client.send("Page.captureScreenshot", told)["data"])
        if len(picture) <= LARGEST:
            (PLACE / f"{name}.webp").write_bytes(picture)
            return
    raise SystemExit(f"{name} has {len(picture)} bytes at the lowest quality; show less on it")


if __name__ == "__main__":
    main()
