"""What runs where, in which order, and what each needs; what every node is given besides what is rendered."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.lab.test_changes import ODOO, fitted

from prefork.config import Settings
from prefork.lab import packages
from prefork.lab.estate import Estate
from prefork.lab.furnishing import ACCOUNT, furnish
from prefork.lab.probes import PROBES, Condition, State
from prefork.lab.services import services
from prefork.lab.stages import STAGES, wanting
from prefork.render.files import render

TOPOLOGY = fitted().topology
SECRETS = {name: f"secret-{name}" for name in ("superuser", "replication", "rewind", "restapi", "pgbouncer", "site", "session")}


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    (tmp_path / "lab" / "shared").mkdir(parents=True)
    (tmp_path / "lab" / "shared" / "certificate.pem").write_text("certificate and key\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\n")
    return Estate(tmp_path / "lab", fitted(), SECRETS)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("edge1", ["nginx", "keepalived"]),
        ("edge2", ["haproxy", "keepalived"]),
        ("app1", ["prefork"]),
        ("cron1", ["prefork"]),
        ("websocket1", ["prefork"]),
        ("pooler1", ["haproxy", "pgbouncer", "keepalived"]),
        ("sessions1", ["redis"]),
        ("db1", ["etcd", "patroni"]),
    ],
)
def test_each_node_runs_what_its_roles_are(estate: Estate, node: str, expected: list[str]) -> None:
    assert [each.name for each in services(TOPOLOGY, estate.node(node))] == expected


def test_odoos_server_is_started_as_by_its_unit() -> None:
    topology = fitted(odoo=ODOO).topology
    (server,) = services(topology, topology.having("app")[0])
    assert server.command[1:] == ("serve", "-c", "/etc/odoo/odoo.conf", "--odoo", "/srv/odoo", "--python", "/srv/venv/bin/python")
    assert server.environment == ("PREFORK_DATA_DIR=/var/lib/prefork-odoo",)
    assert [each.path for each in server.places] == ["/var/lib/odoo", "/var/lib/prefork-odoo"]
    unit = render(topology, Settings())["app1"]["etc/systemd/system/odoo.service"]
    assert f"ExecStart={' '.join(server.command)}\n" in unit
    assert f"Environment={server.environment[0]}\n" in unit


def test_every_service_can_be_asked_how_it_is() -> None:
    assert {each.name for node in TOPOLOGY.nodes for each in services(TOPOLOGY, node)} == set(PROBES)


def test_every_node_belongs_to_a_stage() -> None:
    staged = {node.name for _, roles in STAGES for node in TOPOLOGY.nodes if roles & set(node.roles)}
    assert staged == {node.name for node in TOPOLOGY.nodes}


def test_secrets_are_in_files_that_their_service_alone_reads(estate: Estate, tmp_path: Path) -> None:
    for node in TOPOLOGY.nodes:
        for file in furnish(estate, node, tmp_path)["files"]:
            held = any(secret in file["text"] for secret in SECRETS.values())
            assert not (held and file["mode"] & 0o007), f"{file['path']} of {node.name} can be read by everybody"


def test_the_account_of_the_site_is_made_where_there_is_none(estate: Estate, tmp_path: Path) -> None:
    files = {each["path"]: each["text"] for each in furnish(estate, estate.node("app1"), tmp_path)["files"]}
    assert f"odoo:x:{ACCOUNT}:{ACCOUNT}::/var/lib/odoo:/usr/sbin/nologin\n" in files["/etc/passwd"]
    (tmp_path / "etc" / "passwd").write_text("odoo:x:1000:1000::/home/odoo:/bin/sh\n")
    assert "/etc/passwd" not in {each["path"] for each in furnish(estate, estate.node("app1"), tmp_path)["files"]}


def test_rendered_files_are_on_the_node_as_they_are(estate: Estate, tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "render" / "golden" / "enterprise"
    for node, path in (
        ("edge1", "etc/keepalived/keepalived.conf"),
        ("db1", "etc/default/etcd"),
        ("pooler1", "etc/haproxy/haproxy.cfg"),
    ):
        files = {each["path"]: each["text"] for each in furnish(estate, estate.node(node), tmp_path)["files"]}
        assert files[f"/{path}"] == (golden / node / path).read_text()


def test_a_database_has_a_patroni_where_its_unit_looks_for_it(estate: Estate, tmp_path: Path) -> None:
    place = Path(furnish(estate, estate.node("db1"), tmp_path)["links"]["/opt/patroni/bin"])
    assert os.access(place / "patroni", os.X_OK)
    drop_in = "etc/systemd/system/patroni.service.d/odoo.conf"
    rendered = (Path(__file__).parents[2] / "render/golden/enterprise/db1" / drop_in).read_text()
    (patroni,) = (each for each in services(TOPOLOGY, estate.node("db1")) if each.name == "patroni")
    assert f"ExecStart={' '.join(patroni.command)}\n" in rendered


def test_what_is_lacking_is_said_in_words() -> None:
    well = Condition("db1", up=True, services=(State("patroni", well=True, word="standby"),))
    leads = replace(well, services=(State("patroni", well=True, word="primary"),))
    starting = replace(well, node="db2", services=(State("patroni", well=False, word="starting"),))
    assert wanting([leads, well]) == []
    assert wanting([well, starting]) == ["db2: patroni (starting)", "a primary"]
    assert wanting([leads, Condition("db2", up=False)]) == ["db2"]


def test_missing_programs_are_named_with_one_line_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SEARCHED", "/nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "OURS", ("nowhere_to_be_found",))
    said = list(packages.obstacles(TOPOLOGY))
    assert "apt-get install etcd-server haproxy iproute2 keepalived nginx openssl pgbackrest pgbouncer redis-server" in said[0]
    assert "pip install 'prefork[lab]'" in said[1]
    assert "run this as root" in said[2]
