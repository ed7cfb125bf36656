"""Pages that have people serve something: typed with an application, Odoo's stand-in, and what another server was told."""

import json
import sys

import pytest
from tests.conftest import ROOT
from tests.docs.pages import blocks
from tests.docs.project import mysite, served
from tests.docs.script import Script, script

from prefork.testing import free_port

pytestmark = pytest.mark.timeout(120)
PROCFILE = "web: gunicorn mysite.wsgi:application --bind 0.0.0.0:$PORT --workers 3\nworker: celery -A mysite worker\n"


@pytest.mark.parametrize("name", ["docs/concepts.md", "docs/index.md", "docs/asgi.md"])
def test_an_application_that_is_named_is_served(name: str) -> None:
    with script(name) as page:
        mysite(page, "/srv/mysite/")
        page.directory = page.place("/srv/mysite")
        assert f"interface: {'asgi' if 'asgi' in name else 'wsgi'}" in served(page, "prefork serve mysite.")


def test_what_another_server_was_told_is_served() -> None:
    with script("docs/migrate.md", environment={"PORT": str(free_port())}) as page:
        mysite(page, "")
        from_gunicorn(page)
        page.place("prefork.conf").unlink()
        page.put("Procfile", PROCFILE)
        page.type("prefork import Procfile --out prefork.conf", "celery")
        served(page, "prefork serve -c prefork.conf --http-port $PORT", page.environment["PORT"])
        page.place("prefork.conf").unlink()
        line = f"gunicorn -w 2 mysite.wsgi:application --chdir {page.directory}"
        page.put("/etc/supervisor/conf.d/shop.conf", f"[program:shop]\ncommand={line}\n")
        page.type("prefork import /etc/supervisor/conf.d/shop.conf --out prefork.conf", "workers")
        assert "app = mysite.wsgi:application" in page.place("prefork.conf").read_text()
        odoo(page)
        page.type("prefork check -c /etc/odoo/odoo.conf --odoo", "can be used")
        page.start("prefork serve -c /etc/odoo/odoo.conf --odoo")
        assert json.loads(page.get("/index"))["db_name"] == "shop"
        page.stop()


def from_gunicorn(page: Script) -> None:
    """What is imported is what the page shows, and is served; also beside the old server, where doctor finds it in order."""
    page.write("gunicorn.conf.py", "# gunicorn.conf.py")
    page.type("prefork import gunicorn.conf.py --out prefork.conf", r"5 +timeout = 30 .*changed")
    assert page.place("prefork.conf").read_text() == next(block.text for block in blocks(ROOT / page.page) if block.kind == "ini")
    page.type("prefork check -c prefork.conf --explain", "can be used")
    served(page, "prefork serve -c prefork.conf")
    page.start("prefork serve -c prefork.conf --http-port 8070")
    assert page.get(port="8070") == "served"
    page.type("prefork doctor -c prefork.conf", "0 failed|passed")
    page.stop()


def odoo(page: Script) -> None:
    """Odoo's tree, an interpreter with its requirements, and its file. The tree is a stand-in for what is not ours to install."""
    tree = page.place("/opt/odoo/18.0")
    tree.parent.mkdir(parents=True)
    tree.symlink_to(ROOT / "tests" / "stand_in")
    (tree.parent / "venv").symlink_to(sys.prefix)
    page.put("/etc/odoo/odoo.conf", f"[options]\ndb_name = shop\nworkers = 2\ndata_dir = {page.directory}/odoo\n")


def test_odoo_is_served_from_its_own_file() -> None:
    with script("docs/odoo.md") as page:
        odoo(page)
        page.type("prefork check -c /etc/odoo/odoo.conf", "can be used")
        page.start("prefork serve -c /etc/odoo/odoo.conf")
        assert json.loads(page.get("/web/health")) == {"status": "pass"}
        page.stop()
        page.place("odoo.conf").symlink_to(page.place("/etc/odoo/odoo.conf"))
        page.place("venv").symlink_to(sys.prefix)
        page.start("prefork serve -c odoo.conf --odoo /opt/odoo/18.0 --python venv/bin/python -- -d shop")
        assert json.loads(page.get("/index"))["db_name"] == "shop"
        page.stop()
        # From here on tree and interpreter are in the environment, as in the page's unit.
        page.environment |= {"PREFORK_ODOO": page.meant("/opt/odoo/18.0"), "PREFORK_PYTHON": sys.executable}
        page.type("prefork serve -c odoo.conf -- -u sale --stop-after-init")
        page.start("prefork serve -c odoo.conf -- -u sale")
        page.type("prefork incidents -c odoo.conf", "[Nn]o")
        page.stop()
        page.start("PREFORK_DATA_DIR=/var/lib/prefork/odoo prefork serve -c odoo.conf")
        page.type("PREFORK_DATA_DIR=/var/lib/prefork/odoo prefork status -c odoo.conf", "odoo running")
        page.stop()
