"""Odoo behind nginx, with the rules that Odoo's own documentation has for it and without."""

import json
import os
from pathlib import Path

import pytest
from tests.proxies.nginx import Nginx, Way

from .conftest import Serve
from .person import Person

FILESTORE = "location /web/filestore {{ internal; alias {data_dir}/filestore; }}"

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("rule", ["", FILESTORE], ids=["no rules", "a rule for the filestore"])
def test_people_work_through_nginx(serve: Serve, tmp_path: Path, rule: str):
    content = os.urandom(3 << 20)
    with serve(proxy_mode=True, x_sendfile=True) as server:
        locations = rule.format(data_dir=server.data_dir)
        with Nginx(server, tmp_path, Way(), scheme="https", locations=locations) as nginx:
            anna = Person(nginx.port)
            assert anna.log_in()["username"] == "admin"
            seen = json.loads(anna.get("/probe/seen"))
            assert (seen["url"], seen["client"]) == ("https://127.0.0.1/", "127.0.0.1")
            anna.upload("plan.bin", content)
            (found,) = anna.call("ir.attachment", "search_read", [["name", "=", "plan.bin"]], ["file_size"])
            assert anna.get(f"/web/content/{found['id']}?download=true") == content
            assert anna.get("/prefork_probe/static/probe.txt") == b"the probe's static file\n"
        assert not server.events("worker_died")
