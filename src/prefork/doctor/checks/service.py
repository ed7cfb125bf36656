"""The service: whether it comes back after a power cut, and listens where it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.doctor.verdict import Finding, check, failed, passed, warned

if TYPE_CHECKING:
    from prefork.doctor.evidence import Conf, Live, Server

STARTED = 120.0  # seconds after which a server should be through with it


@check(
    "unit-enabled",
    why="After a power cut the server stays off until somebody logs in and starts it",
    source="Service, section 1: creating the Odoo service, systemctl enable",
)
def enabled(server: Server) -> Finding:
    """A unit of systemd that starts with the machine."""
    if server.enabled is None:
        return passed(f"systemd says nothing about {server.unit or 'it'} here")
    if not server.unit:
        fix = "prefork render single --out files    # files/*/etc/systemd/system has a unit"
        return warned(f"process {server.pid} was started by hand, it ends with its terminal", fix)
    if not server.enabled:
        return failed(f"{server.unit} runs, and is not enabled", f"systemctl enable {server.unit}")
    return passed(f"{server.unit} is enabled")


@check(
    "http-listening",
    why="What nobody listens on nobody can be sent to",
    source="Multi-processing, applying the configuration: ss -tlnp; Quick answer, action items: check logs",
)
def http_port(conf: Conf, server: Server) -> Finding:
    """The port for requests."""
    wanted = conf.settings.http_port
    if conf.settings.http_enable and wanted not in server.ports and not at_a_socket(conf):
        return failed(f"nothing of process {server.pid} listens on {wanted}, {listens(server)}", f"ss -tlnp | grep {wanted}")
    return passed(listens(server))


def at_a_socket(conf: Conf) -> bool:
    """Whether the server listens at a path, where there are no ports to see."""
    return any(each.startswith("unix:") for each in conf.settings.http_interface)


@check(
    "live-listening",
    why="Live chat and notifications have a port of their own once there are workers; without it they do not arrive",
    source="Multi-processing, confirm the longpolling port; "
    'Quick answer, FAQ: verify "Listening on 0.0.0.0:8072"; Performance, longpolling',
)
def live_port(conf: Conf, server: Server) -> Finding:
    """Port 8072, or whichever is set."""
    wanted, none = conf.settings.websocket_port, server.own and not conf.settings.websocket_workers
    if conf.workers and conf.settings.http_enable and not none and wanted not in server.ports and not at_a_socket(conf):
        fix = f"gevent_port = {wanted}    # longpolling_port up to 15; then: systemctl restart {server.unit or 'odoo'}"
        return failed(f"nothing of process {server.pid} listens on {wanted}, {listens(server)}", fix)
    return passed(listens(server) if conf.workers else "without workers the main port does it all")


@check(
    "workers-ready",
    why="Workers that do not get ready serve nobody; their first traceback says why",
    source="Multi-processing, issues: workers not appearing in ps; Multi-processing, if a worker crashes repeatedly",
)
def ready(live: Live) -> Finding:
    """What the server itself says of its pools."""
    status = live.status
    pools = {"http": status, "cron": status["cron"], "websocket": status["websocket"]}
    short = [f"{pool['ready']} of {pool['wanted']} {name}" for name, pool in pools.items() if pool["ready"] < pool["wanted"]]
    if status.get("crash_loop"):
        return failed("workers die at their start, one after the other", "prefork incidents")
    if short and status["state"] == "starting" and status["uptime"] > STARTED:
        return warned(f"{', '.join(short)} workers are ready", "prefork status")
    return passed("all workers are ready")


def listens(server: Server) -> str:
    """The ports of a server in words."""
    return f"it listens on {', '.join(map(str, sorted(server.ports)))}" if server.ports else "it listens on no port"
