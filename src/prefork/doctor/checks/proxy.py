"""nginx's files: TLS, what it says about clients, how long it waits, and what it need not ask Python for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.doctor.routing import Place, local, locations, port, route
from prefork.doctor.verdict import Finding, check, failed, passed, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.doctor.evidence import Conf, Live
    from prefork.doctor.routing import Proxy

FORWARDED = {
    "X-Forwarded-Host": "$host",
    "X-Forwarded-For": "$proxy_add_x_forwarded_for",
    "X-Forwarded-Proto": "$scheme",
}
PRINTED = 720.0  # seconds in Odoo's own documentation, beside a limit of 1200 for requests
ASSET, ATTACHMENT = "/web/static/src/main.js", "/web/filestore/shop/00/0000"
OLD = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"}
TLS_FIX = "listen 443 ssl;\nssl_certificate     /etc/ssl/site.crt;\nssl_certificate_key /etc/ssl/site.key;"
STATIC_FIX = "location ~ ^/[^/]+/static/ {{ root {}; try_files $uri @odoo; expires 24h; }}\nlocation @odoo {{ proxy_pass {}; }}"


def fronts(proxy: Proxy) -> Iterator[tuple[Place, Place]]:
    """Each server that passes the site on, with the location of its first page."""
    for server in proxy.sites():
        place = route(server, "/")
        if place and place.passes:
            yield server, place


def encrypted(server: Place, front: Place) -> bool:
    """Whether pages without TLS are led to TLS here, or whoever stands before nginx has ended it."""
    led = any("$scheme" in each.args[0] or "$https" in each.args[0] for each in server.own("if") if each.args)
    ended = front.header("X-Forwarded-Proto") in {"https", "$http_x_forwarded_proto"}
    return led or ended or bool(server.own("return"))


@check(
    "nginx-directives",
    why="nginx refuses the whole file, and goes on with the old one until it is restarted",
    source="Multi-processing, configuring nginx",
)
def spelled(proxy: Proxy) -> Finding:
    """Directives that look like others."""
    if proxy.misspelt:
        found, meant = proxy.misspelt[0]
        return failed(f"{found.place}: {found.name} is no directive", f"{meant} {' '.join(found.args)};")
    return passed("every directive is one, or a module's")


@check(
    "tls-at-the-edge",
    why="Passwords and sessions cross the network in clear text",
    source="Enterprise, layer 1: HTTPS termination, authentication in cleartext unless encrypted; Service, pro tip: reverse proxy",
)
def tls(proxy: Proxy) -> Finding:
    """A server that passes requests on without TLS."""
    served = list(fronts(proxy))
    for server, place in served:
        if encrypted(server, place):
            continue
        for listen in server.own("listen"):
            if not {"ssl", "quic"} & set(listen.args):
                return failed(f"{listen.place}: listen {' '.join(listen.args)} without TLS leads to {place.passes}", TLS_FIX)
        if not server.own("listen") and len(server.chain) > 1:
            return failed(f"{server.at}: {server.title} listens on port 80 alone", TLS_FIX)
    return passed("every site has TLS" if served else "no whole site in these files")


@check(
    "tls-versions",
    why="What these versions encrypt can be read by those who try",
    source="Enterprise, layer 1: HTTPS termination",
)
def versions(proxy: Proxy) -> Finding:
    """Versions of TLS that are given up."""
    for server in proxy.servers():
        for each in server.all("ssl_protocols"):
            if old := OLD & set(each.args):
                return warned(f"{each.place}: {', '.join(sorted(old))}", "ssl_protocols TLSv1.2 TLSv1.3;")
    return passed("no old version of TLS is named")


@check(
    "forwarded-headers",
    why="With proxy_mode the application believes these headers; without them its links, redirects and addresses are wrong",
    source="Performance, enable proxy mode; Service, pro tip: workers require a reverse proxy and proxy_mode",
)
def forwarded(proxy: Proxy, conf: Conf) -> Finding:
    """What proxy_mode needs. Odoo ignores them all where X-Forwarded-Host is missing."""
    if not conf.settings.proxy_mode:
        return passed("proxy_mode is off, so none is needed")
    for _, place in fronts(proxy):
        missing = [name for name in FORWARDED if not place.header(name)]
        if missing:
            fix = "\n".join(f"proxy_set_header {name} {FORWARDED[name]};" for name in missing)
            return failed(f"{place.at}: {place.title} does not set {', '.join(missing)}", fix)
    return passed("X-Forwarded-Host, -For and -Proto are set")


@check(
    "proxy-mode",
    why="Behind a proxy every client seems to be the proxy itself, and links lead to http://",
    source="Service, pro tip: add proxy_mode = True; Performance, enable proxy mode; Multi-processing, other recommended settings",
)
def proxy_mode(proxy: Proxy, conf: Conf) -> Finding:
    """A proxy before a server that does not know of it."""
    before = [place for _, place in fronts(proxy) if any(port(each) == conf.settings.http_port for each in proxy.targets(place))]
    if before and not conf.settings.proxy_mode:
        return failed(f"{conf.says('proxy_mode')}, and {before[0].at} is before it", "proxy_mode = True")
    return passed(f"proxy_mode = {conf.settings.proxy_mode}")


@check(
    "upstream-right",
    why="nginx answers 502 to everything that it sends where nobody listens",
    source="Multi-processing, configuring nginx; Enterprise, the 2-node recipe",
)
def upstream(proxy: Proxy, conf: Conf) -> Finding:
    """The port of the site is that of the configuration."""
    for _, place in fronts(proxy):
        wrong = [each for each in proxy.targets(place) if local(each) and port(each) not in {conf.settings.http_port, None}]
        if wrong and conf.settings.http_enable:
            seen = f"{place.at}: {place.title} goes to {wrong[0]}, {conf.says('http_port')}"
            return failed(seen, f"server 127.0.0.1:{conf.settings.http_port};")
    return passed("requests go to the configured port")


@check(
    "jobs-node-hidden",
    why="A node for jobs rejects HTTP: every request that is sent there fails",
    source="Enterprise, the 2-node recipe: the cron node is not registered in the load balancer",
)
def hidden(proxy: Proxy, conf: Conf) -> Finding:
    """A node without HTTP is in no upstream."""
    if conf.settings.http_enable:
        return passed("this node serves HTTP")
    for _, place in fronts(proxy):
        for each in proxy.targets(place):
            if local(each) and port(each) == conf.settings.http_port:
                return failed(f"{place.at}: requests go to {each}, {conf.says('http_enable')}", f"# server {each};")
    return passed("no request is sent to this node")


@check(
    "timeouts-ordered",
    why="nginx answers 504 while the worker goes on for nobody, and users press the button again",
    source="Quick answer, configuring odoo.conf: time limits; Quick answer, troubleshooting 2",
)
def timeouts(proxy: Proxy, conf: Conf) -> Finding:
    """nginx waits longer than a request may take."""
    limit = conf.settings.limit_time_real
    for _, place in fronts(proxy):
        given = place.seconds("proxy_read_timeout")
        if given < min(limit, PRINTED):
            seen = f"{place.at}: {place.title} waits {given:g} s, and limit_time_real is {limit:g} s"
            return warned(seen, f"proxy_read_timeout {max(PRINTED, limit):g}s;")
    return passed("nginx waits as long as a request may take")


@check(
    "nothing-done-twice",
    why="nginx sends an order to a second node when the first one dies, though it may have been booked",
    source="Enterprise, principle 2: consistency supersedes all else",
)
def once(proxy: Proxy) -> Finding:
    """Requests that are not safe are not repeated."""
    for server in proxy.sites():
        for place in (server, *locations(server)):
            for each in place.all("proxy_next_upstream"):
                if "non_idempotent" in each.args:
                    rest = " ".join(arg for arg in each.args if arg != "non_idempotent")
                    return failed(f"{each.place}: proxy_next_upstream has non_idempotent", f"proxy_next_upstream {rest};")
    return passed("no unsafe request is repeated")


@check(
    "statics-offloaded",
    why="A worker that sends images and scripts serves no user meanwhile; nginx sends them from the disk",
    source="Enterprise, principle 3: never let Odoo continuously serve statics; Enterprise, layer 3: static assets served by nginx",
)
def statics(proxy: Proxy, conf: Conf, live: Live | None = None) -> Finding:
    """Static files of Odoo's modules. Prefork's dispatcher sends them without a worker."""
    if live is not None:
        return passed("the dispatcher sends static files, no worker does")
    for server, front in fronts(proxy):
        place = route(server, ASSET)
        cached = place is not None and (place.text("proxy_cache") not in {"", "off"})
        if conf.odoo and place is not None and place.passes and not cached:
            seen = f"{place.at}: {place.title} takes /web/static to {place.passes}"
            return warned(seen, STATIC_FIX.format("/opt/odoo/addons", front.passes))
    return passed("static files need no worker")


@check(
    "attachments-offloaded",
    why="A large download keeps a worker busy for as long as the client's network takes, or arrives empty",
    source="Enterprise, layer 3: X-Sendfile / X-Accel; Enterprise, principle 3: attachments",
)
def attachments(proxy: Proxy, conf: Conf, live: Live | None = None) -> Finding:
    """`x_sendfile` and its location go together."""
    given = conf.settings.host_options.get("x_sendfile", "").strip().lower() in {"true", "1", "yes", "on"}
    if live is not None or not conf.odoo:
        return passed("the dispatcher sends attachments" if live else "no Odoo, no attachments of its")
    for server, _ in fronts(proxy):
        place = route(server, ATTACHMENT)
        internal = place is not None and bool(place.own("internal"))
        store = f"location /web/filestore {{ internal; alias {conf.data_dir}/filestore; }}"
        if given and not internal:
            return failed(
                f"{conf.says_host('x_sendfile')}, and {server.at} has no internal /web/filestore: downloads are empty", store
            )
        if not given and internal:
            return warned("nginx has an internal /web/filestore, and Odoo does not use it", "x_sendfile = True")
        if not given:
            return warned("attachments are sent by workers", f"x_sendfile = True\n{store}")
    return passed("attachments are sent by nginx" if given else "no whole site in these files")
