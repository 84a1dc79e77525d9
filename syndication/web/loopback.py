"""Some pages are for the person at this machine only: shown on loopback with the maildir transport, else they do not exist."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from syndication.settings import LOOPBACK_HOSTS
from syndication.wiring import Wiring

Handler = Callable[[Request], Response]
# What proxies, tunnels and load balancers add, one of which every one of them does.
_FORWARDED = (
    "forwarded", "via", "x-forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
    "x-forwarded-server", "x-original-host", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "cf-ray",
)  # fmt: skip


def is_here(wiring: Wiring, request: Request) -> bool:
    """The settings allow it, and peer and Host are loopback. A proxy on this machine has both: it gives itself away by its
    headers."""
    if not wiring.settings.shows_workbench or urlsplit(wiring.base_url).hostname not in LOOPBACK_HOSTS:
        return False
    if any(name in request.headers for name in _FORWARDED) or len(request.headers.getlist("host")) != 1:
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        peer = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:  # a server bound to both families
        peer = peer.ipv4_mapped
    return peer.is_loopback and host in LOOPBACK_HOSTS


def only_here(wiring: Wiring, handler: Handler) -> Handler:
    """The handler, or 404 for everybody else."""

    def guarded(request: Request) -> Response:
        if not is_here(wiring, request):
            raise HTTPException(404)
        return handler(request)

    return guarded


def headers(wiring: Wiring, *, framed: bool = False) -> dict[str, str]:
    """Of a page made here; `framed`: of foreign HTML (a mail, a feed's content) that stands in an iframe of ours."""
    if framed:
        policy = (
            "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
            f"img-src 'self' {wiring.base_url} data:; base-uri 'none'; frame-ancestors 'self'"
        )
    else:
        policy = (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
    return {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",  # a page elsewhere that opens this one learns nothing of it
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
    }
