"""Kubernetes: every object is one that the cluster takes, the parts fit together, and each pod's Prefork reads its file."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefork.config import Settings, load
from prefork.render.files import render
from prefork.render.topology import Invalid, parse, shipped

from .checkers import accepted
from .conftest import Make, topology, written

STAND_IN = Path(__file__).parent.parent / "stand_in"
VERSIONS = ("", "15.0", "18.0")


def objects(place: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """All that goes to the cluster, by kind and name."""
    documents = [each for file in sorted(place.glob("base/*.yaml")) for each in yaml.safe_load_all(file.read_text())]
    return {(each["kind"], each["metadata"]["name"]): each for each in documents if each["kind"] != "Kustomization"}


@pytest.fixture
def place(settings: Settings, tmp_path: Path) -> Path:
    return written(topology("kubernetes"), settings, tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version: str, settings: Settings, tmp_path: Path) -> None:
    place = written(topology("kubernetes", odoo=version, filestore="/srv/filestore"), settings, tmp_path)
    files = [str(each) for each in sorted(place.glob("base/*.yaml")) if each.name != "kustomization.yaml"]
    judged = subprocess.run([Path(sys.prefix, "bin/kubernetes-validate"), "--strict", *files], capture_output=True, text=True)
    said = judged.stdout + judged.stderr
    assert judged.returncode == 0, said
    assert ("WARN" in said, said.count("passed")) == (False, len(objects(place)))


def test_there_is_what_was_asked_for(place: Path) -> None:
    kinds = {kind: {name for found, name in objects(place) if found == kind} for kind, _ in objects(place)}
    assert kinds == {
        "Deployment": {"site-web", "site-cron", "site-websocket"},
        "Service": {"site-web", "site-websocket"},
        "PodDisruptionBudget": {"site-web", "site-websocket"},
        "HorizontalPodAutoscaler": {"site-web"},
        "Ingress": {"site"},
    }


def test_the_parts_fit_together(place: Path) -> None:
    found = objects(place)
    base = yaml.safe_load((place / "base/kustomization.yaml").read_text())
    assert sorted(base["resources"]) == sorted(each.name for each in place.glob("base/*.yaml") if each.name != "kustomization.yaml")
    maps = {each["name"]: each["files"] for each in base["configMapGenerator"]}
    assert {file.partition("=")[2] for files in maps.values() for file in files} == {
        each.name for each in place.glob("base/*.conf")
    }
    for (kind, name), each in found.items():
        if kind != "Deployment":
            continue
        pod = each["spec"]["template"]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["configuration"]["configMap"]["name"] in maps
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
            assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["metadata"]["labels"].items() >= each["spec"]["selector"]["matchLabels"].items()
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "site", "Prometheus looks for that"
        ports = {port["name"]: port["containerPort"] for one in pod["spec"]["containers"] for port in one.get("ports", [])}
        assert ports["metrics"] == 8073
        if ("Service", name) in found:
            service = found["Service", name]["spec"]
            assert service["selector"] == each["spec"]["selector"]["matchLabels"]
            assert service["ports"][0]["targetPort"] in ports


@pytest.mark.parametrize(
    ("version", "paths"),
    [
        ("", ["/websocket", "/longpolling/poll", "/"]),
        ("15.0", ["/longpolling", "/"]),
        ("18.0", ["/websocket", "/web/websocket", "/"]),
    ],
)
def test_the_ingress_leads_live_connections_to_their_pods(
    version: str, paths: list[str], settings: Settings, tmp_path: Path
) -> None:
    ingress = objects(written(topology("kubernetes", odoo=version), settings, tmp_path))["Ingress", "site"]
    routes = ingress["spec"]["rules"][0]["http"]["paths"]
    assert [each["path"] for each in routes] == paths
    assert [each["backend"]["service"]["name"] for each in routes] == ["site-websocket"] * (len(paths) - 1) + ["site-web"]


def test_probes_ask_where_the_server_answers(place: Path, settings: Settings) -> None:
    for name, port in (("site-web", settings.http_port), ("site-websocket", settings.websocket_port)):
        server = objects(place)["Deployment", name]["spec"]["template"]["spec"]["containers"][0]
        assert server["ports"] == [{"name": "http", "containerPort": port}]
        assert server["readinessProbe"]["httpGet"]["path"] == "/_prefork/ready"
        assert server["livenessProbe"]["httpGet"]["path"] == "/_prefork/live"
    cron = objects(place)["Deployment", "site-cron"]["spec"]["template"]["spec"]["containers"][0]
    assert cron["livenessProbe"]["exec"]["command"][1] == "status"
    assert "ports" not in cron


def test_a_pod_is_left_alone_for_as_long_as_its_server_may_take_to_stop(settings: Settings) -> None:
    longer = Settings(data_dir=settings.data_dir, graceful_timeout=100, graceful_timeout_cron=900)
    base = render(topology("kubernetes"), longer)["base"]
    seconds = {
        name: yaml.safe_load(base[f"{name}.yaml"].partition("\n---\n")[0])["spec"]["template"]["spec"][
            "terminationGracePeriodSeconds"
        ]
        for name in ("web", "cron")
    }
    assert (seconds["web"] > 105, seconds["cron"] > 905) == (True, True)


@pytest.mark.parametrize("version", VERSIONS)
def test_prefork_accepts_every_pod_s_file(version: str, local: Make, settings: Settings, tmp_path: Path) -> None:
    facts = {"python": sys.executable, "app": "shop:app", "data_dir": str(tmp_path / "data"), "filestore": str(tmp_path / "files")}
    topology = local("kubernetes", odoo=version, **facts)
    for found in sorted(written(topology, settings, tmp_path).glob("base/*.conf")):
        read = load(found, {"odoo": str(STAND_IN)} if version else {}, {"PREFORK_DATA_DIR": str(tmp_path)}, tmp_path)
        node = next(each for each in topology.nodes if each.name == found.stem)
        assert (read.http_enable, read.console) == ("app" in node.roles, False)
        assert (read.websocket_workers > 0) == ("websocket" in node.roles)
        assert read.limit_memory_hard * max(1, read.workers if read.http_enable else 1) <= node.memory
        assert not [each for each in read.remarks if "unknown" in each.sentence], read.remarks


def test_prometheus_accepts_what_watches_the_pods(place: Path) -> None:
    found = place / "monitor/etc/prometheus/prometheus.yml"
    # Debian's has none of the discoveries that are for clouds.
    discovery = "    kubernetes_sd_configs:\n      - role: pod\n"
    text = found.read_text()
    assert discovery in text
    found.write_text(text.replace("/etc/prometheus", str(found.parent)).replace(discovery, ""))
    assert "is valid prometheus config" in accepted("promtool", "check", "config", found)
    adapter = yaml.safe_load((place / "monitor/adapter.yaml").read_text())["rules"]["custom"][0]
    scaler = objects(place)["HorizontalPodAutoscaler", "site-web"]["spec"]["metrics"][0]["pods"]
    assert adapter["name"]["as"] == scaler["metric"]["name"]
    query = adapter["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="a"').replace("<<.GroupBy>>", "pod")
    rules = place / "query.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [{"record": "a:b:c", "expr": query}]}]}))
    assert "SUCCESS" in accepted("promtool", "check", "rules", rules)


def test_the_image_is_small_and_nobody_s(place: Path) -> None:
    lines = (place / "image/Containerfile").read_text().splitlines()
    stages = [line for line in lines if line.startswith("FROM ")]
    assert stages == ["FROM docker.io/library/python:3.12-slim AS build", "FROM docker.io/library/python:3.12-slim"]
    last = lines[lines.index(stages[1]) :]
    assert "USER 10001:10001" in last
    assert not [line for line in last if "apt-get" in line or "pip install" in line], "no compiler is in it"


def test_what_a_cluster_does_not_have_is_said() -> None:
    text = shipped("kubernetes").replace('roles = ["cron"]', 'roles = ["cron", "database"]').replace("replicas = 1", "replicas = 0")
    with pytest.raises(Invalid) as raised:
        parse(text.replace("registry.example.com/site:1.0", "no image"), "mine")
    said = "\n".join(raised.value.sentences)
    assert 'site.image: "no image" cannot be used; it is an image such as registry.example.com/shop:1.0' in said
    assert "nodes.cron.replicas: this is from 1 to 9999, not 0" in said
    assert "nodes.cron.roles: on Kubernetes there are app, cron, websocket, not database" in said
    with pytest.raises(Invalid, match=r'site.platform: "nomad" is none of machines, kubernetes'):
        parse(shipped("single").replace("[site]", '[site]\nplatform = "nomad"'), "mine")
