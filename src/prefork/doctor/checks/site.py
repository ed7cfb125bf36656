"""The site itself, as a client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prefork.doctor.verdict import Finding, check, failed, passed, warned

if TYPE_CHECKING:
    from prefork.doctor.evidence import Conf, Site

SOON = 14.0  # days


@check(
    "site-healthy",
    why="This is what users see",
    source="Quick answer, the worker configuration problem: the site is timing out",
)
def healthy(site: Site) -> Finding:
    """Its first page is no error."""
    if site.home.status >= 500:
        return failed(
            f"{site.url} answers {site.home.status}", f"curl -sv -o /dev/null {site.url}    # then the log of the server behind"
        )
    return passed(f"{site.url} answers {site.home.status}")


@check(
    "https-only",
    why="Passwords and sessions cross the network in clear text",
    source="Enterprise, layer 1: secure deployments must enforce HTTPS",
)
def https(site: Site) -> Finding:
    """No page without TLS."""
    secure = site.url.startswith("https:")
    page = site.plain if secure else site.home
    if page is None or page.location.startswith("https://"):
        return passed("there is no page without TLS")
    if not secure and site.loopback:
        return warned(f"{site.url} has no TLS, though only this machine reaches it", "return 308 https://$host$request_uri;")
    return failed(
        f"{site.url.replace('https:', 'http:')} answers {page.status} without TLS", "return 308 https://$host$request_uri;"
    )


@check(
    "certificate-trusted",
    why="Browsers warn people away, and programs do not connect at all",
    source="Enterprise, layer 1: HTTPS termination",
)
def certificate(site: Site) -> Finding:
    """A certificate that clients accept, and will next week."""
    if site.tls:
        return failed(f"{site.url}: {site.tls}", f"certbot --nginx -d {urlsplit(site.url).hostname}")
    if site.days is not None and site.days < SOON:
        return warned(f"{site.url}: its certificate is valid for {site.days:.0f} days more", "certbot renew")
    return passed("no TLS here" if site.days is None else f"its certificate is valid for {site.days:.0f} days more")


@check(
    "redirects-stay",
    why="The application does not know its own address: links in mails and redirects lead out of TLS or to an inner name",
    source="Performance, enable proxy mode; Service, pro tip: add proxy_mode = True",
)
def redirects(site: Site, conf: Conf | None = None) -> Finding:
    """Where the first page leads to, if it does: the same scheme and host."""
    here, there = urlsplit(site.url), urlsplit(site.home.location)
    if (
        site.home.location
        and there.netloc
        and here.scheme == "https"
        and (there.scheme != "https" or there.hostname != here.hostname)
    ):
        off = conf is not None and not conf.settings.proxy_mode
        fix = (
            "proxy_mode = True" if off else "proxy_set_header X-Forwarded-Proto $scheme;\nproxy_set_header X-Forwarded-Host $host;"
        )
        return failed(f"{site.url} redirects to {there.scheme}://{there.netloc}", fix)
    return passed("redirects stay on the site")
