"""The README is typed: five minutes with the shop, what the shop's own page has people try, and a project of one's own."""

from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.docs.pages import holding
from tests.docs.project import mysite, served
from tests.docs.script import Script, script

pytestmark = pytest.mark.timeout(240)
CHECKOUT = (".venv", "Makefile", "constraints.txt", "examples", "pyproject.toml", "src", "tools", "web")


def test_the_readme_is_as_it_is_told() -> None:
    with script("README.md") as page:
        for name in CHECKOUT:
            page.place(name).symlink_to(ROOT / name)
        five_minutes(page)
        try_the_shop(page.directory)
        mysite(page, "/srv/mysite/")
        served(page, ".venv/bin/prefork serve mysite.wsgi:application --python /srv/mysite/venv/bin/python --app-dir /srv/mysite")
        mysite(page, "")
        said = served(page, ".venv/bin/prefork serve mysite.wsgi:application --python venv/bin/python --dev --workers 0")
        assert "Watching" in said
        assert "Threaded mode" in said
        page.put("prefork.conf", holding("README.md", "[options]").partition("\n\n")[0])
        page.type(".venv/bin/prefork check -c prefork.conf --explain", "can be used")
        served(page, ".venv/bin/prefork serve -c prefork.conf")


def five_minutes(page: Script) -> None:
    assert "The shop opens on" in page.start("make run")
    page.type("curl -so report.pdf 127.0.0.1:8069/report.pdf")
    page.type("curl -w '%{time_total} s", r"\d s$")
    page.type(".venv/bin/prefork status", r"cron\.1 +(idle|busy)")
    page.type(".venv/bin/prefork jobs list", "shop.jobs")
    page.type("curl 127.0.0.1:8069/crash", "served on the second attempt")
    page.type(".venv/bin/prefork incidents", "GET /crash")
    page.type(".venv/bin/prefork reload", "the server is at generation 2")
    page.type(".venv/bin/prefork scale 4")
    page.type("curl 127.0.0.1:8069/_prefork/saturation", '"workers": 4')
    page.type(".venv/bin/prefork top", "^{", more="--count 1")  # which goes on for ever
    page.type(".venv/bin/prefork routes", "GET /fast")
    page.type(".venv/bin/prefork doctor", "passed")
    page.type(".venv/bin/prefork stop")
    page.await_end()
    assert (page.directory / "report.pdf").read_bytes().startswith(b"%PDF")


def try_the_shop(directory: Path) -> None:
    """As the page of the example has it."""
    (directory / "report.pdf").unlink()
    with script("examples/shop/README.md", at=directory) as page:
        page.start("make run")
        page.type("curl -s -o report.pdf")
        page.type("curl -w '%{time_total} s", r"\d s$")
        page.type("curl http://127.0.0.1:8069/who", '"pid"')
        page.type("curl -s 'http://127.0.0.1:8069/export?seconds=3'", ",")
        page.type("curl http://127.0.0.1:8069/crash", "served on the second attempt")
        page.type("curl -i http://127.0.0.1:8069/boom", "^HTTP/1.1 500")
        page.type("curl http://127.0.0.1:8069/api/products", "dinner-fork")
        again = page.left[0]
        order = page.type("curl -H 'Content-Type: application/json' -d", '^{"order":1}$')
        assert page.run(again).said == order
        page.type("curl 'http://127.0.0.1:8069/api/orders?after=0", "till-7.001")
        page.run(".venv/bin/prefork stop -c examples/shop/prefork.conf")
        page.await_end()
