"""What Prometheus is given: accepted by promtool, and alerts that are raised for what they are about and for nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefork.config import Settings
from prefork.metrics import FAMILIES
from prefork.render.files import render

from .checkers import accepted
from .conftest import Make, written

LABELS = {"job": "site", "node": "server", "instance": "127.0.0.1:8073"}


@pytest.mark.parametrize(("name", "node", "site"), [("single", "server", "site"), ("enterprise", "monitor1", "odoo")])
def test_promtool_accepts_configuration_and_rules(
    name: str, node: str, site: str, local: Make, settings: Settings, tmp_path: Path
) -> None:
    place = written(local(name), settings, tmp_path) / node / "etc/prometheus"
    said = accepted("promtool", "check", "rules", "--lint=all", "--lint-fatal", place / f"rules/{site}.yml")
    assert "SUCCESS" in said
    configuration = place / "prometheus.yml"
    configuration.write_text(configuration.read_text().replace("/etc/prometheus", str(place)))
    assert "is valid prometheus config" in accepted("promtool", "check", "config", configuration)


def test_every_node_with_workers_is_asked_where_it_answers(local: Make, settings: Settings) -> None:
    trees = render(local("enterprise"), settings)
    jobs = yaml.safe_load(trees["monitor1"]["etc/prometheus/prometheus.yml"])["scrape_configs"]
    asked = {each["labels"]["node"]: each["targets"] for each in jobs[0]["static_configs"]}
    assert asked == {
        "app1": ["10.0.0.21:8073"],
        "app2": ["10.0.0.22:8073"],
        "cron1": ["10.0.0.31:8073"],
        "websocket1": ["10.0.0.36:8073"],
    }
    for node, (target,) in asked.items():
        assert f"--listen {target}\n" in trees[node]["etc/systemd/system/odoo-metrics.service"]
    assert "--listen 127.0.0.1:8073\n" in render(local("single"), settings)["server"]["etc/systemd/system/site-metrics.service"]
    assert "etc/systemd/system/odoo-metrics.service" not in render(local("two-node"), settings)["odoo1"], "nobody asks there"


def test_rules_speak_of_metrics_that_exist(local: Make, settings: Settings) -> None:
    text = render(local("single"), settings)["server"]["etc/prometheus/rules/site.yml"]
    names = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bprefork_\w+", text)}
    assert names <= {family.name for family in FAMILIES}


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    inside = ",".join(f'{key}="{value}"' for key, value in {**LABELS, **labels}.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


READY = series("prefork_workers_ready", "4x40", pool="http")
HEALTHY = [
    series("up", "1x40"),
    series("prefork_workers_wanted", "4x40", pool="http"),
    series("prefork_workers_wanted", "0x40", pool="cron"),
    series("prefork_workers_ready", "0x40", pool="cron"),
    READY,
    series("prefork_capacity", "4x40"),
    series("prefork_workers_in_flight_seconds_total", "0+120x40"),
    series("prefork_crash_loop", "0x40"),
    series("prefork_queue_length", "0x40", lane="default"),
    series("prefork_queue_places", "100x40"),
    series("prefork_wait_seconds_bucket", "0+600x40", lane="default", le="0.0512"),
    series("prefork_wait_seconds_bucket", "0+600x40", lane="default", le="+Inf"),
    series("prefork_requests_total", "0+600x40"),
    series("prefork_requests_failed_total", "0x40"),
    series("prefork_answers_total", "0+600x40", **{"class": "2xx"}),
    series("prefork_answers_total", "0+1x40", **{"class": "5xx"}),
    series("prefork_incidents_total", "0x40"),
    series("prefork_worker_memory_max_bytes", "100000000x40", pool="http"),
]
TROUBLES = {
    "PreforkDown": [series("up", "0x40")],
    "PreforkWithoutWorkers": [series("prefork_workers_ready", "0x40", pool="http")],
    "PreforkCrashLoop": [series("prefork_crash_loop", "1x40")],
    "PreforkWorkersMissing": [series("prefork_workers_ready", "3x40", pool="http")],
    "PreforkHighPressure": [series("prefork_workers_in_flight_seconds_total", "0+204x40")],
    "PreforkCritical": [series("prefork_workers_in_flight_seconds_total", "0+235x40")],
    "PreforkRequestsWait": [
        series("prefork_wait_seconds_bucket", "0+500x40", lane="default", le="0.0512"),
        series("prefork_wait_seconds_bucket", "0+600x40", lane="default", le="6.5536"),
    ],
    "PreforkQueueFull": [series("prefork_queue_length", "95x40", lane="default")],
    "PreforkRequestsFail": [series("prefork_requests_failed_total", "0+10x40")],
    "PreforkErrors": [series("prefork_answers_total", "0+60x40", **{"class": "5xx"})],
    "PreforkIncidents": [series("prefork_incidents_total", "0+1x40")],
    "PreforkMemory": [series("prefork_worker_memory_max_bytes", "4000000000x40", pool="http")],
}
ALSO = {"PreforkWithoutWorkers": {"PreforkWorkersMissing"}, "PreforkCritical": {"PreforkHighPressure"}}


def test_each_alert_is_raised_for_its_trouble_and_none_in_health(local: Make, settings: Settings, tmp_path: Path) -> None:
    rules = written(local("single"), settings, tmp_path) / "server/etc/prometheus/rules/site.yml"
    names = [rule["alert"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"] if "alert" in rule]
    assert sorted(names) == sorted(TROUBLES)
    cases = [case([], set(), names)]
    cases += [case(changed, {name} | ALSO.get(name, set()), names) for name, changed in TROUBLES.items()]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": cases}))
    assert "SUCCESS" in accepted("promtool", "test", "rules", file)


def case(changed: list[dict[str, str]], raised: set[str], names: list[str]) -> dict[str, Any]:
    """A test of promtool's: with these series in the place of the healthy ones, these alerts after half an hour and no others."""
    kept = {each["series"]: each for each in HEALTHY} | {each["series"]: each for each in changed}
    asked = [
        {
            "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
            "eval_time": "30m",
            "exp_samples": [{"labels": "{}", "value": int(name in raised)}],
        }
        for name in names
    ]
    return {"interval": "1m", "input_series": list(kept.values()), "promql_expr_test": asked}
