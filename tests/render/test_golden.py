"""What is rendered is what somebody has read. After a change `prefork render NAME --out DIR` makes the new golden tree."""

from pathlib import Path

import pytest

from prefork.config import Settings
from prefork.render.files import render
from prefork.render.topology import SHIPPED

from .conftest import topology

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_rendered_is_golden(name: str, settings: Settings) -> None:
    found = {str(Path(node, path)): text for node, tree in render(topology(name), settings).items() for path, text in tree.items()}
    kept = {str(each.relative_to(GOLDEN / name)): each.read_text() for each in (GOLDEN / name).rglob("*") if each.is_file()}
    assert sorted(found) == sorted(kept)
    for path, text in found.items():
        assert text == kept[path], path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_says_what_it_is_and_where_it_goes(name: str, settings: Settings) -> None:
    for tree in render(topology(name), settings).values():
        for path, text in tree.items():
            head = " ".join(text.splitlines()[:4])
            assert f"/{path}" in head or path.endswith(("README.md", "setup.sql")), path


def test_directories_of_addons_come_before_odoos_own_and_not_in_their_place(settings: Settings) -> None:
    trees = render(topology("enterprise", addons=("/srv/addons",)), settings)
    assert "\naddons_path = /srv/addons,/opt/odoo/addons,/opt/odoo/odoo/addons\n" in trees["app1"]["etc/odoo/odoo.conf"]


def test_the_documents_two_nodes_come_out_as_printed(settings: Settings) -> None:
    trees = render(topology("two-node"), settings)
    front = "workers = 8\nmax_cron_threads = 0\nhttp_enable = True\nproxy_mode = True\n"
    back = "workers = 2\nmax_cron_threads = 4\nhttp_enable = False\nproxy_mode = True\n"
    assert front in trees["odoo1"]["etc/odoo/odoo1.conf"]
    assert back in trees["odoo2"]["etc/odoo/odoo2.conf"]
    upstream = trees["odoo1"]["etc/nginx/sites-available/odoo.conf"]
    assert "10.0.0.22" not in upstream, "the cron node is in no upstream"


def test_a_cron_node_has_no_proxy_before_it(settings: Settings) -> None:
    assert not [path for path in render(topology("enterprise"), settings)["cron1"] if "nginx" in path or "haproxy" in path]


def test_what_a_proxy_waits_for_follows_the_server_s_limits(settings: Settings) -> None:
    longer = Settings(
        data_dir=settings.data_dir, limit_time_real=100, limit_time_real_routes=(("/report/*", 600),), queue_timeout=20
    )
    assert "proxy_read_timeout        630s;" in render(topology("single"), longer)["server"]["etc/nginx/sites-available/site.conf"]


def test_all_processes_together_never_ask_for_more_connections_than_there_are(settings: Settings) -> None:
    trees = render(topology("two-node"), settings)
    assert "db_maxconn = 13\n" in trees["odoo1"]["etc/odoo/odoo1.conf"], "8 + 1 + 4 processes share 180 connections"
    assert "max_connections = 200\n" in trees["odoo1"]["etc/postgresql/15/main/conf.d/odoo.conf"]
