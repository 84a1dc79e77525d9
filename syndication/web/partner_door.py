"""Who may pull: Bearer, Basic or a capability address, a limit on asking, and every request of a known partner on record.

Guarantees: missing, wrong and revoked keys are 401, told apart by nothing; no answer and no log line repeats a key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine
from traceback import format_exception
from typing import Any

import structlog
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from syndication import clock
from syndication.errors import BadInput, NotFound, SyndicationError
from syndication.feeds.formats import FORMATS
from syndication.ledger.tables import Partner
from syndication.partners import keys
from syndication.partners.pulls import Pulled, PullLog
from syndication.web.limits import Limit, visitor
from syndication.web.visitors import client_address
from syndication.wiring import Wiring

_log = structlog.get_logger(__name__)

KNOCKS = "60/minute"  # with a wrong key, from one address
_CHALLENGE = 'Bearer realm="partners"{error}, Basic realm="partners", charset="UTF-8"'


class Door:
    """Lets a partner in, or answers 401 or 429."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        most = f"{wiring.settings.partner_pulls_per_minute}/minute"
        self._pulls = Limit("partner pulls", most, wiring.broker_url)
        self._knocks = Limit("partner knocks", KNOCKS, wiring.broker_url)

    def by_token(self, request: Request) -> Partner:
        offered = offered_tokens(request.headers.get("authorization", ""))
        with self._wiring.db.reading() as session:
            partner = keys.by_token(session, offered)
        return self._let_in(request, partner, bool(offered))

    def by_capability(self, request: Request, secret: str) -> Partner:
        with self._wiring.db.reading() as session:
            partner = keys.by_capability(session, secret)
        return self._let_in(request, partner, True)

    def _let_in(self, request: Request, partner: Partner | None, offered: bool) -> Partner:
        if partner is not None:
            request.state.partner_id = partner.id  # known from here on, for the record
        if partner is None or not keys.may_pull(partner):
            if not self._knocks.admits(visitor(client_address(request, self._wiring.settings.trusted_proxies))):
                raise too_often(self._knocks)
            error = ', error="invalid_token"' if offered else ""  # RFC 6750 §3.1: none where no key was sent
            raise HTTPException(401, "Send your partner token.", {"WWW-Authenticate": _CHALLENGE.format(error=error)})
        if not self._pulls.admits(str(partner.id)):
            raise too_often(self._pulls)
        return partner


def recorded(log: PullLog) -> type[APIRoute]:
    """Routes that put every request of a known partner on record: what carries entries before it leaves, the rest soon.

    An endpoint that carries entries sets `request.state.entries` and `request.state.revisions`.
    """

    class Recorded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            def pulled(request: Request, status: int, size: int = 0) -> Pulled | None:
                partner_id = getattr(request.state, "partner_id", None)
                if partner_id is None:
                    return None
                fmt = request.path_params.get("fmt")
                what = self.name.removeprefix("capability_") if fmt not in FORMATS else str(fmt)
                revisions = getattr(request.state, "revisions", []) if size else []
                return Pulled(partner_id, clock.now(), what, status, size, revisions)

            async def answer(request: Request) -> Response:
                try:
                    response = await handler(request)
                except (HTTPException, RequestValidationError, SyndicationError, SQLAlchemyError) as error:
                    if (pull := pulled(request, status_of(error))) is not None:
                        log.note(pull)
                    raise
                except Exception as error:  # a fault of ours: a partner gets words, never a trace
                    # As text: a renderer that shows the values of a frame would show a key.
                    _log.error("a partner's pull failed", what=self.name, trace="".join(format_exception(error)))
                    if (pull := pulled(request, 500)) is not None:
                        log.note(pull)
                    raise HTTPException(500, "This cannot be answered now.") from error
                pull = pulled(request, response.status_code, len(response.body))
                if pull is not None and pull.bytes and getattr(request.state, "entries", 0):
                    await run_in_threadpool(log.write, pull)
                elif pull is not None:
                    log.note(pull)
                return response

            return answer

    return Recorded


def status_of(error: Exception) -> int:
    """What a partner is answered where their request ended in an error."""
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, BadInput):
        return 400
    return 422 if isinstance(error, RequestValidationError) else 503


def offered_tokens(authorization: str) -> list[str]:
    """The tokens a request may mean: Bearer's, or both halves of Basic's, for importers that fill only one of them."""
    scheme, _, rest = authorization.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return [rest] if rest else []
    if scheme.lower() != "basic":
        return []
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return [rest]
    return [half for half in (password, user) if half]


def too_often(limit: Limit) -> HTTPException:
    wait = str(limit.wait_seconds)
    return HTTPException(429, f"Too many requests; ask again in {wait} seconds.", {"Retry-After": wait})
