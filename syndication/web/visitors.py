"""Who visits and what they send: the address behind trusted proxies, forms of bounded size, and the pages that answer them.

These pages are about a person, so they are kept by nobody, indexed by nobody, framed by nobody, and tell no other site where
the visitor came from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Scope

from syndication.audience.wishes import Evidence
from syndication.audience.words import Words
from syndication.feeds.view import direction
from syndication.web.pages import CSP, render
from syndication.wiring import Wiring

LONGEST_FORM: Final = 64_000
_LONGEST_NUMBER: Final = 18  # digits of a row's id
Act = Callable[[Request, FormData | None], Response]
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CSP.replace("frame-ancestors 'self'", "frame-ancestors 'none'"),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def page(wiring: Wiring, words: Words, name: str, heading: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page of templates/web/subscription; `error` and `text` are sentences that may be missing."""
    shown = {"error": "", "text": "", "again": False, **context, "words": words, "heading": heading}
    shown |= {"language": words.language, "direction": direction(words.language)}
    return HTMLResponse(render(wiring, f"web/subscription/{name}", **shown), status)


def client_address(request: Request, trusted: str) -> str:
    """The visitor's address; X-Forwarded-For is believed from the right, as far as the proxies are trusted."""
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    address = request.client.host if request.client else ""
    while hops and is_trusted(address, trusted):
        address = hops.pop()
    return address


def client_of(scope: Scope, trusted: str) -> str:
    """The same of a request that is no more than its ASGI scope; quick where the peer is nobody's proxy."""
    peer: str = scope["client"][0] if scope.get("client") else ""
    return client_address(Request(scope), trusted) if is_trusted(peer, trusted) else peer


@lru_cache(maxsize=1_024)
def is_trusted(address: str, trusted: str) -> bool:
    """Whether an address is one of, or lies in one of, those of the comma list."""
    if not trusted or not address:
        return False
    try:
        ours = ip_address(address)
    except ValueError:
        return False
    return any(ours in ip_network(name.strip()) for name in trusted.split(",") if name.strip())


def evidence_of(wiring: Wiring, request: Request, via: str) -> Evidence:
    ip = client_address(request, wiring.settings.trusted_proxies)
    return Evidence(ip=ip, user_agent=request.headers.get("user-agent", ""), via=via)


def form_endpoint(act: Act) -> Callable[[Request], Any]:
    """An endpoint that runs `act(request, form)` in a thread; `form` is None unless this is a POST."""

    async def endpoint(request: Request) -> Response:
        response = await _answer(act, request)
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response

    return endpoint


async def _answer(act: Act, request: Request) -> Response:
    form = None
    if request.method == "POST":
        size = 0
        chunks = []
        async for chunk in request.stream():
            size += len(chunk)
            if size > LONGEST_FORM:
                return PlainTextResponse("The form is too large.", 413)
            chunks.append(chunk)
        request._body = b"".join(chunks)  # Starlette parses a form from here once the stream is used up
        try:
            form = await request.form()
        except HTTPException:
            form = FormData()
    return await run_in_threadpool(act, request, form)


def text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return "" if isinstance(value, UploadFile) else value.strip()


def number(value: str) -> int | None:
    """The id that a field names; None for what is none."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER else None
