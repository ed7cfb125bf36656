"""What the lab makes of a topology, and which ones it refuses."""

from dataclasses import replace

import pytest

from prefork.lab.changes import Fitted, Unfit, fewer, fit, outside
from prefork.lab.odoo import Odoo
from prefork.render.topology import parse, shipped

ENTERPRISE = parse(shipped("enterprise"), "enterprise")
PLENTY = 1 << 20
ODOO = Odoo("18.0", "/srv/odoo", "/srv/venv/bin/python", ("/srv/addons",), ("mail", "crm"))


def fitted(text: str = shipped("enterprise"), **given: object) -> Fitted:
    return fit(parse(text, "here"), "/venv/bin/python", "/venv/bin/prefork", **{"descriptors": PLENTY, **given})


def test_nodes_keep_their_addresses_and_roles() -> None:
    kept = {node.name: (node.address, node.roles) for node in fitted().topology.nodes}
    assert kept == {node.name: (node.address, node.roles) for node in ENTERPRISE.nodes if node.roles != ("monitor",)}


def test_the_application_is_the_labs_own() -> None:
    site = fitted().topology.site
    assert (site.odoo, site.app, site.python) == ("", "prefork.lab.application:application", "/venv/bin/python")
    assert replace(site, odoo="18.0", app=ENTERPRISE.site.app, python=ENTERPRISE.site.python, prefork=ENTERPRISE.site.prefork) == (
        ENTERPRISE.site
    )


def test_an_odoo_is_served_as_it_is_rendered_for() -> None:
    found = fitted(odoo=ODOO)
    site = found.topology.site
    assert (site.odoo, site.tree, site.python, site.addons) == ("18.0", "/srv/odoo", "/srv/venv/bin/python", ("/srv/addons",))
    options = found.topology.having("app")[0].options
    assert (options["workers"], options["console"]) == ("2", "False")
    assert not {"jobs", "websocket_authorize"} & set(options)
    said = "\n".join(found.changes)
    assert "Odoo 18.0 in /srv/odoo" in said
    assert "mail, crm, without demo data" in said
    assert "the lab's own" not in said


def test_every_change_is_said() -> None:
    said = "\n".join(fitted().changes)
    for word in ("instead of Odoo 18.0", "512 MiB", "workers is 2", "/var/lib/odoo/filestore", "left out: monitor1"):
        assert word in said


def test_options_of_the_topology_stay_beside_those_of_the_lab() -> None:
    text = shipped("enterprise").replace("options = { workers = 9 }", "options = { workers = 9, limit_request = 7 }")
    options = fitted(text).topology.having("app")[0].options
    assert (options["workers"], options["limit_request"], options["jobs"]) == ("2", "7", "prefork.lab.application")


def test_a_commit_waits_for_the_standby_as_the_topology_or_the_caller_says() -> None:
    assert fitted().topology.site.synchronous
    without = fitted(synchronous=False)
    assert not without.topology.site.synchronous
    assert "a commit does not wait for the standby" in without.changes


def test_an_account_other_than_root_is_said() -> None:
    assert any("root on nodes is this account" in each for each in fitted(confined=True).changes)
    assert not any("root on nodes" in each for each in fitted().changes)


def test_fewer_descriptors_are_fewer_connections_and_that_is_said() -> None:
    assert fewer(PLENTY) == {}
    scarce = fitted(descriptors=20_000)
    assert scarce.text("    maxconn 20000\n") == "    maxconn 9950\n"
    assert any("maxconn 20000 is maxconn 9950" in each for each in scarce.changes)


def test_clients_have_an_address_that_no_node_has() -> None:
    assert outside(ENTERPRISE) == "10.0.0.254"
    taken = replace(ENTERPRISE, shared={"edge": "10.0.0.254", "pooler": "10.0.0.253"})
    assert outside(taken) == "10.0.0.252"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (shipped("kubernetes"), "this topology is for Kubernetes"),
        (shipped("single"), "this topology has one database"),
        (shipped("enterprise").replace("10.0.0.21", "app1.example"), "nodes.app1.address"),
        (shipped("enterprise").replace("10.0.0.21", "127.0.0.1"), "nodes.app1.address"),
        (shipped("enterprise").replace("10.0.0.21", "10.0.1.21"), "the lab has one bridge"),
        (shipped("enterprise").replace('proxy = "haproxy"', 'proxy = "apache"'), "nodes.edge2.proxy"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        fitted(text)
