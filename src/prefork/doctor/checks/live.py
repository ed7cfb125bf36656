"""The way of WebSockets and long polls through nginx: the right route for the version, to the right port, with its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.doctor.checks.nodes import hosted
from prefork.doctor.routing import Place, local, locations, port, route
from prefork.doctor.verdict import Finding, check, failed, passed, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.doctor.evidence import Conf, Live, Site
    from prefork.doctor.routing import Proxy

SINCE = 16  # the version that has WebSockets
OLD, NEW = ("/longpolling/poll",), ("/websocket", "/web/websocket")
LEAST = 55.0  # seconds: an answer to a long poll may take 50
BLOCK = """location {path} {{
    proxy_pass http://127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_read_timeout 3600s;
}}"""


def paths(version: int | None) -> tuple[str, ...]:
    """The live routes of a version of Odoo; those of all where it is not known."""
    if version is None:
        return NEW + OLD
    return NEW if version >= SINCE else OLD


def block(version: int | None, conf: Conf | None) -> str:
    """The location to paste."""
    return BLOCK.format(
        path="/longpolling" if paths(version) == OLD else "/websocket", port=conf.settings.websocket_port if conf else 8072
    )


def routes(proxy: Proxy, among: tuple[str, ...]) -> Iterator[tuple[Place, tuple[Place, ...]]]:
    """Each site with the locations of its own that its live routes have."""
    for server in proxy.sites():
        front = route(server, "/")
        found = (place for path in among if (place := route(server, path)))
        yield server, tuple(place for place in found if place.passes and (front is None or place.at != front.at))


def wanted(proxy: Proxy, conf: Conf | None, version: int | None) -> bool:
    """Whether the application has live connections: Odoo has, and who publishes on the bus. Without a file its usual ports tell."""
    if conf is not None:
        return hosted(conf) or conf.settings.bus
    ports = {port(each) for server in proxy.sites() for place in locations(server) for each in proxy.targets(place)}
    return version is not None or bool(ports & {8069, 8072})


def shared(place: Place | None, proxy: Proxy, live: Live | None) -> bool:
    """Whether the location of all pages serves live connections as well: a Prefork's does, if its headers let it."""
    return live is not None and place is not None and bool(proxy.targets(place)) and bool(place.header("Upgrade"))


@check(
    "live-route-present",
    why="Live chat, Discuss and notifications are broken: a worker for pages cannot hold a WebSocket",
    source="Quick answer, troubleshooting 1: longpolling/livechat is broken; Multi-processing, issues: live chat broken; "
    "Enterprise, layer 2: websocket nodes",
)
def present(proxy: Proxy, conf: Conf | None = None, version: int | None = None, live: Live | None = None) -> Finding:
    """A location for the live route of this version."""
    if not wanted(proxy, conf, version):
        return passed("nothing says that the application has live connections")
    if conf and not conf.workers and conf.odoo:
        return passed("without workers the main port does it all")
    for server, found in routes(proxy, paths(version)):
        if not found and not shared(route(server, paths(version)[0]), proxy, live):
            wrong = [name for name in OLD + NEW if name not in paths(version) and dedicated(server, name)]
            what = f"{wrong[0]} is there, version {version} asks for {paths(version)[0]}" if wrong else f"no {paths(version)[0]}"
            return failed(f"{server.at}: {server.title}: {what}", block(version, conf))
    return passed(f"there is a location for {' or '.join(paths(version))}")


def dedicated(server: Place, path: str) -> bool:
    """Whether a path has a location that the first page has not."""
    place, front = route(server, path), route(server, "/")
    return place is not None and (front is None or place.at != front.at)


@check(
    "live-route-port",
    why="Workers for pages answer a WebSocket with an error: it must go to the evented process",
    source="Quick answer, FAQ: nginx must proxy to port 8072; Performance, longpolling; "
    "Multi-processing, FAQ: the gevent worker; Enterprise, principle 1",
)
def right_port(proxy: Proxy, conf: Conf, version: int | None = None, live: Live | None = None) -> Finding:
    """The live route leads to the live port."""
    allowed = {conf.settings.websocket_port} | ({conf.settings.http_port} if live or not conf.odoo or not conf.workers else set())
    for _, found in routes(proxy, paths(version)):
        for place in found:
            wrong = [each for each in proxy.targets(place) if local(each) and port(each) not in allowed]
            if wrong:
                fix = f"proxy_pass http://127.0.0.1:{conf.settings.websocket_port};"
                return failed(f"{place.at}: {place.title} leads to {wrong[0]}, not to {conf.settings.websocket_port}", fix)
    return passed(f"the live route leads to {conf.settings.websocket_port}")


@check(
    "live-route-headers",
    why="nginx does not pass these two headers on by itself, and without them no WebSocket is opened",
    source="Quick answer, troubleshooting 1: fix; Multi-processing, configuring nginx for multi-processing",
)
def headers(proxy: Proxy, version: int | None = None) -> Finding:
    """Upgrade and Connection."""
    wanted = {"Upgrade": "$http_upgrade", "Connection": '"upgrade"'}
    for _, found in routes(proxy, tuple(path for path in paths(version) if path in NEW)):
        for place in found:
            missing = [name for name in wanted if not place.header(name)]
            if missing:
                fix = "\n".join(f"proxy_set_header {name} {wanted[name]};" for name in missing)
                return failed(f"{place.at}: {place.title} does not pass on {' and '.join(missing)}", fix)
    return passed("Upgrade and Connection are passed on")


@check(
    "live-route-patience",
    why="nginx cuts connections that are silent for longer, and every browser connects again at once",
    source="Multi-processing, configuring nginx: proxy_read_timeout 86400s",
)
def patience(proxy: Proxy, version: int | None = None) -> Finding:
    """Live connections are silent most of the time."""
    for _, found in routes(proxy, paths(version)):
        for place in found:
            if place.seconds("proxy_read_timeout") < LEAST:
                given = place.seconds("proxy_read_timeout")
                return warned(f"{place.at}: {place.title} waits {given:g} s", "proxy_read_timeout 3600s;")
    return passed("live connections may be silent")


@check(
    "live-connects",
    why="This is what a browser does: whatever the files say, chat and notifications are broken",
    source="Quick answer, FAQ: test live chat, browser console should not show WebSocket errors; "
    "Multi-processing, issues: live chat broken",
)
def connects(site: Site, conf: Conf | None = None, version: int | None = None) -> Finding:
    """A WebSocket, or a long poll up to 15, that was really opened through everything before the server."""
    if site.upgrade is None:
        return passed(f"{site.live} was opened through {site.url}")
    application = version is not None or (conf is not None and (hosted(conf) or conf.settings.bus))
    if not application and site.upgrade.startswith(("404", "405")):
        return passed(f"there is no {site.live}: {site.upgrade}")
    return failed(f"{site.url}: {site.live} is not opened: {site.upgrade}", block(version, conf))
