"""One healthy system for all tests of a module: each harms it and has it heal."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.applications.postgres import Postgres
from tests.process.conftest import running
from tests.proxies.nginx import RenderedNginx
from tests.render.conftest import topology, written

from prefork.config import Settings
from prefork.testing import Server, free_port

from .bed import CONF, LOG, POSTGRES, VERSION, Bed, Files

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doctor")


@pytest.fixture(scope="module")
def authority(place: Path) -> Iterator[Path]:
    """A certificate for this machine, which this process trusts."""
    key, cert = place / "key.pem", place / "cert.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = [
        "openssl",
        "req",
        "-x509",
        *curve,
        "-days",
        "90",
        "-subj",
        "/CN=localhost",
        "-addext",
        NAMES,
        "-keyout",
        key,
        "-out",
        cert,
    ]
    subprocess.run(made, check=True, capture_output=True)
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(cert)
    yield cert
    if before is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = before


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(workers=2, websocket_workers=1, proxy_mode=True) as server:
        yield server


@pytest.fixture(scope="module")
def files(place: Path, server: Server, authority: Path) -> Files:
    """An odoo.conf for the server's ports, and the nginx that `prefork render` writes for it."""
    tree = place / "tree"
    (tree / "odoo").mkdir(parents=True)
    (tree / "odoo" / "release.py").write_text("version_info = (18, 0, 0, 'final', 0, '')\n")
    conf, log = place / "odoo.conf", place / "odoo.log"
    conf.write_text(CONF.format(place=place, tree=tree, server=server))
    log.write_text(LOG)
    facts = {
        "certificate": str(authority),
        "certificate_key": str(place / "key.pem"),
        "prefork": str(Path(sys.prefix, "bin/prefork")),
        "http_port": free_port(),
        "https_port": free_port(),
        "odoo": VERSION,
    }
    settings = Settings(http_port=server.port, websocket_port=server.websocket_port, data_dir=place / "data")
    (site,) = written(topology("single", **facts), settings, place).glob("*/etc/nginx/sites-available/*")
    RenderedNginx(site, place, facts["https_port"])
    return Files(conf, site, place / "nginx.conf", log)


@pytest.fixture(scope="module")
def nginx(files: Files, place: Path) -> Iterator[RenderedNginx]:
    port = int(files.site.read_text().partition(" ssl")[0].rpartition(" ")[2])
    with RenderedNginx(files.site, place, port) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def postgres(place: Path) -> Iterator[Postgres]:
    """With an archive, and a base backup of just now."""
    made = Postgres(Path(sys.prefix), place / "pg")
    made.create()
    with (made.data / "postgresql.conf").open("a") as file:
        file.write(POSTGRES)
    with made:
        made.make_database("shop")
        with psycopg.connect(made.uri + "shop", autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("SELECT pg_backup_start('a base backup', true)")
            connection.execute("SELECT pg_backup_stop(false)")
        yield made


@pytest.fixture(scope="module")
def bed(files: Files, server: Server, nginx: RenderedNginx, postgres: Postgres) -> Bed:
    return Bed(files, server, nginx, postgres, "shop")
