"""Who visits and what they send: the address behind trusted proxies, a limit on asking, forms of bounded size."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

LONGEST_FORM = 64_000
Act = Callable[[Request, FormData | None], Response]


class Limit:
    """`rates` as in "20/minute;300/hour", for each visitor's address. Each web process counts for itself."""

    def __init__(self, rates: str) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._rates = parse_many(rates)

    def admits(self, ip: str) -> bool:
        """Counts the visit in every window; False where one is full."""
        counted = [self._limiter.hit(rate, _network(ip)) for rate in self._rates]
        return all(counted)


def client_address(request: Request, trusted: str) -> str:
    """The visitor's address; X-Forwarded-For is believed from the right, as far as the proxies are trusted."""
    known = {name.strip() for name in trusted.split(",") if name.strip()}
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    address = request.client.host if request.client else ""
    while address in known and hops:
        address = hops.pop()
    return address


def form_endpoint(act: Act) -> Callable[[Request], Any]:
    """An endpoint that runs `act(request, form)` in a thread; `form` is None unless this is a POST."""

    async def endpoint(request: Request) -> Response:
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
        response = await run_in_threadpool(act, request, form)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    return endpoint


def text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return "" if isinstance(value, UploadFile) else value.strip()


def numbers(form: FormData, name: str) -> list[int]:
    return [int(v) for v in form.getlist(name) if isinstance(v, str) and v.isascii() and v.isdigit()]


def _network(ip: str) -> str:
    """Whom a limit counts: one IPv4 address, or the /64 that one IPv6 household has."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    return str(ipaddress.ip_network(f"{ip}/64", strict=False)) if address.version == 6 else ip
